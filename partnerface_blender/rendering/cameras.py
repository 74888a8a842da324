# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras in both directions: the matched one into Blender, the scene's one to the engine.

The engine's camera is a dict as camera files hold it: width, height, fx, fy, cx, cy in pixels
(pixel (0, 0) upper left, its centre at (0.5, 0.5)), camera_from_world [4, 4], OpenCV axes, and
`orthographic` where it is; fx and fy are then pixels per metre. The engine's world is the head
space of the rig.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ...engine.errors import PartNerFaceError
from .. import axes

SENSOR_WIDTH_MM = 36.0


class CameraError(PartNerFaceError):
    """The scene's camera cannot be used."""

    code = "bad_camera"


@dataclass(frozen=True)
class View:
    """A camera as the engine takes it, and what its depths must be multiplied with."""

    camera: dict
    depth_scale: float  # the rig object's own scale: scene units per metre of the head


@dataclass(frozen=True)
class Lens:
    """A camera in the scene: how its pixels and the scene's points belong together."""

    width: int
    height: int
    fx: float  # px for each unit of slope; px for each scene unit when orthographic
    fy: float
    cx: float
    cy: float
    orthographic: bool
    world_from_camera: np.ndarray  # [4, 4], OpenCV axes, scene units

    @classmethod
    def of(
        cls, projection: np.ndarray, world_from_camera: np.ndarray, width: int, height: int
    ) -> "Lens":
        """From an OpenGL projection [4, 4] and a camera's pose [4, 4] (OpenGL axes, no scale)."""
        orthographic = abs(projection[3, 3]) > 0.5
        offset = -projection[:2, 3] if orthographic else projection[:2, 2]
        return cls(
            width=width,
            height=height,
            fx=float(projection[0, 0] * width / 2),
            fy=float(projection[1, 1] * height / 2),
            cx=float(width / 2 * (1 - offset[0])),
            cy=float(height / 2 * (1 + offset[1])),
            orthographic=bool(orthographic),
            world_from_camera=world_from_camera @ axes.affine(axes.OPENCV_FROM_OPENGL),
        )

    def cut_out(self, left: int, top: int, right: int, bottom: int) -> "Lens":
        """The same view of a part of the frame, in pixels from the upper left corner."""
        return replace(
            self, width=right - left, height=bottom - top, cx=self.cx - left, cy=self.cy - top
        )

    def points(self, depth: np.ndarray) -> np.ndarray:
        """What lies at depths [H, W]: [H, W, 3], scene units, in the camera's OpenCV axes."""
        x = (np.arange(self.width) + 0.5 - self.cx) / self.fx
        y = (np.arange(self.height) + 0.5 - self.cy) / self.fy
        slope = np.broadcast_arrays(x[None, :], y[:, None])
        reach = 1.0 if self.orthographic else depth
        return np.stack([slope[0] * reach, slope[1] * reach, depth], -1)


def add_matched_camera(
    name: str, camera: dict, collection: bpy.types.Collection, render: bpy.types.RenderSettings
) -> bpy.types.Object:
    """A camera object that sees what the clip's camera saw; sets the render size to the clip's."""
    width, height = camera["width"], camera["height"]
    data = bpy.data.cameras.new(name)
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width = SENSOR_WIDTH_MM
    data.lens = camera["fx"] / width * SENSOR_WIDTH_MM
    data.clip_start = 0.01
    aspect = camera["fy"] / camera["fx"]  # of pixels that are not square
    render.pixel_aspect_x, render.pixel_aspect_y = max(1.0, aspect), max(1.0, 1 / aspect)
    if abs(aspect - 1) < 1e-4:
        render.pixel_aspect_x = render.pixel_aspect_y = 1.0
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    data.shift_x = (width / 2 - camera["cx"]) / width
    data.shift_y = (
        (camera["cy"] - height / 2) / width * (render.pixel_aspect_y / render.pixel_aspect_x)
    )
    placed = bpy.data.objects.new(name, data)
    collection.objects.link(placed)
    camera_from_world = np.array(camera["camera_from_world"], np.float64).reshape(4, 4)
    pose = axes.affine(axes.RIG_FROM_HEAD) @ np.linalg.inv(camera_from_world)
    placed.matrix_world = Matrix((pose @ axes.affine(axes.OPENCV_FROM_OPENGL)).tolist())
    return placed


