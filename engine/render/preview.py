# SPDX-License-Identifier: GPL-3.0-or-later
"""The preview quality: the avatar's baked grid, posed, with what the nets say of the frame."""

from dataclasses import replace

import torch
from torch import Tensor

from ..avatar.model import Avatar
from ..avatar.occupancy import TEAR
from ..avatar.preview import Preview, bake, canonical_eye, frame_change, mean_look
from ..cores import beside
from ..kernels.preview import CanonicalCells, march_preview
from .fine_cells import posed_cells
from .sampling import Rays
from .scene import EMPTY_DEPTH, Scene, Shaded, lattice_of, moved_lattice


class PreviewShader:
    """Rays through the baked grid, posed by inverse skinning and moved by the frame's offsets."""

    def __init__(self, scene: Scene) -> None:
        self.step = scene.avatar.config.step
        still = canonical_cells(scene.avatar)  # baked now where the file holds no preview
        with beside(lambda: _change(scene), scene.avatar.device) as change:
            self.posed = scene.once("fine cells", posed_cells)
            offset, tint = change()
        self.canonical = replace(still, offset=offset, tint=tint)

    def __call__(self, rays: Rays) -> Shaded:
        """What the rays see."""
        values, alpha, depth = march_preview(
            rays.origins, rays.directions, rays.jitter, self.posed, self.canonical, self.step
        )
        return Shaded(values, alpha, depth.clamp(max=EMPTY_DEPTH))


def _change(scene: Scene) -> tuple[Tensor, Tensor]:
    """What the nets say of the frame; see `frame_change`."""
    avatar, lattice = scene.avatar, lattice_of(scene.avatar)
    stands = torch.from_numpy(scene.camera.eye).float().to(avatar.device)
    eye = canonical_eye(avatar, stands, scene.pose.transforms[0])
    moved = scene.once("lattice", moved_lattice)
    scene.check()
    return frame_change(avatar, lattice, moved, scene.condition, eye, preview_of(avatar).look)


def preview_of(avatar: Avatar) -> Preview:
    """The avatar's preview: its file's, or baked now and kept in memory.

    It is baked, too, where another version's lattice had other nodes.
    """
    if "preview" not in avatar.kept:
        file, lattice = avatar.file, lattice_of(avatar)
        preview = Preview.from_arrays(file.preview, avatar.device)
        if preview is None or len(preview.look.ambient) != len(lattice.u):
            look = mean_look(avatar, lattice, file.motion, file.camera)
            preview = bake(avatar, lattice, look)
        avatar.kept["preview"] = preview
    return avatar.kept["preview"]


def canonical_cells(avatar: Avatar) -> CanonicalCells:
    """What the kernel needs of the avatar, put together once; frames add their changes."""
    if "canonical" not in avatar.kept:
        lattice, preview = lattice_of(avatar), preview_of(avatar)
        still = torch.zeros(len(lattice.u), 3, device=avatar.device)
        avatar.kept["canonical"] = CanonicalCells(
            avatar.low, avatar.size, TEAR, avatar.occupancy.occupied,
            avatar.occupancy.clearance.float(), preview.brick, preview.levels,
            lattice.row, lattice.parts.float(), still, still,
        )  # fmt: skip
    return avatar.kept["canonical"]
