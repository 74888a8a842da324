# SPDX-License-Identifier: GPL-3.0-or-later
"""From the samples of rays to colour, alpha, depth and parts, with the avatar's nets.

S samples, R rays, H parts of the head model. Density comes first, in waves from front to back that
leave out what is already hidden; then colour, for the samples that are seen. `Exact` asks the
deformation at every sample; `FrameBaked` once a frame at the nodes of lattices.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..devices import autocast, net_dtype
from ..kernels.compositing import composite
from ..kernels.landing import land_steps
from ..kernels.marching import march
from ..kernels.posed_cells import land
from ..kernels.preview import CLEAR, OPAQUE
from .fine_cells import cell_indices, posed_cells
from .sampling import Rays, canonical_view, depth_in_front
from .scene import EMPTY_DEPTH, FINE, Scene, Shaded, lattice_of, moved_lattice, nothing

FAINT = 1e-3  # share of its ray's alpha below which a sample's colour is not asked …
THIN = 0.1  # … with alpha no less than this
WAVE = 6  # samples of each ray per wave
SAMPLES_AT_ONCE = 8192  # that a core asks the nets at, between two looks whether to stop …
SAMPLES_ON_GPU = 1 << 18  # … and a graphics card


@dataclass(frozen=True)
class Steps:
    """S places along R rays that may hold something, those of a ray together, front to back."""

    rays: Rays
    ray: Tensor  # [S] int64
    t: Tensor  # [S] m, planar depth
    length: Tensor  # [S] m along the ray that each stands for
    start: Tensor  # [R] int32, first of each ray
    count: Tensor  # [R] int32

    def due(self, alive: Tensor, wave: int) -> Tensor:
        """The steps [D] int64 of a wave, of rays that are alive [R]."""
        ray = (alive & (self.count > wave)).nonzero()[:, 0]
        step = self.start[ray, None] + wave + torch.arange(WAVE, device=ray.device)
        return step[step < (self.start + self.count)[ray, None]].long()

    def points(self, due: Tensor) -> tuple[Tensor, Tensor]:
        """Where some of the steps [D] are [D, 3] m, posed space, and directions [D, 3] there."""
        ray, t = (value.index_select(0, due) for value in (self.ray, self.t))
        origins, directions = (
            value.index_select(0, ray) for value in (self.rays.origins, self.rays.directions)
        )
        return origins + t[:, None] * directions, directions


@dataclass(frozen=True)
class Landed:
    """S steps in canonical space, where it may hold something."""

    step: Tensor  # [S] int64, which they are
    u: Tensor  # [S, 3] in the unit cube
    view: Tensor  # [S, 3] unit, canonical space

    @classmethod
    def where(cls, holds: Tensor, step: Tensor, u: Tensor, view: Tensor) -> "Landed":
        """Those of D steps for which `holds` [D] bool is true."""
        some = holds.nonzero()[:, 0]
        return cls(*(value.index_select(0, some) for value in (step, u, view)))

    def pieces(self) -> Iterator["Landed"]:
        """All of them, so many at a time that nobody waits long to stop it."""
        size = SAMPLES_AT_ONCE if self.u.device.type == "cpu" else SAMPLES_ON_GPU
        for piece in zip(*(v.split(size) for v in (self.step, self.u, self.view)), strict=True):
            if len(piece[0]):
                yield Landed(*piece)


@dataclass(frozen=True)
class Found:
    """What the nets say of S steps, all but colour."""

    step: Tensor  # [S] int64
    optical: Tensor  # [S] optical depth
    view: Tensor  # [S, 3]
    said: Tensor  # [S, F + A + H] features, ambient channels, part weights


class Exact:
    """All nets at every step that is not hidden."""

    AT_ONCE = 8192, 16384  # rays that a core takes, the least and the most; fewer are slower

    def __init__(self, scene: Scene) -> None:
        self.scene, self.cells = scene, scene.cells
        self.heads = scene.poser.heads(scene.pose)

    def __call__(self, rays: Rays) -> Shaded:
        """What the rays see."""
        ray_index, t, length, start, count = march(
            rays.origins, rays.directions, rays.frame, rays.jitter, self.cells,
            self.scene.avatar.config.step,
        )  # fmt: skip
        steps = Steps(rays, ray_index.long(), t, length, start, count)
        passed = torch.zeros(len(count), device=t.device)  # optical depth, per ray
        waves = []
        for wave in range(0, int(count.max()), WAVE):
            due = steps.due(passed < -np.log(OPAQUE), wave)
            if not len(due):
                break
            self.scene.check()
            landed = self.landed(steps, due)  # in full precision
            for piece in landed.pieces():
                self.scene.check()
                with autocast(t.device):
                    waves.append(self.found(piece, length[piece.step]))
                passed.index_add_(0, steps.ray[piece.step], waves[-1].optical)
        if not waves:
            return nothing(len(count), self.scene.avatar)
        self.scene.check()
        with autocast(t.device):
            return self._shaded(steps, waves)

    def landed(self, steps: Steps, due: Tensor) -> Landed:
        """Those of the steps due [D] that land where canonical space may hold something."""
        rays = steps.rays
        holds, u, view = land_steps(
            due, steps.ray, steps.t, rays.origins, rays.directions, rays.frame, self.heads
        )
        return Landed.where(holds, due, u, view)

    def found(self, landed: Landed, length: Tensor) -> Found:
        """Density and features of steps of `length` [S] m."""
        avatar = self.scene.avatar
        deformed = self._deformed(landed.u)  # [S, 3 + A + H]
        sigma, features = avatar.field.geometry(landed.u + deformed[:, :3] / avatar.size)
        dtype = net_dtype(features.device)  # as small as the nets' own: kept for many samples
        said = torch.cat([features.to(dtype), deformed[:, 3:].to(dtype)], 1)
        return Found(landed.step, sigma * length, landed.view, said)

    def _shaded(self, steps: Steps, waves: list[Found]) -> Shaded:
        """Colour where it is seen, and all of it composited."""
        avatar, rays = self.scene.avatar, len(steps.count)
        step, order = torch.cat([wave.step for wave in waves]).sort()
        ray = steps.ray[step]
        optical = torch.cat([wave.optical for wave in waves])[order]
        passed = torch.zeros(rays, device=ray.device).index_add_(0, ray, optical)
        in_front = depth_in_front(optical, ray)
        weights = torch.exp(-in_front) * (1 - torch.exp(-optical))
        least = FAINT * (1 - torch.exp(-passed)).clamp_min(THIN)  # [R]
        seen = (weights > least[ray]).nonzero()[:, 0]
        said, view = (
            torch.cat(of_waves).index_select(0, order[seen])
            for of_waves in zip(*((wave.said, wave.view) for wave in waves), strict=True)
        )
        widths = [avatar.field.feature_size, avatar.config.ambient_size, avatar.share.shape[1]]
        features, ambient, parts = said.split(widths, 1)
        looks = self.scene.condition.appearance.expand(len(seen), -1)
        self.scene.check()
        rgb = avatar.field.radiance(features, view, ambient, looks)
        values = torch.zeros(len(step), 3 + widths[2], device=ray.device)
        values[seen] = torch.cat([rgb, parts.float()], 1)
        count = torch.bincount(ray, minlength=rays).int()
        start = (torch.cumsum(count, 0) - count).int()
        total, alpha, weights = composite(optical, values, start, count)
        asked = torch.zeros_like(alpha).index_add_(0, ray[seen], weights[seen])
        total = total * (alpha / asked.clamp_min(1e-6))[:, None]
        stride = steps.length[step] / steps.rays.directions[ray].norm(dim=1)
        depth = median_depth(steps.t[step], stride, optical, in_front, ray, alpha)
        return Shaded(total, alpha, depth)

    def _deformed(self, u: Tensor) -> Tensor:
        """Offset (m), ambient channels and part weights [S, 3 + A + H] in the unit cube."""
        avatar = self.scene.avatar
        rows = torch.ones(len(u), 1, device=u.device)  # all of one frame
        said = avatar.deformation(u * 2 - 1, rows, self.scene.condition, avatar.window, None)
        parts = avatar.artist_parts(said.parts)
        return torch.cat([said.offset.float(), said.ambient.float(), parts.float()], 1)


class FrameBaked(Exact):
    """The frame's motion interpolated, the field asked at every step.

    Inverse skinning comes from fine posed cells, offsets and parts from a canonical lattice.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.posed = posed_cells(scene, FINE)
        scene.check()
        self.lattice = lattice_of(scene.avatar)
        moved = moved_lattice(scene)  # [K, 3 + A]
        self.baked = torch.cat([moved, self.lattice.parts], 1)  # [K, 3 + A + H]

    def landed(self, steps: Steps, due: Tensor) -> Landed:
        """As in `Exact`, but the nearest skin is searched for in ROUGH cells alone."""
        cells, avatar = self.cells, self.scene.avatar
        x, directions = steps.points(due)
        x_canonical, distance = land(x, self.posed)
        u = avatar.unit(x_canonical)
        holds = avatar.occupancy.holds(avatar.occupancy.flat(u), distance)
        coarse = cell_indices(x, cells.low[0], cells.cell, cells.row.shape[1:])
        row = cells.row[0][coarse].clamp_min(0)
        turn = cells.turn.index_select(0, row)  # [S, 3, 3]
        return Landed.where(holds, due, u, canonical_view(turn, directions))

    def _deformed(self, u: Tensor) -> Tensor:
        return self.lattice.at(u, self.baked)


def median_depth(
    t: Tensor, stride: Tensor, optical: Tensor, in_front: Tensor, ray: Tensor, alpha: Tensor
) -> Tensor:
    """Depth [R] where half of a ray's alpha is gathered: the surface in front, clear or not.

    Within a step light fades evenly, so that the depth is finer than the steps are.

    Args:
        t: [S] m, depths of the steps' middles.
        stride: [S] m, their extents in depth.
        optical: [S] their optical depths.
        in_front: [S] optical depth in front of each.
        ray: [S] int64, whose they are.
        alpha: [R].
    """
    sought = -torch.log1p(-0.5 * alpha)[ray]  # optical depth
    reached = in_front + optical >= sought
    share = (sought - in_front)[reached] / optical[reached].clamp_min(1e-12)
    where = t[reached] + (share.clamp(0, 1) - 0.5) * stride[reached]
    depth = torch.full_like(alpha, EMPTY_DEPTH)
    depth.scatter_reduce_(0, ray[reached], where, "amin")
    return torch.where(alpha > CLEAR, depth, torch.full_like(depth, EMPTY_DEPTH))
