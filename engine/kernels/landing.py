# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of rays to canonical space in one pass: nearest point, inverse skinning, occupancy.

What `PosedMeshes.nearest`, `inverse_skin` and the look-up of the occupancy say one after the other,
without what lies between them in memory. For pictures: not differentiable.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
import warp as wp
from torch import Tensor

from .inverse_skinning import unpose_point
from .lattice import cell_of
from .nearest import PosedMeshes
from .threads import each_slice


@wp.struct
class _Heads:
    """`PosedHeads` as a kernel's argument."""

    meshes: wp.array(dtype=wp.uint64)
    shell: wp.float32
    faces: wp.array2d(dtype=wp.int32)
    weights: wp.array2d(dtype=wp.float32)
    transforms: wp.array3d(dtype=wp.vec4)
    canonical: wp.array2d(dtype=wp.vec4)
    offsets: wp.array2d(dtype=wp.vec3)
    low: wp.vec3
    size: wp.float32
    occupied: wp.array3d(dtype=wp.uint8)
    clearance: wp.array3d(dtype=wp.float32)
    tear: wp.float32


@wp.func
def may_hold(
    occupied: wp.array3d(dtype=wp.uint8),
    clearance: wp.array3d(dtype=wp.float32),
    tear: wp.float32,
    u: wp.vec3,
    distance: wp.float32,
):
    """Whether the cell at u may hold something, and was not torn from elsewhere."""
    g = occupied.shape[0]
    c = cell_of(u * wp.float32(g), wp.vec3i(g, g, g))
    if occupied[c[0], c[1], c[2]] == wp.uint8(0):
        return False
    return wp.abs(clearance[c[0], c[1], c[2]]) >= distance - tear


@wp.kernel
def _land_steps(
    step: wp.array(dtype=wp.int64),
    ray: wp.array(dtype=wp.int64),
    t: wp.array(dtype=wp.float32),
    origins: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    frame: wp.array(dtype=wp.int32),
    heads: _Heads,
    holds: wp.array(dtype=wp.uint8),
    u: wp.array(dtype=wp.vec3),
    view: wp.array(dtype=wp.vec3),
):
    i = wp.tid()
    s = wp.int32(step[i])
    r = wp.int32(ray[s])
    n = frame[r]
    x = origins[r] + t[s] * directions[r]
    holds[i] = wp.uint8(0)
    query = wp.mesh_query_point_no_sign(heads.meshes[n], x, heads.shell)
    if query.result:
        at = wp.mesh_eval_position(heads.meshes[n], query.face, query.u, query.v)
        corner = wp.vec3i(
            heads.faces[query.face, 0], heads.faces[query.face, 1], heads.faces[query.face, 2]
        )
        bary = wp.vec3(query.u, query.v, 1.0 - query.u - query.v)
        landed, turn = unpose_point(
            x, n, corner, bary, heads.weights, heads.transforms, heads.canonical, heads.offsets
        )
        place = (landed - heads.low) / heads.size
        if may_hold(heads.occupied, heads.clearance, heads.tear, place, wp.length(at - x)):
            holds[i] = wp.uint8(1)
            u[i] = place
            view[i] = wp.normalize(turn @ directions[r])


@dataclass(frozen=True)
class PosedHeads:
    """A head in N poses, and where canonical space may hold something."""

    meshes: PosedMeshes  # the N poses …
    vertices: Tensor  # [N, V, 3] m … and their vertices
    shell: float  # m; farther from the skin is nothing
    faces: Tensor  # [F, 3] int32
    weights: Tensor  # [V, J] skinning weights
    transforms: Tensor  # [N, J, 3, 4] posed_from_rest
    canonical: Tensor  # [J, 3, 4] canonical_from_rest
    offsets: Tensor  # [N, V, 3] m, see `inverse_skin`
    low: Tensor  # [3] m, lower corner of the canonical cube
    size: float  # m, its edge
    occupied: Tensor  # [G, G, G] uint8
    clearance: Tensor  # [G, G, G] float32 m, of the cells' centres to the canonical skin
    tear: float  # m, by which a point must have come closer to the skin to count as torn

    @cached_property
    def warp(self) -> _Heads:
        """The same as a kernel's argument, while the meshes hold these poses."""
        heads = _Heads()
        heads.meshes, heads.shell = self.meshes.ids, self.shell
        heads.faces = wp.from_torch(self.faces.contiguous())
        heads.weights = wp.from_torch(self.weights.contiguous())
        heads.transforms = wp.from_torch(self.transforms.detach().contiguous(), dtype=wp.vec4)
        heads.canonical = wp.from_torch(self.canonical.detach().contiguous(), dtype=wp.vec4)
        heads.offsets = wp.from_torch(self.offsets.detach().contiguous(), dtype=wp.vec3)
        heads.low, heads.size = wp.vec3(*self.low.tolist()), self.size
        heads.occupied = wp.from_torch(self.occupied.contiguous())
        heads.clearance = wp.from_torch(self.clearance.contiguous())
        heads.tear = self.tear
        return heads


def land_steps(
    step: Tensor,
    ray: Tensor,
    t: Tensor,
    origins: Tensor,
    directions: Tensor,
    frame: Tensor,
    heads: PosedHeads,
) -> tuple[Tensor, Tensor, Tensor]:
    """Where steps of rays come to lie, and whether canonical space may hold anything there.

    Args:
        step: [D] int64, which of the steps are asked for.
        ray: [S] int64, whose the steps are.
        t: [S], how far along their rays.
        origins: [R, 3] m of the rays, posed space.
        directions: [R, 3]; a length of one is not needed.
        frame: [R] int32 into the N poses.
        heads: N of them.

    Returns:
        holds [D] bool; and where it does, u [D, 3] in the unit cube and view [D, 3], unit
        directions in canonical space (elsewhere these are zero).
    """
    count, device = len(step), t.device
    holds = torch.zeros(count, dtype=torch.uint8, device=device)
    u, view = torch.zeros(count, 3, device=device), torch.zeros(count, 3, device=device)
    of_rays = [wp.from_torch(a.contiguous(), dtype=wp.vec3) for a in (origins, directions)]
    shared = [wp.from_torch(ray), wp.from_torch(t), *of_rays, wp.from_torch(frame.contiguous())]

    def run(part: slice) -> None:
        wp.launch(
            _land_steps,
            dim=part.stop - part.start,
            inputs=[wp.from_torch(step[part]), *shared, heads.warp],
            outputs=[
                wp.from_torch(holds[part]),
                *(wp.from_torch(a[part], dtype=wp.vec3) for a in (u, view)),
            ],
            device=wp.device_from_torch(device),
        )

    if count:
        each_slice(count, device, run)
    return holds.bool(), u, view
