# SPDX-License-Identifier: GPL-3.0-or-later
"""What a frame is shaded from, and what comes of it. R rays, H parts of the head model."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from ..avatar.deformation import Condition
from ..avatar.lattice import SPACING, CanonicalLattice
from ..avatar.model import Avatar
from ..avatar.occupancy import coarse_growth
from ..kernels.marching import CellMap
from .camera import Camera
from .posing import Pose, Poser

Made = TypeVar("Made")
EMPTY_DEPTH = 1e10  # m, where nothing is


@dataclass(frozen=True)
class Detail:
    """How finely a frame is looked at."""

    cut: int  # fine cells along the edge of a coarse one
    apart: float  # m, by which coarse cells may disagree on where a corner lands
    spacing: float  # m between nodes of the canonical lattice
    stride: int  # steps of the avatar that a preview takes at once


FINE, COARSE = Detail(2, 0.001, SPACING, 1), Detail(1, 0.003, 2 * SPACING, 2)
LARGE_PIXEL = 0.003  # m where the head is nearest, above which previews are COARSE


@dataclass(frozen=True)
class Scene:
    """An avatar posed for one frame."""

    avatar: Avatar
    poser: Poser  # its meshes hold `pose`
    pose: Pose
    condition: Condition
    camera: Camera
    check: Callable[[], None]  # raises `Cancelled` where the frame is not wanted any more
    kept: dict[Hashable, object]  # what was made of the pose, for the next picture of the same

    def once(self, name: Hashable, make: Callable[["Scene"], Made]) -> Made:
        """What `make` makes of the pose, whatever the camera is; made once for a pose."""
        if name not in self.kept:
            self.kept[name] = make(self)
        return self.kept[name]

    @property
    def detail(self) -> Detail:
        """What a preview through this camera needs."""
        pixel = self.camera.pixel_size(self.pose.vertices[0].cpu().numpy())
        return COARSE if pixel > LARGE_PIXEL else FINE

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


def lattice_of(avatar: Avatar, spacing: float = SPACING) -> CanonicalLattice:
    """The finished avatar's lattice of nodes `spacing` m apart, made once."""
    return avatar.once(("lattice", spacing), lambda: CanonicalLattice.of(avatar, spacing))


def grown_for(avatar: Avatar, cell: float, least: int = 0) -> Tensor:
    """The occupancy [G, G, G], grown so that the centre of a cell of `cell` m speaks for all of it.

    Args:
        avatar: a finished one.
        cell: m.
        least: canonical cells that it is grown by at least.
    """
    growth = max(least, coarse_growth(cell, avatar.size, avatar.occupancy.cells))
    return avatar.once(("grown", growth), lambda: avatar.occupancy.grown(growth))


def _surveyed(scene: Scene) -> CellMap:
    """The frame's coarse grid."""
    poser = scene.poser
    grown = grown_for(scene.avatar, scene.avatar.config.frame_cell)
    cells = poser.cell_map([poser.frame_cells(scene.pose, 0)], grown)
    scene.check()
    return cells


def moved_lattice(scene: Scene, spacing: float = SPACING) -> Tensor:
    """Offset (m) and ambient channels [K, 3 + A] of the frame at a lattice's nodes."""
    lattice = lattice_of(scene.avatar, spacing)
    return scene.once(
        ("lattice", spacing), lambda scene: lattice.deformation(scene.avatar, scene.condition)
    )


def nothing(rays: int, avatar: Avatar) -> Shaded:
    """What rays see that meet nothing."""
    alpha = torch.zeros(rays, device=avatar.device)
    return Shaded(
        alpha.new_zeros(rays, 3 + avatar.share.shape[1]), alpha, torch.full_like(alpha, EMPTY_DEPTH)
    )
