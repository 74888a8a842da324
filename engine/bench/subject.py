# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is measured: a capture, an avatar of it, one frame, and how like the truth it renders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .. import __version__
from ..avatar.model import Avatar
from ..capture.folder import Capture, read_capture
from ..config import Synth
from ..errors import CaptureError
from ..head.motion import Motion
from ..jobs import Job
from ..paths import cache_folder
from ..render.camera import Camera
from ..render.frame import Planes, forget_pose, on_white, render_frame
from ..synthetic.command import run as synthesise
from ..train.evaluate import head_boxes, true_picture
from ..train.metrics import psnr

Render = Callable[[Camera, int], np.ndarray]  # a view and a frame of the capture → [h, w, 3] sRGB


@dataclass(frozen=True)
class Subject:
    """An avatar and the frame of its motion that everything is measured on."""

    avatar: Avatar
    motion: Motion  # one frame: psi [E], theta [J, 3], translation [3]
    camera: Camera  # at the size it was trained at

    def render(self, camera: Camera, quality: str = "exact") -> Planes:
        """The frame as another camera sees it."""
        motion = self.motion
        forget_pose(self.avatar)  # as in an animation, where every frame is another pose
        return render_frame(
            self.avatar, camera, motion.psi, motion.theta, motion.translation, quality=quality
        )

    def of(self, avatar: Avatar) -> "Subject":
        """The same frame of another avatar."""
        return replace(self, avatar=avatar)


def subject_of(avatar: Avatar) -> Subject:
    """The avatar in the most expressive frame of its own motion."""
    file = avatar.file
    assert file is not None, "a loaded avatar"
    frame = int(np.abs(file.motion.psi).sum(1).argmax())
    return Subject(avatar, file.motion[frame], file.camera)


def small_capture(size: int, frames: int, test_frames: int, job: Job) -> Capture:
    """A synthetic person's capture in our cache folder, made where it is not there yet.

    Raises:
        SpaceError: it could not be written.
        Cancelled: stopped.
    """
    folder = cache_folder() / "bench" / f"{__version__}-{size}-{frames}-{test_frames}"
    try:
        return read_capture(folder)
    except CaptureError:
        synthesise(Synth(out=folder, size=size, frames=frames, test_frames=test_frames), job)
    return read_capture(folder)


def bench_folder(name: str) -> Path:
    """A folder of ours for what one run writes."""
    folder = cache_folder() / "bench" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sized(camera: Camera, width: int, height: int) -> Camera:
    """The same view with square pixels at another height, wider or narrower around its middle."""
    scale = height / camera.height
    whole = camera.resized(round(camera.width * scale), height)
    return replace(whole, width=width, cx=whole.cx + (width - whole.width) / 2)


def cropped(camera: Camera, box: Sequence[int]) -> Camera:
    """The part x0, y0, x1, y1 (px) of the view as a camera of its own."""
    x0, y0, x1, y1 = box
    return replace(camera, width=x1 - x0, height=y1 - y0, cx=camera.cx - x0, cy=camera.cy - y0)


def evenly(indices: Sequence[int], count: int) -> tuple[int, ...]:
    """`count` of the indices, or all, spread evenly."""
    if count >= len(indices):
        return tuple(indices)
    return tuple(indices[i] for i in np.linspace(0, len(indices) - 1, count).round().astype(int))


class HeldOut:
    """Mean PSNR (dB) inside the head boxes of a few test frames.

    Args:
        capture: the truth.
        camera: the size that is compared.
        frames: of the capture, which nobody trained on.
    """

    def __init__(self, capture: Capture, camera: Camera, frames: Sequence[int]) -> None:
        if not frames:
            raise CaptureError(f"{capture.path} has no test frames.", "Use another capture.")
        self._views = []
        boxes = head_boxes(capture, tuple(frames), camera)
        for frame in frames:
            x0, y0, x1, y1 = boxes[frame]
            truth = true_picture(capture, frame, camera).colour[y0:y1, x0:x1]
            self._views.append((frame, cropped(camera, boxes[frame]), truth))

    def psnr(self, render: Render) -> float:
        """Of the pictures that `render` makes of the boxes."""
        return float(np.mean([psnr(truth, render(view, f)) for f, view, truth in self._views]))


def renders(avatar: Avatar, motion: Motion) -> Render:
    """The exact pictures of an avatar driven by a capture's motion, on white."""

    def render(camera: Camera, frame: int) -> np.ndarray:
        pose = motion.psi[frame], motion.theta[frame], motion.translation[frame]
        return on_white(render_frame(avatar, camera, *pose))

    return render
