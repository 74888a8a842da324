# SPDX-License-Identifier: GPL-3.0-or-later
"""The preview quality: no net is asked, the frame's pose and the avatar's baked grid are enough."""

import torch
from torch import Tensor

from ..avatar.model import Avatar
from ..avatar.occupancy import TEAR
from ..avatar.preview import Preview, bake
from ..kernels.preview import CanonicalCells, march_preview
from .fine_cells import posed_cells
from .sampling import Rays
from .scene import EMPTY_DEPTH, Scene, Shaded, lattice_of

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
    return avatar.kept["canonical"]
