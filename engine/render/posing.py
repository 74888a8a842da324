# SPDX-License-Identifier: GPL-3.0-or-later
"""The head posed for N frames: meshes, joint transforms, offsets, coarse grids."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..avatar.model import Avatar
from ..avatar.occupancy import TEAR, coarse_growth
from ..head.skinning import canonical_theta, canonical_vertices, joint_transforms, vertex_offsets
from ..kernels.inverse_skinning import inverse_skin
from ..kernels.landing import PosedHeads
from ..kernels.marching import DARK, EMPTY, CellMap
from ..kernels.nearest import PosedMeshes

CORNER = 0.87  # of a cell's edge lies between its centre and its corners
SMOOTH = 0.004  # m, by which a cell's guess may miss its neighbour


@dataclass(frozen=True)
class Pose:
    """N frames of the skin; gradients reach the parameters through transforms and offsets."""

    transforms: Tensor  # [N, J, 3, 4] posed_from_rest
    offsets: Tensor  # [N, V, 3] m, B(psi, theta) − B(0, theta_c); zero in that ablation
    vertices: Tensor  # [N, V, 3] m, posed


@dataclass(frozen=True)
class FrameCells:
    """One frame's coarse cells within the shell, and where they land in canonical space."""

    low: Tensor  # [3] m, lower corner of the frame's grid
    size: tuple[int, int, int]  # cells
    cell: Tensor  # [K] int32, flat indices
    dark: Tensor  # [K] bool, too deep under the skin for any light
    smooth: Tensor  # [K] bool, whether landing and turn foretell where the neighbours land
    distance: Tensor  # [K] float16 m, of the centre to the posed skin
    landing: Tensor  # [K, 3] float32 m, canonical position of the centre
    turn: Tensor  # [K, 3, 3] float16, canonical_from_posed


