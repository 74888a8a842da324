# SPDX-License-Identifier: GPL-3.0-or-later
"""How a viewport sees a head: the engine's camera for the part of the region that the head covers.

`projection` is Blender's window matrix [4, 4], OpenGL axes; `view_from_world` its view matrix.
"""

from dataclasses import dataclass

import numpy as np

from ..rendering import cameras
from .pictures import Placing

BACK = 4.0  # head radii that an orthographic view stands back: a head may be behind its plane
MARGIN_PX = 2


@dataclass(frozen=True)
class Ball:
    """Where a head is, hair included."""

    centre: np.ndarray  # [3] rig space
    radius: float  # rig units


@dataclass(frozen=True)
class Eye:
    """A viewport's view: matrices and size."""

    projection: np.ndarray  # [4, 4]
    view_from_world: np.ndarray  # [4, 4]
    width: int  # px
    height: int

    @property
    def orthographic(self) -> bool:
        """Whether lines that are parallel stay so."""
        return abs(float(self.projection[3, 3])) > 0.5


@dataclass(frozen=True)
class Standing:
    """A rig as `cameras` wants it, wherever an instance puts it."""

    name: str
    matrix_world: np.ndarray


@dataclass(frozen=True)
class Sight:
    """What is asked of the engine, and where the answer belongs."""

    camera: dict
    placing: Placing

    @property
    def side(self) -> int:
        """The longest side, in the viewport's pixels."""
        return max(self.camera["width"], self.camera["height"])


def look_at(eye: Eye, name: str, world_from_rig: np.ndarray, ball: Ball) -> Sight | None:
    """The head as the viewport sees it; None where it is out of view.

    Raises:
        CameraError: the rig is sheared, flattened or mirrored.
    """
    centre = eye.view_from_world @ world_from_rig @ np.append(ball.centre, 1.0)  # view space
    scale = float(np.cbrt(abs(np.linalg.det(world_from_rig[:3, :3]))))
    radius = ball.radius * scale
    window = window_of(eye, centre[:3], radius)
    if window is None:
        return None
    back = centre[2] + BACK * radius if eye.orthographic else 0.0
    world_from_eye = np.linalg.inv(eye.view_from_world)
    world_from_eye[:3, 3] += world_from_eye[:3, 2] * back
    view = cameras.view_through(
        eye.projection, world_from_eye, Standing(name, world_from_rig), eye.width, eye.height
    )
    quad = view_from_quad(eye, window, float(centre[2]))
    world_from_quad = np.linalg.inv(eye.view_from_world) @ quad
    placing = Placing(
        rig_from_quad=np.linalg.inv(world_from_rig) @ world_from_quad,
        centre=ball.centre,
        depth_scale=view.depth_scale,
        depth_shift=-back,
        distance=-float(centre[2]),
    )
    return Sight(cameras.cut_out(view, *window).camera, placing)


def window_of(eye: Eye, centre: np.ndarray, radius: float) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom (px, first row on top) of what a ball [3] (view space) covers."""
    corners = centre + radius * np.array(
        [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64
    )
    if not eye.orthographic and corners[:, 2].max() > -1e-3 * radius:
        if centre[2] > radius:  # behind the eye
            return None
        return 0, 0, eye.width, eye.height
    clip = np.concatenate([corners, np.ones((8, 1))], 1) @ eye.projection.T
    plane = clip[:, :2] / clip[:, 3:]
    x = (plane[:, 0] + 1) / 2 * eye.width
    y = (1 - plane[:, 1]) / 2 * eye.height
    left, right = int(np.floor(x.min())) - MARGIN_PX, int(np.ceil(x.max())) + MARGIN_PX
    top, bottom = int(np.floor(y.min())) - MARGIN_PX, int(np.ceil(y.max())) + MARGIN_PX
    left, top = max(0, left), max(0, top)
    right, bottom = min(eye.width, right), min(eye.height, bottom)
    return (left, top, right, bottom) if right > left and bottom > top else None


def view_from_quad(eye: Eye, window: tuple[int, int, int, int], z: float) -> np.ndarray:
    """[4, 4]: the window at depth z of view space, from (u, v, 0, 1); u to the right, v upwards."""
    left, top, right, bottom = window
    low = unproject(eye, left, bottom, z)
    made = np.eye(4)
    made[:3, 0] = unproject(eye, right, bottom, z) - low
    made[:3, 1] = unproject(eye, left, top, z) - low
    made[:3, 3] = low
    return made


def unproject(eye: Eye, x: float, y: float, z: float) -> np.ndarray:
    """The point [3] of view space at a pixel's position and depth z."""
    p = eye.projection
    plane = np.array([2 * x / eye.width - 1, 1 - 2 * y / eye.height])
    if eye.orthographic:
        across = (plane - p[:2, 3]) / (p[0, 0], p[1, 1])
    else:
        across = (plane + p[:2, 2]) * -z / (p[0, 0], p[1, 1])
    return np.array([*across, z])
