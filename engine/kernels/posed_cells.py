# SPDX-License-Identifier: GPL-3.0-or-later
"""Posed space near the head as a grid of fine cells, and where its points land in canonical space.

In a SMOOTH cell the canonical position is interpolated between the cell's corners; in a ROUGH one,
where the nearest surface jumps (between lips and lids), the nearest point is searched for.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
import warp as wp
from torch import Tensor

from .inverse_skinning import unpose_point
from .lattice import cell_of, corner_of, fraction_of
from .threads import each_slice

EMPTY, SMOOTH, ROUGH, DARK = 0, 1, 2, 3  # states of fine cells; DARK ends a ray
NOWHERE = wp.constant(1.0e6)  # m, distance to the skin of points that land nowhere


@wp.struct
class Posed:
    """One frame's fine cells, and its mesh for where they do not do."""

    low: wp.vec3
    cell: wp.float32
    state: wp.array3d(dtype=wp.uint8)
    node: wp.array3d(dtype=wp.vec4)
    mesh: wp.uint64
    shell: wp.float32
    faces: wp.array2d(dtype=wp.int32)
    weights: wp.array2d(dtype=wp.float32)
    transforms: wp.array3d(dtype=wp.vec4)
    canonical: wp.array2d(dtype=wp.vec4)
    offsets: wp.array2d(dtype=wp.vec3)


@wp.func
def landing_of(posed: Posed, x: wp.vec3, cell: wp.vec3i, f: wp.vec3, state: wp.uint8):
    """Canonical position of x, and its distance to the skin (m)."""
    if state == wp.uint8(SMOOTH):
        total = wp.vec4(0.0)
        for corner in range(8):
            at, w = corner_of(cell, f, corner)
            total += w * posed.node[at[0], at[1], at[2]]
        return total
    query = wp.mesh_query_point_no_sign(posed.mesh, x, posed.shell)
    if not query.result:
        return wp.vec4(0.0, 0.0, 0.0, NOWHERE)
    p = wp.mesh_eval_position(posed.mesh, query.face, query.u, query.v)
    corners = wp.vec3i(
        posed.faces[query.face, 0], posed.faces[query.face, 1], posed.faces[query.face, 2]
    )
    bary = wp.vec3(query.u, query.v, 1.0 - query.u - query.v)
    y, _turn = unpose_point(
        x, 0, corners, bary, posed.weights, posed.transforms, posed.canonical, posed.offsets
    )
    return wp.vec4(y[0], y[1], y[2], wp.length(p - x))


@wp.kernel
def _land(x: wp.array(dtype=wp.vec3), posed: Posed, landing: wp.array(dtype=wp.vec4)):
    i = wp.tid()
    size = wp.vec3i(posed.state.shape[0], posed.state.shape[1], posed.state.shape[2])
    p = (x[i] - posed.low) / posed.cell
    cell = cell_of(p, size)
    state = posed.state[cell[0], cell[1], cell[2]]
    landing[i] = wp.vec4(0.0, 0.0, 0.0, NOWHERE)
    if state == wp.uint8(SMOOTH) or state == wp.uint8(ROUGH):
        landing[i] = landing_of(posed, x[i], cell, fraction_of(p, cell), state)


@dataclass(frozen=True)
class PosedCells:
    """One frame's X·Y·Z fine cells."""

    low: Tensor  # [3] m, lower corner
    cell: float  # m, edge
    state: Tensor  # [X, Y, Z] uint8: EMPTY, SMOOTH, ROUGH or DARK
    node: Tensor  # [X+1, Y+1, Z+1, 4] m: where the corners land, and how far off the skin
    mesh: wp.Mesh  # the posed skin …
    vertices: Tensor  # [V, 3] m … and its vertices
    shell: float  # m; farther from the skin is nothing
    faces: Tensor  # [F, 3] int32
    weights: Tensor  # [V, J]
    transforms: Tensor  # [1, J, 3, 4] posed_from_rest
    canonical: Tensor  # [J, 3, 4] canonical_from_rest
    offsets: Tensor  # [1, V, 3] m

    @cached_property
    def warp(self) -> Posed:
        """The same as a kernel's argument."""
        posed = Posed()
        posed.low, posed.cell = wp.vec3(*self.low.tolist()), self.cell
        posed.state = wp.from_torch(self.state.contiguous())
        posed.node = wp.from_torch(self.node.contiguous(), dtype=wp.vec4)
        posed.mesh, posed.shell = self.mesh.id, self.shell
        posed.faces = wp.from_torch(self.faces.contiguous())
        posed.weights = wp.from_torch(self.weights.contiguous())
        posed.transforms = wp.from_torch(self.transforms.detach().contiguous(), dtype=wp.vec4)
        posed.canonical = wp.from_torch(self.canonical.detach().contiguous(), dtype=wp.vec4)
        posed.offsets = wp.from_torch(self.offsets.detach().contiguous(), dtype=wp.vec3)
        return posed


def land(x: Tensor, posed: PosedCells) -> tuple[Tensor, Tensor]:
    """Points of one frame to canonical space. Not differentiable.

    Args:
        x: [S, 3] m.
        posed: the frame.

    Returns:
        x_canonical [S, 3] m, and the distance [S] m to the posed skin; 1e6 in cells that are empty
        or dark.
    """
    x = x.detach().contiguous()
    landing, frame = torch.empty(len(x), 4, device=x.device), posed.warp

    def run(part: slice) -> None:
        wp.launch(
            _land,
            dim=part.stop - part.start,
            inputs=[wp.from_torch(x[part], dtype=wp.vec3), frame],
            outputs=[wp.from_torch(landing[part], dtype=wp.vec4)],
            device=wp.device_from_torch(x.device),
        )

    if len(x):
        each_slice(len(x), x.device, run)
    return landing[:, :3], landing[:, 3]
