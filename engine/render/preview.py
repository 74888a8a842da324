# SPDX-License-Identifier: GPL-3.0-or-later
"""The preview quality: the avatar's baked grid, posed, with what the nets say of the frame."""

from dataclasses import replace

import torch
from torch import Tensor

from ..avatar.lattice import SPACING, CanonicalLattice
from ..avatar.model import Avatar
from ..avatar.occupancy import TEAR
from ..avatar.preview import Look, Preview, bake, canonical_eye, frame_change, mean_look
from ..cores import beside
from ..kernels.preview import CanonicalCells, march_preview
from .fine_cells import posed_cells
from .sampling import Rays
from .scene import EMPTY_DEPTH, Scene, Shaded, lattice_of, moved_lattice


class PreviewShader:
    """Rays through the baked grid, posed by inverse skinning and moved by the frame's offsets.

    Where pixels are large, fewer cells are posed, and the nets asked at fewer nodes.
    """

    AT_ONCE = 1024, 1024  # rays that a core takes, the least and the most: nothing stops a kernel

    def __init__(self, scene: Scene) -> None:
        detail = scene.detail
        self.step = scene.avatar.config.step * detail.stride
        still = canonical_cells(scene.avatar, detail.spacing)  # baked now if the file has none
        with beside(lambda: _change(scene, detail.spacing), scene.avatar.device) as change:
            self.posed = posed_cells(scene, detail)
            offset, tint = change()
        self.canonical = replace(still, offset=offset, tint=tint)

    def __call__(self, rays: Rays) -> Shaded:
        """What the rays see."""
        values, alpha, depth = march_preview(
            rays.origins, rays.directions, rays.jitter, self.posed, self.canonical, self.step
        )
        return Shaded(values, alpha, depth.clamp(max=EMPTY_DEPTH))


def _change(scene: Scene, spacing: float) -> tuple[Tensor, Tensor]:
    """What the nets say of the frame; see `frame_change`."""
    avatar, lattice = scene.avatar, lattice_of(scene.avatar, spacing)
    stands = torch.from_numpy(scene.camera.eye).float().to(avatar.device)
    eye = canonical_eye(avatar, stands, scene.pose.transforms[0])
    moved = moved_lattice(scene, spacing)
    scene.check()
    look = _look_of(avatar, spacing)
    return frame_change(avatar, lattice, moved, scene.condition, eye, look)


def preview_of(avatar: Avatar) -> Preview:
    """The avatar's preview: its file's, or baked now and kept in memory.

    It is baked, too, where another version's lattice had other nodes.
    """

    def found() -> Preview:
        lattice = lattice_of(avatar)
        preview = Preview.from_arrays(avatar.file.preview, avatar.device)
        if preview is None or len(preview.look.ambient) != len(lattice.u):
            preview = bake(avatar, lattice, _mean_look(avatar, lattice))
        return preview

    return avatar.once("preview", found)


def _mean_look(avatar: Avatar, lattice: CanonicalLattice) -> Look:
    """How the avatar looks in the mean of its own clip."""
    return mean_look(avatar, lattice, avatar.file.motion, avatar.file.camera)


def _look_of(avatar: Avatar, spacing: float) -> Look:
    """How the preview was seen when it was baked, at the nodes of a lattice.

    A file holds it for one lattice; for others the clip's frames are looked at again, once.
    """
    if spacing == SPACING:
        return preview_of(avatar).look
    return avatar.once(("look", spacing), lambda: _mean_look(avatar, lattice_of(avatar, spacing)))


def canonical_cells(avatar: Avatar, spacing: float) -> CanonicalCells:
    """What the kernel needs of the avatar, put together once; frames add their changes.

    Args:
        avatar: a finished one.
        spacing: m between the nodes of its lattice.
    """

    def put_together() -> CanonicalCells:
        lattice, preview = lattice_of(avatar, spacing), preview_of(avatar)
        still = torch.zeros(len(lattice.u), 3, device=avatar.device)
        return CanonicalCells(
            avatar.low, avatar.size, TEAR, avatar.occupancy.occupied,
            avatar.occupancy.clearance.float(), preview.brick, preview.levels,
            lattice.row, lattice.parts.float(), still, still,
        )  # fmt: skip

    return avatar.once(("canonical", spacing), put_together)
