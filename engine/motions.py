# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion for one head that was tracked on another: from a capture folder, or an avatar's own.

A frame's time counts from the first frame, in seconds.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .avatar.file import AvatarFile
from .capture.folder import read_capture
from .errors import CaptureError, InputError
from .head.model import JAW, Head
from .head.motion import Motion
from .head.transfer import make_transfer

AVATAR_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class TrackedMotion:
    """What was tracked in one clip, and on which head."""

    head: Head
    motion: Motion  # N frames
    fps: float
    seconds: np.ndarray  # [N] float64, rising, from 0


def read_tracked_motion(path: Path) -> TrackedMotion:
    """The motion in a capture folder or an avatar file.

    Raises:
        InputError: there is neither, or it holds no motion.
        CaptureError: the capture is unfinished or damaged.
        AvatarError: the avatar file is damaged.
    """
    if path.is_dir():
        capture = read_capture(path)
        found = TrackedMotion(
            capture.head, capture.motion, capture.fps, capture.seconds - capture.seconds[:1]
        )
    elif path.suffix == AVATAR_SUFFIX:
        file = AvatarFile.read(path)
        times = np.asarray(file.record.get("times", ()), np.float64)
        if len(times) == 0:  # of a file that does not tell
            times = np.arange(len(file.motion)) / file.fps if file.fps > 0 else np.zeros(0)
        seconds = times - times[:1]
        found = TrackedMotion(file.head, file.motion, file.fps, seconds)
    else:
        raise InputError(
            f"{path} is neither a capture folder nor an avatar file.",
            "Choose a folder that holds capture.json, or a .safetensors file.",
        )
    _check(path, found)
    return found


def _check(path: Path, tracked: TrackedMotion) -> None:
    """Refuse what no rig could be keyed with."""
    motion, count = tracked.motion, len(tracked.motion)
    if count == 0:
        raise InputError(f"{path} holds no motion.", "Choose another one.")
    shapes = {
        "psi": (count, len(tracked.head.expression_names)),
        "theta": (count, len(tracked.head.joints), 3),
        "translation": (count, 3),
    }
    for name, shape in shapes.items():
        array = getattr(motion, name)
        if array.shape != shape or not np.isfinite(array).all():
            raise CaptureError(
                f"The motion in {path} is damaged ({name}).", "Make the capture again."
            )
    times = tracked.seconds
    if len(times) != count or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise CaptureError(
            f"The frames in {path} do not follow each other in time.", "Make the capture again."
        )


def carry(tracked: TrackedMotion, head: Head) -> tuple[Motion, dict]:
    """The motion for another head, and what a person should know of it.

    Raises:
        HeadMismatchError: the two head models cannot be laid onto each other.
    """
    motion = tracked.motion
    told: dict = {"source_model": tracked.head.model_name, "transferred": False, "lost": 0.0}
    if tracked.head.model_fingerprint == head.model_fingerprint:
        return motion, told
    transfer = make_transfer(tracked.head, head)
    lost = transfer.error(motion.psi, motion.theta[:, JAW])
    return transfer.motion(motion), told | {"transferred": True, "lost": lost}
