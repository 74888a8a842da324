# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame of an avatar: pose, sample, evaluate in waves front to back, composite."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..avatar.deformation import Condition
from ..avatar.model import Avatar
from ..errors import Cancelled
from ..kernels.compositing import composite
from .camera import Camera
from .posing import Poser
from .sampling import Rays, Samples, frame_rows, sample

EMPTY_DEPTH = 1e10  # m, where nothing is
OPAQUE = 0.003  # transmittance below which the rest of a ray is left out
CLEAR = 0.02  # alpha below which a pixel has no depth
RAYS_AT_ONCE = 16384
WAVE = 6  # samples of each ray per wave


@dataclass(frozen=True)
class Planes:
    """A rendered frame."""

    colour: np.ndarray  # [H, W, 3] float32, display-referred sRGB, premultiplied
    alpha: np.ndarray  # [H, W] float32
    depth: np.ndarray  # [H, W] float32 m, planar camera z of the surface in front; 1e10 where empty
    parts: np.ndarray  # [H, W, P] float32, part weights × alpha


def on_white(planes: Planes) -> np.ndarray:
    """The frame over white: [H, W, 3] float32 in 0…1."""
    return np.clip(planes.colour + (1 - planes.alpha[..., None]), 0, 1)


@torch.no_grad()
def render_frame(
    avatar: Avatar,
    camera: Camera,
    psi: np.ndarray,
    theta: np.ndarray,
    translation: np.ndarray,
    *,
    quality: str = "exact",
    condition: Condition | None = None,
    should_stop: Callable[[], bool] | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Planes:
    """Render the avatar, with mean codes unless told otherwise.

    Args:
        avatar: from `Avatar.load`.
        camera: the view; its world is the avatar's head space.
        psi: [E] expression, or [P, E] with a value for each part.
        theta: [J, 3] rad.
        translation: [3] m.
        quality: "exact"; the only one so far.
        condition: what the nets are told, where it is not `Avatar.condition`'s.
        should_stop: polled between chunks.
        on_progress: told the share that is done.

    Raises:
        Cancelled: `should_stop` said so.
    """
    device = avatar.device
    poser, grown = _prepared(avatar)
    condition = avatar.condition(psi, theta) if condition is None else condition
    pose = poser.pose(
        torch.as_tensor(np.asarray(psi, np.float32), device=device)[None],
        torch.as_tensor(np.asarray(theta, np.float32), device=device)[None],
        torch.as_tensor(np.asarray(translation, np.float32), device=device)[None],
    )
    cells = poser.cell_map([poser.frame_cells(pose, 0)], grown)
    origin, directions = camera.rays()
    count, parts = len(directions), avatar.skin.part_weights.shape[1]
    values = torch.zeros(count, 3 + parts)
    alpha, depth = torch.zeros(count), torch.full((count,), EMPTY_DEPTH)
    for first in range(0, count, RAYS_AT_ONCE):
        if should_stop is not None and should_stop():
            raise Cancelled("The rendering was stopped.")
        chunk = torch.from_numpy(directions[first : first + RAYS_AT_ONCE]).to(device)
        rays = Rays(
            origins=torch.from_numpy(origin).to(device).expand_as(chunk).contiguous(),
            directions=chunk,
            frame=torch.zeros(len(chunk), dtype=torch.int32, device=device),
            jitter=torch.full((len(chunk),), 0.5, device=device),
        )
        samples = sample(poser, pose, rays, cells)
        if len(samples):
            inside = slice(first, first + len(chunk))
            values[inside], alpha[inside], depth[inside] = _shade(avatar, samples, condition)
        if on_progress is not None:
            on_progress(min(first + RAYS_AT_ONCE, count) / count)
    shape = (camera.height, camera.width)
    image = values.numpy().reshape(*shape, -1)
    return Planes(
        image[..., :3], alpha.numpy().reshape(shape), depth.numpy().reshape(shape), image[..., 3:]
    )


def _prepared(avatar: Avatar) -> tuple[Poser, Tensor]:
    """The finished avatar's poser and grown occupancy, made once."""
    if "poser" not in avatar.kept:
        avatar.kept["poser"] = Poser(avatar)
        avatar.kept["grown"] = avatar.kept["poser"].grown_occupancy()
    return avatar.kept["poser"], avatar.kept["grown"]


def _shade(avatar: Avatar, samples: Samples, condition: Condition) -> tuple[Tensor, Tensor, Tensor]:
    """Values [R, 3 + P], alpha [R] and depth [R] of a chunk's rays."""
    step, device = avatar.config.step, avatar.device
    parts = avatar.skin.part_weights.shape[1]
    optical = torch.zeros(len(samples), device=device)
    values = torch.zeros(len(samples), 3 + parts, device=device)
    ray = samples.ray_index.long()
    rank = torch.arange(len(samples), device=device) - samples.ray_start.long()[ray]
    passed = torch.zeros(len(samples.ray_count), device=device)  # optical depth so far, per ray
    for wave in range(0, int(samples.ray_count.max()), WAVE):
        due = ((rank >= wave) & (rank < wave + WAVE) & (passed[ray] < -np.log(OPAQUE))).nonzero()[
            :, 0
        ]
        if not len(due):
            break
        with torch.autocast(device.type, torch.bfloat16):
            result = avatar.evaluate(
                samples.x_canonical[due],
                samples.view[due],
                frame_rows(samples.frame[due], 1),
                condition,
            )
        optical[due] = result.sigma * step
        values[due] = torch.cat([result.rgb, result.deformed.parts], 1)
        passed.index_add_(0, ray[due], optical[due])
    total, alpha, weights = composite(optical, values, samples.ray_start, samples.ray_count)
    return total.cpu(), alpha.cpu(), _median_depth(samples, weights, alpha).cpu()


def _median_depth(samples: Samples, weights: Tensor, alpha: Tensor) -> Tensor:
    """Depth [R] where half of a ray's alpha is gathered: the surface in front, clear or not."""
    ray = samples.ray_index.long()
    total = torch.cumsum(weights.double(), 0)
    start = samples.ray_start.long().clamp(max=len(weights) - 1)
    gathered = total - (total - weights)[start][ray]
    reached = gathered >= 0.5 * alpha[ray]
    depth = torch.full_like(alpha, EMPTY_DEPTH)
    depth.scatter_reduce_(0, ray[reached], samples.t[reached], "amin")
    return torch.where(alpha > CLEAR, depth, torch.full_like(depth, EMPTY_DEPTH))