def show_clip_behind(camera: bpy.types.Object, path: Path, frames: int, first_frame: int) -> bool:
    """Put the clip (a movie, or the first picture of a sequence) behind the camera's view."""
    try:
        image = bpy.data.images.load(str(path), check_existing=True)
    except RuntimeError:
        return False
    if image.source == "FILE":
        image.source = "SEQUENCE"
    background = camera.data.background_images.new()
    background.image = image
    background.alpha = 0.5
    user = background.image_user
    user.frame_start, user.frame_duration = first_frame, frames
    if image.source == "SEQUENCE":  # Blender's picture at frame_start is the one numbered 1
        user.frame_offset = int(path.stem) - 1
    camera.data.show_background_images = True
    return True


def lens_of(
    camera: bpy.types.Object | None, depsgraph: bpy.types.Depsgraph, width: int, height: int
) -> Lens:
    """How the scene's camera (evaluated) projects into a frame of width × height px.

    Raises:
        CameraError: no camera, or a panoramic one.
    """
    if camera is None or camera.type != "CAMERA":
        raise CameraError("The scene has no camera.", "Add one, or load the avatar with its own.")
    if camera.data.type not in ("PERSP", "ORTHO"):
        raise CameraError(
            f"The camera {camera.name} is panoramic, and avatars cannot be seen through it.",
            "Set the camera's type to Perspective or Orthographic.",
        )
    render = depsgraph.scene.render
    projection = camera.calc_matrix_camera(
        depsgraph, x=width, y=height, scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y
    )
    world_from_camera = np.array(camera.matrix_world.normalized(), np.float64)
    return Lens.of(np.array(projection, np.float64), world_from_camera, width, height)


def see(
    camera: bpy.types.Object | None,
    rig: bpy.types.Object,
    depsgraph: bpy.types.Depsgraph,
    width: int,
    height: int,
) -> View:
    """How the scene's camera sees the rig (both evaluated), in a frame of width × height px.

    Raises:
        CameraError: no camera, a panoramic one, or a rig that is sheared or flattened.
    """
    lens = lens_of(camera, depsgraph, width, height)
    return through(lens, rig.name, np.array(rig.matrix_world, np.float64))


def view_through(
    projection: np.ndarray,
    world_from_camera: np.ndarray,
    rig: bpy.types.Object,
    width: int,
    height: int,
) -> View:
    """How an OpenGL projection [4, 4] and a camera pose [4, 4] (no scale) see the rig.

    Raises:
        CameraError: the rig is sheared, flattened, or scaled differently along its axes.
    """
    lens = Lens.of(projection, world_from_camera, width, height)
    return through(lens, rig.name, np.array(rig.matrix_world, np.float64))


def through(lens: Lens, rig_name: str, world_from_rig: np.ndarray) -> View:
    """How a lens sees a rig whose own transform is `world_from_rig` [4, 4].

    The rig object's place, turn and size enter here. The engine sees the head in its own size and
    the camera moved instead, which gives the same picture; only depths differ by the scale.

    Raises:
        CameraError: the rig is sheared, flattened, or scaled differently along its axes.
    """
    world_from_head = world_from_rig @ axes.affine(axes.RIG_FROM_HEAD)
    scales = np.linalg.svd(world_from_head[:3, :3], compute_uv=False)
    if (
        scales[2] < 1e-6
        or scales[0] / scales[2] > 1.001
        or np.linalg.det(world_from_head[:3, :3]) < 0
    ):
        raise CameraError(
            f"The avatar {rig_name} is scaled differently along its axes or mirrored.",
            "Give it one positive scale for all three axes.",
        )
    scale = float(scales.mean())
    camera_from_head = np.linalg.inv(lens.world_from_camera) @ world_from_head
    camera_from_head[:3] /= scale
    enlarged = scale if lens.orthographic else 1.0
    camera = {
        "width": lens.width,
        "height": lens.height,
        "fx": lens.fx * enlarged,
        "fy": lens.fy * enlarged,
        "cx": lens.cx,
        "cy": lens.cy,
        "camera_from_world": camera_from_head.tolist(),
    }
    return View(camera | ({"orthographic": True} if lens.orthographic else {}), scale)


def cut_out(view: View, left: int, top: int, right: int, bottom: int) -> View:
    """The same view of a part of the frame, in pixels from the upper left corner."""
    camera = view.camera | {
        "width": right - left,
        "height": bottom - top,
        "cx": view.camera["cx"] - left,
        "cy": view.camera["cy"] - top,
    }
    return View(camera, view.depth_scale)
