# SPDX-License-Identifier: GPL-3.0-or-later
"""Rays → samples in canonical space, with empty and hidden space left out.

R rays of N frames, S samples, grouped by ray and ordered front to back.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..avatar.model import Avatar
from ..kernels.marching import HIDDEN, CellMap, march
from .posing import Pose, Poser


@dataclass(frozen=True)
class Rays:
    """R rays; a direction has camera depth one, so that t is planar depth."""

    origins: Tensor  # [R, 3] m
    directions: Tensor  # [R, 3]
    frame: Tensor  # [R] int32 into the N frames of the batch
    jitter: Tensor  # [R] in 0…1


@dataclass(frozen=True)
class Samples:
    """S samples that may hold something."""

    ray_index: Tensor  # [S] int32
    t: Tensor  # [S] m, planar depth
    length: Tensor  # [S] m along the ray that the sample stands for
    frame: Tensor  # [S] int32
    x_canonical: Tensor  # [S, 3] m; carries gradients to the pose
    view: Tensor  # [S, 3] unit, canonical space
    surface_part: Tensor  # [S, P] part weights of the nearest surface point
    ray_start: Tensor  # [R] int32
    ray_count: Tensor  # [R] int32

    def __len__(self) -> int:
        """S."""
        return len(self.t)


def sample(poser: Poser, pose: Pose, rays: Rays, cells: CellMap, budget: int = 0) -> Samples:
    """March, find nearest points, unpose, and keep what the canonical occupancy allows.

    Args:
        poser: of the avatar; its meshes hold `pose`.
        pose: N frames.
        rays: R rays.
        cells: the frames' coarse grids, from `Poser.cell_map`.
        budget: samples per ray, about, where they count most; 0 takes every step.
    """
    avatar = poser.avatar
    config = avatar.config
    ray_index, t, length, _, _ = march(
        rays.origins, rays.directions, rays.frame, rays.jitter, cells, config.step, budget
    )
    ray = ray_index.long()
    x = rays.origins[ray] + t[:, None] * rays.directions[ray]  # [S, 3] m, posed
    frame = rays.frame[ray]
    face, bary, distance = poser.meshes.nearest(x, frame, config.shell)
    kept = (face >= 0).nonzero()[:, 0]
    x, ray, frame, face, bary = x[kept], ray[kept], frame[kept], face[kept], bary[kept]
    x_canonical, turn = poser.unpose(pose, x, frame, face, bary)

    some = in_sight(avatar, x_canonical, distance[kept], length[kept], ray)
    ray = ray[some]
    corners = avatar.skin.faces[face[some].long()].long()  # [S, 3]
    count = torch.bincount(ray, minlength=len(rays.origins)).int()
    return Samples(
        ray_index=ray.int(),
        t=t[kept][some],
        length=length[kept][some],
        frame=frame[some],
        x_canonical=x_canonical[some],
        view=canonical_view(turn[some], rays.directions[ray]),
        surface_part=(bary[some][..., None] * avatar.surface_parts[corners]).sum(1),
        ray_start=(torch.cumsum(count, 0) - count).int(),
        ray_count=count,
    )


def in_sight(
    avatar: Avatar, x_canonical: Tensor, distance: Tensor, length: Tensor, ray: Tensor
) -> Tensor:
    """Which of S samples lie where canonical space may hold something, and in front of the rest.

    Args:
        avatar: whose occupancy is asked.
        x_canonical: [S, 3] m.
        distance: [S] m, to the posed skin.
        length: [S] m that each sample stands for.
        ray: [S], samples of a ray together and front to back.
    """
    flat = avatar.occupancy.flat(avatar.unit(x_canonical))
    seen = avatar.occupancy.holds(flat, distance)
    before = depth_in_front(avatar.occupancy.density.view(-1)[flat] * length * seen, ray)
    return (seen & (before < HIDDEN)).nonzero()[:, 0]


def canonical_view(turn: Tensor, directions: Tensor) -> Tensor:
    """Unit view directions [S, 3]: posed ones [S, 3] turned by canonical_from_posed [S, 3, 3]."""
    return torch.nn.functional.normalize((turn @ directions[..., None])[..., 0], dim=1)


def depth_in_front(optical: Tensor, ray: Tensor) -> Tensor:
    """Optical depth [S] that lies in front of each sample on its own ray [S] (samples in order)."""
    total = torch.cumsum(optical.double(), 0)
    before = total - optical
    first = torch.ones_like(ray, dtype=torch.bool)
    first[1:] = ray[1:] != ray[:-1]
    base = torch.where(first, before, torch.zeros_like(before)).cummax(0).values
    return (before - base).float()


def frame_rows(frame: Tensor, frames: int) -> Tensor:
    """One-hot rows [S, N] of frame indices [S]."""
    return torch.nn.functional.one_hot(frame.long(), frames).float()
