# SPDX-License-Identifier: GPL-3.0-or-later
"""What a frame is shaded from, and what comes of it. R rays, H parts of the head model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from ..avatar.deformation import Condition
from ..avatar.lattice import CanonicalLattice
from ..avatar.model import Avatar
from ..kernels.marching import CellMap
from .camera import Camera
from .posing import Pose, Poser

Made = TypeVar("Made")
EMPTY_DEPTH = 1e10  # m, where nothing is


@dataclass(frozen=True)
class Scene:
    """An avatar posed for one frame."""

    avatar: Avatar
    poser: Poser  # its meshes hold `pose`
    pose: Pose
    condition: Condition
    camera: Camera
    check: Callable[[], None]  # raises `Cancelled` where the frame is not wanted any more
    kept: dict[str, object]  # what was made of the pose, for the next picture of the same

    def once(self, name: str, make: Callable[["Scene"], Made]) -> Made:
        """What `make` makes of the pose, whatever the camera is; made once for a pose."""
        if name not in self.kept:
            self.kept[name] = make(self)
        return self.kept[name]

    @property
    def cells(self) -> CellMap:
        """Where the frame may hold something."""
        return self.once("coarse cells", _surveyed)


@dataclass(frozen=True)
class Shaded:
    """What R rays see."""

    values: Tensor  # [R, 3 + H] display-referred colour and part weights, both times alpha
    alpha: Tensor  # [R]
    depth: Tensor  # [R] m, planar


def lattice_of(avatar: Avatar) -> CanonicalLattice:
    """The finished avatar's lattice, made once."""
    if "lattice" not in avatar.kept:
        avatar.kept["lattice"] = CanonicalLattice.of(avatar)
    return avatar.kept["lattice"]


def _surveyed(scene: Scene) -> CellMap:
    """The frame's coarse grid."""
    kept, poser = scene.avatar.kept, scene.poser
    if "grown" not in kept:
        kept["grown"] = poser.grown_occupancy()
    cells = poser.cell_map([poser.frame_cells(scene.pose, 0)], kept["grown"])
    scene.check()
    return cells


def moved_lattice(scene: Scene) -> Tensor:
    """Offset (m) and ambient channels [K, 3 + A] of the frame at the lattice's nodes."""
    return lattice_of(scene.avatar).deformation(scene.avatar, scene.condition)


def nothing(rays: int, avatar: Avatar) -> Shaded:
    """What rays see that meet nothing."""
    alpha = torch.zeros(rays, device=avatar.device)
    return Shaded(
        alpha.new_zeros(rays, 3 + avatar.share.shape[1]), alpha, torch.full_like(alpha, EMPTY_DEPTH)
    )
