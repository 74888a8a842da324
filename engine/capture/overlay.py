# SPDX-License-Identifier: GPL-3.0-or-later
"""The fitted mesh over the clip as a video, so that a person sees at once how good the fit is."""

from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from ..cores import in_order, shared_out
from ..files import write_atomic
from ..head.skinning import HeadTensors
from ..jobs import Job
from ..render.camera import Camera
from ..render.mesh import vertex_normals, view_mesh
from .folder import Capture
from .posed import posed_frame
from .probe import ffmpeg_program

MOST_SIDE = 512  # px of the video
MESH_SIDE = 256  # px the mesh is drawn at
OPACITY = 0.55
CLAY = np.array([0.95, 0.80, 0.55], np.float32)


def write_overlay(capture: Capture, tensors: HeadTensors, job: Job) -> None:
    """Write overlay.mp4 into a capture's folder: its pictures with a half transparent mesh on them.

    Raises:
        CaptureError: a picture is missing or damaged.
        SpaceError: it could not be written.
        DependencyError: imageio-ffmpeg is missing.
        Cancelled: as it says.
    """
    ffmpeg_program()
    import imageio_ffmpeg

    count, faces = len(capture.motion), capture.head.skin_faces
    side = min(MOST_SIDE, capture.camera.width) // 2 * 2  # H.264 wants an even number

    def drawn(index: int) -> np.ndarray:
        posed = posed_frame(tensors, capture.motion, index)
        return draw_over(capture.image(index), posed, faces, capture.camera, side)

    def write(temporary: Path) -> None:
        writer = imageio_ffmpeg.write_frames(
            str(temporary),
            (side, side),
            fps=capture.fps,
            codec="libx264",
            quality=7,
            macro_block_size=2,
            ffmpeg_log_level="error",
            output_params=["-movflags", "+faststart"],
        )
        writer.send(None)
        with closing(writer), closing(in_order(drawn, range(count))) as pictures:
            for number, picture in enumerate(pictures, 1):
                writer.send(np.ascontiguousarray(picture))
                job.update("Drawing the overlay", number, count)

    with shared_out():
        write_atomic(capture.path / "overlay.mp4", write)


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
