# SPDX-License-Identifier: GPL-3.0-or-later
"""The fitted mesh over the clip as a video, so that a person sees at once how good the fit is."""

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np

from ..errors import DependencyError
from ..files import write_atomic
from ..render.camera import Camera
from ..render.mesh import vertex_normals, view_mesh

MOST_SIDE = 512  # px of the video
MESH_SIDE = 256  # px the mesh is drawn at
OPACITY = 0.55
CLAY = np.array([0.95, 0.80, 0.55], np.float32)


def write_overlay(
    path: Path,
    frames: Iterable[tuple[np.ndarray, np.ndarray]],
    faces: np.ndarray,
    camera: Camera,
    fps: float,
) -> None:
    """Write an H.264 video of pictures with a half transparent mesh over them.

    Args:
        path: of the .mp4 file.
        frames: pictures [H, W, 3] uint8 RGB and posed vertices [V, 3] m, world space.
        faces: [F, 3] of the mesh.
        camera: of the pictures.
        fps: 1/s.

    Raises:
        SpaceError: it could not be written.
        DependencyError: imageio-ffmpeg is missing.
    """
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise DependencyError(
            "The overlay video needs the package imageio-ffmpeg, which is missing.",
            "Set the engine's environment up again.",
        ) from error
    side = min(MOST_SIDE, camera.width) // 2 * 2  # H.264 wants an even number

    def write(temporary: Path) -> None:
        writer = imageio_ffmpeg.write_frames(
            str(temporary),
            (side, side),
            fps=fps,
            codec="libx264",
            quality=7,
            macro_block_size=2,
            ffmpeg_log_level="error",
            output_params=["-movflags", "+faststart"],
        )
        writer.send(None)
        try:
            for picture, posed in frames:
                writer.send(np.ascontiguousarray(draw_over(picture, posed, faces, camera, side)))
        finally:
            writer.close()

    write_atomic(path, write)


def draw_over(
    picture: np.ndarray, posed: np.ndarray, faces: np.ndarray, camera: Camera, side: int
) -> np.ndarray:
    """The picture with the mesh over it: [side, side, 3] uint8."""
    mesh_side = min(MESH_SIDE, side)
    small = camera.resized(mesh_side, mesh_side)
    view = view_mesh(posed, faces, small)
    normals = view.interpolate(vertex_normals(posed, faces), faces)
    light = np.clip(
        normals @ np.array([-0.35, 0.45, 0.82]), 0, 1
    )  # from above the camera's shoulder
    shaded = CLAY * (0.15 + 0.85 * light[..., None]).astype(np.float32)
    layer = np.concatenate([shaded, np.ones_like(shaded[..., :1])], -1) * view.hit[..., None]
    layer = cv2.resize(layer.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
    below = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    mixed = below * (1 - OPACITY * layer[..., 3:]) + OPACITY * layer[..., :3]
    return (np.clip(mixed, 0, 1) * 255 + 0.5).astype(np.uint8)


def progress(
    frames: Iterable[tuple[np.ndarray, np.ndarray]], tell: Callable[[int], None]
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """The frames, telling how many were taken."""
    for number, frame in enumerate(frames, 1):
        yield frame
        tell(number)
