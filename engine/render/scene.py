# SPDX-License-Identifier: GPL-3.0-or-later
"""What a frame is shaded from, and what comes of it. R rays, H parts of the head model."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..avatar.deformation import Condition
from ..avatar.lattice import CanonicalLattice
from ..avatar.model import Avatar
from ..kernels.marching import CellMap
from .camera import Camera
from .posing import Pose, Poser

EMPTY_DEPTH = 1e10  # m, where nothing is


@dataclass(frozen=True)
class Scene:
    """An avatar posed for one frame."""

    avatar: Avatar
    poser: Poser  # its meshes hold `pose`
    pose: Pose
    cells: CellMap
    condition: Condition
    camera: Camera


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


def nothing(rays: int, avatar: Avatar) -> Shaded:
    """What rays see that meet nothing."""
    alpha = torch.zeros(rays, device=avatar.device)
    return Shaded(
        alpha.new_zeros(rays, 3 + avatar.share.shape[1]), alpha, torch.full_like(alpha, EMPTY_DEPTH)
    )
