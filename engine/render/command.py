# SPDX-License-Identifier: GPL-3.0-or-later
"""`render`: frames of an avatar as PNG or EXR files."""

import json
import time
from pathlib import Path

from ..avatar.model import Avatar
from ..capture.folder import Capture, read_capture
from ..config import Render
from ..devices import resolve_device
from ..errors import InputError
from ..head.model import JAW, Head
from ..head.motion import Motion
from ..head.transfer import make_transfer
from ..jobs import Job
from .camera import Camera
from .frame import render_frame
from .pictures import write_planes
from .sequence import render_sequence


def run(config: Render, job: Job) -> dict:
    """Render frames FIRST-LAST of the avatar's motion, of a capture's, or all of a sequence.

    Raises:
        AvatarError: the avatar cannot be used.
        CaptureError: the capture cannot be used.
        HeadMismatchError: the capture's motion cannot be carried to the avatar's head model.
        InputError: a camera file or a frame range that makes no sense.
        SpaceError: OUT cannot be written.
    """
    avatar = Avatar.load(config.avatar, resolve_device(config.device))
    if config.sequence is not None:
        return render_sequence(config, avatar, job)
    motion, camera = avatar.file.motion, avatar.file.camera
    told: dict = {}
    if config.capture is not None:
        capture = read_capture(config.capture)
        motion, camera = capture.motion, capture.camera
        if capture.head.model_fingerprint != avatar.head.model_fingerprint:
            job.update("carrying the motion to the avatar's head model", 0, 1)
            motion, told = transferred(capture, avatar.head)
    if config.camera is not None:
        camera = read_camera(config.camera)
    if config.size:
        camera = camera.of_height(config.size)
    first, last = frame_range(config.frames, len(motion))
    began = time.time()
    for done, index in enumerate(range(first, last + 1)):
        job.update("rendering", done, last + 1 - first)
        planes = render_frame(
            avatar, camera, motion.psi[index], motion.theta[index], motion.translation[index],
            quality=config.quality,
        )  # fmt: skip
        write_planes(config.out / f"{index:05d}.{config.file_format}", planes, job.preview)
    count = last + 1 - first
    job.update("rendering", count, count)
    return {
        "frames": count,
        "seconds_per_frame": (time.time() - began) / count,
        "out": str(config.out),
        **told,
    }


def transferred(capture: Capture, head: Head) -> tuple[Motion, dict]:
    """A capture's motion for another head model, and what a user should know of it.

    Raises:
        HeadMismatchError: the two models cannot be laid onto each other.
    """
    transfer = make_transfer(capture.head, head)
    motion = capture.motion
    return transfer.motion(motion), {
        "motion_transferred": f"from head model {capture.head.model_name} to {head.model_name}",
        "motion_not_expressed": transfer.error(motion.psi, motion.theta[:, JAW]),
    }


def frame_range(text: str, count: int) -> tuple[int, int]:
    """First and last frame of a range A-B (or A alone); all of `count` when empty.

    Raises:
        InputError: no such range.
    """
    if not text:
        return 0, count - 1
    try:
        first, _, last = text.partition("-")
        bounds = int(first), int(last or first)
    except ValueError:
        bounds = -1, -1
    if not 0 <= bounds[0] <= bounds[1] < count:
        raise InputError(
            f"“{text}” is no range of the frames 0 to {count - 1}.", "Give A-B, for example 0-9."
        )
    return bounds


def read_camera(path: Path) -> Camera:
    """The camera in a JSON file.

    Raises:
        InputError: no such file, or an entry is missing or makes no sense.
    """
    try:
        return Camera.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The camera file {path} cannot be used ({error!r}).",
            "It needs width, height, fx, fy, cx, cy and camera_from_world (4 rows of 4).",
        ) from error
