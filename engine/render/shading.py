# SPDX-License-Identifier: GPL-3.0-or-later
"""From the samples of rays to colour, alpha, depth and parts, with the avatar's nets.

S samples, R rays, H parts of the head model. Density comes first, in waves from front to back that
leave out what is already hidden; then colour, for the samples that are seen. `Exact` asks the
deformation at every sample; `FrameBaked` once a frame at the nodes of lattices.
"""

import numpy as np
import torch
from torch import Tensor

from ..kernels.compositing import composite
from ..kernels.marching import march
from ..kernels.posed_cells import land
from .fine_cells import posed_cells
from .sampling import Rays, Samples, depth_in_front, frame_rows, in_sight, sample
from .scene import EMPTY_DEPTH, Scene, Shaded, lattice_of, nothing

OPAQUE = 0.003  # transmittance below which the rest of a ray is left out
FAINT = 1e-3  # share of its ray's alpha below which a sample's colour is not asked …
THIN = 0.1  # … with alpha no less than this
CLEAR = 0.02  # alpha below which a pixel has no depth
WAVE = 6  # samples of each ray per wave


class Exact:
    """All nets at every sample that is not hidden."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def __call__(self, rays: Rays) -> Shaded:
        """What the rays see."""
        scene = self.scene
        samples = self._samples(rays)
        if not len(samples):
            return nothing(len(rays.origins), scene.avatar)
        with torch.autocast(scene.avatar.device.type, torch.bfloat16):
            return self._shade(samples)

    def _samples(self, rays: Rays) -> Samples:
        return sample(self.scene.poser, self.scene.pose, rays, self.scene.cells)

    def _shade(self, samples: Samples) -> Shaded:
        avatar, device = self.scene.avatar, self.scene.avatar.device
        ray = samples.ray_index.long()
        optical = torch.zeros(len(samples), device=device)
        widths = [avatar.field.feature_size, avatar.config.ambient_size, avatar.share.shape[1]]
        found = torch.zeros(len(samples), sum(widths), device=device, dtype=torch.bfloat16)
        rank = torch.arange(len(samples), device=device) - samples.ray_start.long()[ray]
        passed = torch.zeros(len(samples.ray_count), device=device)  # optical depth, per ray
        for wave in range(0, int(samples.ray_count.max()), WAVE):
            due = (rank >= wave) & (rank < wave + WAVE) & (passed[ray] < -np.log(OPAQUE))
            due = due.nonzero()[:, 0]
            if not len(due):
                break
            u = avatar.unit(samples.x_canonical[due])
            deformed = self._deformed(u)  # [S, 3 + A + H]
            sigma, features = avatar.field.geometry(u + deformed[:, :3] / avatar.size)
            optical[due] = sigma * samples.length[due]
            found[due] = torch.cat([features.bfloat16(), deformed[:, 3:].bfloat16()], 1)
            passed.index_add_(0, ray[due], optical[due])

        weights = torch.exp(-depth_in_front(optical, ray)) * (1 - torch.exp(-optical))
        least = FAINT * (1 - torch.exp(-passed)).clamp_min(THIN)  # [R]
        seen = (weights > least[ray]).nonzero()[:, 0]
        features, ambient, parts = found[seen].split(widths, 1)
        looks = self.scene.condition.appearance.expand(len(seen), -1)
        rgb = avatar.field.radiance(features, samples.view[seen], ambient, looks)
        values = torch.zeros(len(samples), 3 + widths[2], device=device)
        values[seen] = torch.cat([rgb, parts.float()], 1)
        total, alpha, weights = composite(optical, values, samples.ray_start, samples.ray_count)
        asked = torch.zeros_like(alpha).index_add_(0, ray[seen], weights[seen])
        total = total * (alpha / asked.clamp_min(1e-6))[:, None]
        return Shaded(total, alpha, median_depth(samples, weights, alpha))

    def _deformed(self, u: Tensor) -> Tensor:
        """Offset (m), ambient channels and part weights [S, 3 + A + H] in the unit cube."""
        avatar = self.scene.avatar
        rows = frame_rows(torch.zeros(len(u), device=u.device), 1)
        said = avatar.deformation(u * 2 - 1, rows, self.scene.condition, avatar.window, None)
        parts = avatar.artist_parts(said.parts)
        return torch.cat([said.offset.float(), said.ambient.float(), parts.float()], 1)


class FrameBaked(Exact):
    """The frame's motion interpolated, the field asked at every sample.

    Inverse skinning comes from fine posed cells, offsets and parts from a canonical lattice.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.posed = posed_cells(scene)
        self.lattice = lattice_of(scene.avatar)
        moved = self.lattice.deformation(scene.avatar, scene.condition)  # [K, 3 + A]
        self.baked = torch.cat([moved, self.lattice.parts], 1)  # [K, 3 + A + H]

    def _samples(self, rays: Rays) -> Samples:
        """As `sample`, but the nearest skin is searched for in ROUGH cells alone."""
        avatar, cells = self.scene.avatar, self.scene.cells
        ray_index, t, length, _, _ = march(
            rays.origins, rays.directions, rays.frame, rays.jitter, cells, avatar.config.step
        )
        ray = ray_index.long()
        x = rays.origins[ray] + t[:, None] * rays.directions[ray]  # [S, 3] m, posed
        x_canonical, distance = land(x, self.posed)
        some = in_sight(avatar, x_canonical, distance, length, ray)
        ray, x = ray[some], x[some]
        i, j, k = ((x - cells.low[0]) / cells.cell).long().unbind(1)
        turn = cells.turn[cells.row[0, i, j, k].clamp_min(0).long()]  # [S, 3, 3] of coarse cells
        view = torch.nn.functional.normalize((turn @ rays.directions[ray][..., None])[..., 0])
        count = torch.bincount(ray, minlength=len(rays.origins)).int()
        return Samples(
            ray_index=ray.int(), t=t[some], length=length[some], frame=rays.frame[ray],
            x_canonical=x_canonical[some], view=view, surface_part=x.new_zeros(len(x), 0),
            ray_start=(torch.cumsum(count, 0) - count).int(), ray_count=count,
        )  # fmt: skip

    def _deformed(self, u: Tensor) -> Tensor:
        return self.lattice.at(u, self.baked)


def median_depth(samples: Samples, weights: Tensor, alpha: Tensor) -> Tensor:
    """Depth [R] where half of a ray's alpha is gathered: the surface in front, clear or not."""
    ray = samples.ray_index.long()
    total = torch.cumsum(weights.double(), 0)
    start = samples.ray_start.long().clamp(max=len(weights) - 1)
    gathered = total - (total - weights)[start][ray]
    reached = gathered >= 0.5 * alpha[ray]
    depth = torch.full_like(alpha, EMPTY_DEPTH)
    depth.scatter_reduce_(0, ray[reached], samples.t[reached], "amin")
    return torch.where(alpha > CLEAR, depth, torch.full_like(depth, EMPTY_DEPTH))
