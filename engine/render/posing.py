# SPDX-License-Identifier: GPL-3.0-or-later
"""The head posed for N frames: meshes, joint transforms, offsets, coarse grids."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..avatar.model import Avatar
from ..avatar.occupancy import coarse_growth
from ..head.skinning import canonical_theta, joint_transforms, vertex_offsets
from ..kernels.inverse_skinning import inverse_skin
from ..kernels.marching import STOP
from ..kernels.nearest import PosedMeshes


@dataclass(frozen=True)
class Pose:
    """N frames of the skin; gradients reach the parameters through transforms and offsets."""

    transforms: Tensor  # [N, J, 3, 4] posed_from_rest
    offsets: Tensor  # [N, V, 3] m, B(psi, theta) − B(0, theta_c)
    vertices: Tensor  # [N, V, 3] m, posed


@dataclass(frozen=True)
class FrameCells:
    """One frame's coarse cells within the shell, and where they land in canonical space."""

    low: Tensor  # [3] m, lower corner of the frame's grid
    size: tuple[int, int, int]  # cells
    cell: Tensor  # [K] int32, flat indices
    canonical: Tensor  # [K] int32, flat indices into the canonical occupancy grid
    deep: Tensor  # [D] int32, flat indices of the cells too deep for any light


class Poser:
    """Poses an avatar's skin; remembers the canonical pose and the meshes' hierarchies."""

    def __init__(self, avatar: Avatar) -> None:
        self.avatar = avatar
        self.meshes = PosedMeshes(avatar.skin.faces, avatar.device)
        skin = avatar.skin
        rest = canonical_theta(avatar.device)[None]
        self.canonical = joint_transforms(rest, rest.new_zeros(1, 3), skin.joints)[0]  # [J, 3, 4]
        self._rest_offsets = vertex_offsets(skin, rest.new_zeros(1, len(skin.expressions)), rest)[0]

    def pose(self, psi: Tensor, theta: Tensor, translation: Tensor) -> Pose:
        """Pose N frames: psi [N, E] or [N, P, E], theta [N, J, 3], translation [N, 3]."""
        skin = self.avatar.skin
        transforms = joint_transforms(theta, translation, skin.joints)
        offsets = vertex_offsets(skin, psi, theta)
        with torch.no_grad():
            blended = torch.einsum("vj,njab->nvab", skin.skin_weights, transforms)
            vertices = (blended[..., :3] @ (skin.vertices + offsets)[..., None])[..., 0] + blended[
                ..., 3
            ]
        self.meshes.pose(vertices)
        return Pose(transforms, offsets - self._rest_offsets, vertices)

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

    @torch.no_grad()
    def frame_cells(self, pose: Pose, n: int) -> FrameCells:
        """Survey the coarse grid of the pose's frame `n`: one nearest-point query per cell."""
        config = self.avatar.config
        low = pose.vertices[n].amin(0) - config.shell
        extent = pose.vertices[n].amax(0) + config.shell - low
        size = tuple(int(s) for s in torch.ceil(extent / config.frame_cell).int())
        axes = [torch.arange(s, device=low.device) for s in size]
        cells = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).view(-1, 3)
        centres = low + (cells + 0.5) * config.frame_cell
        frame = torch.full((len(centres),), n, dtype=torch.int32, device=low.device)
        face, bary, distance = self.meshes.nearest(
            centres, frame, config.shell + 0.87 * config.frame_cell
        )
        near = (face >= 0).nonzero()[:, 0]
        centres, face, bary = centres[near], face[near], bary[near]
        x_canonical, _ = self.unpose(pose, centres, frame[near], face, bary)
        occupancy = self.avatar.occupancy
        landed = occupancy.flat(self.avatar.unit(x_canonical))
        deep = near[occupancy.deep(landed, distance[near])]
        return FrameCells(low, size, near.int(), landed.int(), deep.int())

    @torch.no_grad()
    def occupied(self, frames: list[FrameCells], grown: Tensor) -> tuple[Tensor, Tensor]:
        """The coarse grids of several frames, from the grown canonical occupancy.

        Returns:
            low [N, 3] m and occupied [N, X, Y, Z] uint8, padded to the largest frame; rays end in
            cells deep under the skin.
        """
        largest = [max(frame.size[axis] for frame in frames) for axis in range(3)]
        occupied = torch.zeros(len(frames), *largest, dtype=torch.uint8, device=grown.device)
        for n, frame in enumerate(frames):
            grid = torch.zeros(frame.size, dtype=torch.uint8, device=grown.device)
            grid.view(-1)[frame.cell.long()] = grown.view(-1)[frame.canonical.long()]
            grid.view(-1)[frame.deep.long()] = STOP
            x, y, z = frame.size
            occupied[n, :x, :y, :z] = grid
        return torch.stack([frame.low for frame in frames]), occupied

    def grown_occupancy(self) -> Tensor:
        """The canonical occupancy [G, G, G], grown for the look-up of coarse cells' centres."""
        occupancy = self.avatar.occupancy
        return occupancy.grown(
            coarse_growth(self.avatar.config.frame_cell, self.avatar.size, occupancy.cells)
        )
