# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame of an avatar: pose, survey, then rays by the thousand in the quality asked for."""

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import torch

from ..avatar.deformation import Condition
from ..avatar.model import Avatar
from ..config import Quality
from ..cores import CORES, over_cores
from ..errors import Cancelled, InputError
from .camera import Camera
from .normals import surface_normals
from .posing import Poser
from .preview import PreviewShader
from .sampling import Rays
from .scene import EMPTY_DEPTH, Scene, Shaded
from .shading import Exact, FrameBaked

SHADERS = {"exact": Exact, "frame-baked": FrameBaked, "preview": PreviewShader}
RAYS_ON_GPU = 1 << 17  # at once
LAST = "last pose"  # in an avatar's `kept`


@dataclass(frozen=True)
class Planes:
    """A rendered frame."""

    colour: np.ndarray  # [H, W, 3] float32, display-referred sRGB, premultiplied
    alpha: np.ndarray  # [H, W] float32
    depth: np.ndarray  # [H, W] float32 m, planar camera z of the surface in front; 1e10 where empty
    parts: np.ndarray  # [H, W, ·] float32, weights of the head model's parts × alpha
    normal: np.ndarray | None = None  # [H, W, 3] float32, the camera's world, × alpha; if asked for


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
    normals: bool = False,
    should_stop: Callable[[], bool] | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Planes:
    """Render the avatar, with the codes that its pose foretells unless told otherwise.

    Args:
        avatar: from `Avatar.load`.
        camera: the view; its world is the avatar's head space.
        psi: [E] expression, or [H, E] with one for each of the head model's parts.
        theta: [J, 3] rad.
        translation: [3] m.
        quality: "exact", "frame-baked" (`FrameBaked`) or "preview" (`PreviewShader`).
        condition: what the nets are told, where it is not `Avatar.condition`'s.
        normals: whether the surface's normals are wanted as well.
        should_stop: polled for every slice of rays, by the nets several times.
        on_progress: told the share that is done.

    Raises:
        Cancelled: `should_stop` said so.
        InputError: there is no such quality.
    """
    if quality not in SHADERS:
        raise InputError(
            f"There is no quality “{quality}”.", f"Choose {', '.join(get_args(Quality))}."
        )
    device, check = avatar.device, checking(should_stop)
    scene = _posed(avatar, camera, (psi, theta, translation), condition, check)
    count = camera.width * camera.height
    origins, directions = (
        torch.from_numpy(array).to(device).expand(count, 3) for array in camera.rays()
    )
    check()
    shade = SHADERS[quality](scene)
    values = torch.zeros(count, 3 + avatar.share.shape[1], device=device)
    alpha = torch.zeros(count, device=device)
    depth = torch.full((count,), EMPTY_DEPTH, device=device)

    def seen_by(part: slice) -> tuple[slice, Shaded]:
        check()
        rays = Rays(
            origins=origins[part].contiguous(),
            directions=directions[part].contiguous(),
            frame=torch.zeros(part.stop - part.start, dtype=torch.int32, device=device),
            jitter=torch.full((part.stop - part.start,), 0.5, device=device),
        )
        return part, shade(rays)

    slices = ray_slices(count, device, shade.AT_ONCE)
    with closing(over_cores(seen_by, slices, device, quality)) as shades:
        for part, seen in shades:
            values[part], alpha[part], depth[part] = seen.values, seen.alpha, seen.depth
            if on_progress is not None:
                on_progress(part.stop / count)
    shape = (camera.height, camera.width)
    image = values.cpu().numpy().reshape(*shape, -1)
    facing = None
    if normals:
        facing = surface_normals(scene, origins, directions, depth, alpha).cpu().numpy()
    return Planes(
        image[..., :3],
        alpha.cpu().numpy().reshape(shape),
        depth.cpu().numpy().reshape(shape),
        image[..., 3:],
        facing if facing is None else facing.reshape(*shape, 3),
    )


def ray_slices(count: int, device: torch.device, at_once: tuple[int, int]) -> Iterator[slice]:
    """0…`count` in slices; where cores compute, some for all of them if there are enough rays.

    Args:
        count: rays.
        device: where they are.
        at_once: the least and the most that one core takes.
    """
    size = RAYS_ON_GPU
    if device.type == "cpu":
        least, most = at_once
        size = min(max(math.ceil(count / CORES), least), most)
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))


def checking(should_stop: Callable[[], bool] | None) -> Callable[[], None]:
    """A function that raises `Cancelled` once `should_stop` says so."""

    def check() -> None:
        if should_stop is not None and should_stop():
            raise Cancelled("The rendering was stopped.")

    return check


def _posed(
    avatar: Avatar,
    camera: Camera,
    keys: tuple[np.ndarray, np.ndarray, np.ndarray],
    condition: Condition | None,
    check: Callable[[], None],
) -> Scene:
    """The avatar posed by psi, theta and translation; as it is where it was posed so last time."""
    poser = avatar.once("poser", lambda: Poser(avatar))
    keys = [np.asarray(key, np.float32) for key in keys]
    pose_key = tuple((key.shape, key.tobytes()) for key in keys)
    known, scene = avatar.kept.pop(LAST, (None, None))
    if known == pose_key and condition is None:
        scene = replace(scene, camera=camera, check=check)
    else:
        check()
        told = avatar.condition(*keys) if condition is None else condition
        pose = poser.pose(*(torch.as_tensor(key, device=avatar.device)[None] for key in keys))
        scene = Scene(avatar, poser, pose, told, camera, check, {})
    if condition is None:
        avatar.kept[LAST] = pose_key, scene
    return scene


def forget_pose(avatar: Avatar) -> None:
    """Have the next frame posed anew, even if it is the last one again; for measuring."""
    avatar.kept.pop(LAST, None)