class Poser:
    """Poses an avatar's skin; remembers the canonical pose and the meshes' hierarchies."""

    def __init__(self, avatar: Avatar) -> None:
        self.avatar = avatar
        skin = avatar.skin
        self.meshes = PosedMeshes(skin.faces, avatar.device, canonical_vertices(skin))
        rest = canonical_theta(avatar.device)[None]
        self.canonical = joint_transforms(rest, rest.new_zeros(1, 3), skin.joints)[0]  # [J, 3, 4]
        self._rest_offsets = vertex_offsets(skin, rest.new_zeros(1, len(skin.expressions)), rest)[0]

    def pose(self, psi: Tensor, theta: Tensor, translation: Tensor) -> Pose:
        """Pose N frames: psi [N, E] or [N, H, E], theta [N, J, 3], translation [N, 3].

        What the tracker got wrong in such poses is taken off first (`TrackerBias`).
        """
        skin, bias = self.avatar.skin, self.avatar.tracking
        theta, translation = bias.corrected(bias.features(theta, translation), theta, translation)
        transforms = joint_transforms(theta, translation, skin.joints_of(psi))
        offsets = vertex_offsets(skin, psi, theta)
        undone = offsets - self._rest_offsets if self.avatar.config.offsets else offsets * 0
        with torch.no_grad():
            blended = torch.einsum("vj,njab->nvab", skin.skin_weights, transforms)
            vertices = (blended[..., :3] @ (skin.vertices + offsets)[..., None])[..., 0] + blended[
                ..., 3
            ]
        self.meshes.pose(vertices)
        return Pose(transforms, undone, vertices)

    def unpose(
        self, pose: Pose, x: Tensor, frame: Tensor, face: Tensor, bary: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Posed points to canonical space by their nearest surface points (`inverse_skin`)."""
        skin = self.avatar.skin
        return inverse_skin(
            x,
            frame,
            face,
            bary,
            skin.faces,
            skin.skin_weights,
            pose.transforms,
            self.canonical,
            pose.offsets,
        )

    def heads(self, pose: Pose) -> PosedHeads:
        """The pose, which the meshes hold, as `land_steps` takes it."""
        skin, occupancy = self.avatar.skin, self.avatar.occupancy
        return PosedHeads(
            self.meshes, pose.vertices, self.avatar.config.shell, skin.faces, skin.skin_weights,
            pose.transforms, self.canonical, pose.offsets, self.avatar.low, self.avatar.size,
            occupancy.occupied, occupancy.clearance.float(), TEAR,
        )  # fmt: skip

    @torch.no_grad()
    def frame_cells(self, pose: Pose, n: int) -> FrameCells:
        """Survey the coarse grid of the pose's frame `n`: one nearest-point query per cell."""
        config, occupancy = self.avatar.config, self.avatar.occupancy
        low = pose.vertices[n].amin(0) - config.shell
        extent = pose.vertices[n].amax(0) + config.shell - low
        size = tuple(int(s) for s in torch.ceil(extent / config.frame_cell).int())
        axes = [torch.arange(s, device=low.device) for s in size]
        cells = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).view(-1, 3)
        centres = low + (cells + 0.5) * config.frame_cell
        frame = torch.full((len(centres),), n, dtype=torch.int32, device=low.device)
        reach = config.shell + CORNER * config.frame_cell
        face, bary, distance = self.meshes.nearest(centres, frame, reach)
        near = (face >= 0).nonzero()[:, 0]
        landing, turn = self.unpose(pose, centres[near], frame[near], face[near], bary[near])
        flat = occupancy.flat(self.avatar.unit(landing))
        dark = occupancy.deep(flat, distance[near], CORNER * config.frame_cell)
        smooth = foretells_neighbours(size, near, landing, turn, config.frame_cell)
        return FrameCells(
            low, size, near.int(), dark, smooth, distance[near].half(), landing, turn.half()
        )

    @torch.no_grad()
    def cell_map(self, frames: list[FrameCells], grown: Tensor) -> CellMap:
        """The coarse grids of several frames, as the marching kernel takes them.

        Args:
            frames: one survey for each frame.
            grown: [G, G, G] from `grown_occupancy`.
        """
        largest = [max(frame.size[axis] for frame in frames) for axis in range(3)]
        device = grown.device
        rows = torch.full((len(frames), *largest), EMPTY, dtype=torch.int32, device=device)
        first = 0
        for n, frame in enumerate(frames):
            landed = self.avatar.occupancy.flat(self.avatar.unit(frame.landing))
            row = torch.arange(first, first + len(landed), dtype=torch.int32, device=device)
            row[grown.view(-1)[landed] == 0] = EMPTY
            row[frame.dark] = DARK
            grid = torch.full(frame.size, EMPTY, dtype=torch.int32, device=device)
            grid.view(-1)[frame.cell.long()] = row
            x, y, z = frame.size
            rows[n, :x, :y, :z] = grid
            first += len(landed)
        return CellMap(
            low=torch.stack([frame.low for frame in frames]),
            cell=self.avatar.config.frame_cell,
            row=rows,
            landing=torch.cat([frame.landing for frame in frames]),
            turn=torch.cat([frame.turn for frame in frames]).float(),
            smooth=torch.cat([frame.smooth for frame in frames]).byte(),
            distance=torch.cat([frame.distance for frame in frames]).float(),
            occupied=self.avatar.occupancy.occupied,
            density=self.avatar.occupancy.density,
            sure=self.avatar.occupancy.sure,
            canonical_low=self.avatar.low,
            canonical_size=self.avatar.size,
        )

    def grown_occupancy(self) -> Tensor:
        """The canonical occupancy [G, G, G], grown for the look-up of coarse cells' centres."""
        occupancy = self.avatar.occupancy
        cells = coarse_growth(self.avatar.config.frame_cell, self.avatar.size, occupancy.cells)
        return occupancy.grown(cells)


def foretells_neighbours(
    size: tuple[int, int, int], flat: Tensor, landing: Tensor, turn: Tensor, cell: float
) -> Tensor:
    """Whether cells land, by their neighbours' affine guesses, where they do land.

    Across creases and between the lips they do not: there the nearest surface jumps.

    Args:
        size: cells of the grid along each axis.
        flat: [K] flat indices of the surveyed cells.
        landing: [K, 3] m.
        turn: [K, 3, 3].
        cell: m, edge of a cell.

    Returns:
        [K] bool.
    """
    x, y, z = (count + 2 for count in size)  # with a border on every side
    rest, k = flat // size[2], flat % size[2]
    i, j = rest // size[1], rest % size[1]
    own = ((i + 1) * y + j + 1) * z + k + 1
    grid = torch.full((x * y * z, 3), torch.nan, device=landing.device)
    grid[own] = landing
    smooth = torch.ones(len(flat), dtype=torch.bool, device=landing.device)
    for axis, stride in enumerate((y * z, z, 1)):
        step = cell * turn[:, :, axis]
        for sign in (-1, 1):
            there = grid.index_select(0, own + sign * stride)
            error = (there - landing - sign * step).square().sum(1)
            smooth &= ~(error > SMOOTH**2)  # no neighbour (NaN) contradicts nothing
    return smooth
