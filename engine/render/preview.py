# SPDX-License-Identifier: GPL-3.0-or-later
"""The preview quality: no net is asked, the frame's pose and the avatar's baked grid are enough."""

import torch
from torch import Tensor

from ..avatar.model import Avatar
from ..avatar.occupancy import TEAR
from ..avatar.preview import Preview, bake
from ..kernels.preview import CanonicalCells, PosedCells, march_preview
from .fine_cells import CUT, corners, cut_cells, mark_rough
from .sampling import Rays
from .shading import EMPTY_DEPTH, Scene, Shaded, lattice_of

SURROUNDINGS = 2  # canonical cells around a fine cell's guess that must be empty to leave it out
BLOCK = 16  # rays in a run; runs are dealt out so that each core gets some of the face


class PreviewShader:
    """Rays through the baked grid, posed by inverse skinning alone."""

    def __init__(self, scene: Scene) -> None:
        self.step = scene.avatar.config.step
        self.canonical = canonical_cells(scene.avatar)
        self.posed = posed_cells(scene)

    def __call__(self, rays: Rays) -> Shaded:
        """What the rays see."""
        order = dealt(len(rays.origins), rays.origins.device)
        seen = march_preview(
            rays.origins[order], rays.directions[order], rays.jitter[order],
            self.posed, self.canonical, self.step,
        )  # fmt: skip
        values, alpha, depth = (torch.empty_like(plane) for plane in seen)
        values[order], alpha[order], depth[order] = seen
        return Shaded(values, alpha, depth.clamp(max=EMPTY_DEPTH))


def dealt(count: int, device: torch.device) -> Tensor:
    """An order of `count` rays: every other block of them first."""
    index = torch.arange(count, device=device)
    return (index // BLOCK % 2).argsort(stable=True)


def preview_of(avatar: Avatar) -> Preview:
    """The avatar's preview: its file's, or baked now and kept in memory."""
    if "preview" not in avatar.kept:
        file = avatar.file
        avatar.kept["preview"] = (
            Preview.from_arrays(file.preview, avatar.device)
            if file.preview
            else bake(avatar, file.motion, file.camera)
        )
    return avatar.kept["preview"]


def canonical_cells(avatar: Avatar) -> CanonicalCells:
    """What the kernel needs of the avatar, put together once."""
    if "canonical" not in avatar.kept:
        lattice, preview = lattice_of(avatar), preview_of(avatar)
        avatar.kept["canonical"] = CanonicalCells(
            avatar.low, avatar.size, TEAR, avatar.occupancy.occupied,
            avatar.occupancy.clearance.float(), preview.brick, preview.nodes,
            lattice.row, lattice.parts.float(),
        )  # fmt: skip
        avatar.kept["surroundings"] = avatar.occupancy.grown(SURROUNDINGS).view(-1)
    return avatar.kept["canonical"]


def posed_cells(scene: Scene) -> PosedCells:
    """Bring the corners of the frame's fine cells to canonical space."""
    avatar, poser, pose, coarse = scene.avatar, scene.poser, scene.pose, scene.cells
    around, cell = avatar.kept["surroundings"], coarse.cell / CUT

    def holds(x_canonical: Tensor) -> Tensor:
        return around[avatar.occupancy.flat(avatar.unit(x_canonical))] > 0

    state = cut_cells(coarse.row[0], coarse.landing, coarse.turn, coarse.smooth, coarse.cell, holds)
    at = corners(state)
    x = coarse.low[0] + at * cell  # [M, 3] m
    frame = torch.zeros(len(at), dtype=torch.int32, device=x.device)
    face, bary, distance = poser.meshes.nearest(x, frame, avatar.config.shell)
    found = (face >= 0).nonzero()[:, 0]
    at, distance = at[found], distance[found]
    landing, turn = poser.unpose(pose, x[found], frame[found], face[found], bary[found])
    state = mark_rough(state, at, landing, turn, cell)
    node = torch.zeros(*(n + 1 for n in state.shape), 4, device=x.device)
    node[at[:, 0], at[:, 1], at[:, 2]] = torch.cat([landing, distance[:, None]], 1)
    return PosedCells(
        coarse.low[0], cell, state, node, poser.meshes.mesh(0), pose.vertices[0],
        avatar.config.shell, avatar.skin.faces, avatar.skin.skin_weights,
        pose.transforms, poser.canonical, pose.offsets,
    )  # fmt: skip
