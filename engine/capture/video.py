# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a video frame by frame: never more than one decoded frame in memory.

Frames are numbered from 0 as the decoder delivers them, and are always counted from the file's
beginning: seeking lands on other frames than it says in files with a variable frame rate. A
rotation noted in the file is applied.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # its complaints become our sentences

import cv2
import numpy as np

from ..errors import ClipError
from .probe import refuse_hdr

MAX_PIXELS = 8192 * 4608  # a decoded frame beyond this would not be a phone's
_DIGEST_BYTES = 1 << 20


class Frame(NamedTuple):
    """One picture of a source."""

    number: int  # counted from 0
    time: float  # s since the source's beginning
    picture: np.ndarray  # [H, W, 3] uint8 RGB


@dataclass(frozen=True)
class Clip:
    """A readable video: its first frame has been decoded once."""

    path: Path
    fps: float  # 1/s, the mean where it varies
    width: int  # px, after rotation
    height: int
    frames: int  # as the file says; 0 where it does not, and not always right

    def read(self, first: int = 0, last: int | None = None, stride: int = 1) -> Iterator[Frame]:
        """Every `stride`-th frame from `first` to `last`, both included."""
        capture = _open(self.path)
        number, time = 0, -1 / self.fps
        try:
            while (last is None or number <= last) and capture.grab():
                time = _next_time(time, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, 1 / self.fps)
                if number >= first and (number - first) % stride == 0:
                    done, picture = capture.retrieve()
                    if done and picture is not None:
                        rgb = np.ascontiguousarray(_three_channels(picture)[..., ::-1])
                        yield Frame(number, time, rgb)
                number += 1
        finally:
            capture.release()

    def read_only(self, numbers: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """The pictures of these frames alone, in ascending order; others are not converted."""
        wanted = sorted(set(numbers))
        if not wanted:
            return
        position = 0
        for number, _, picture in self.read(wanted[0], wanted[-1]):
            if number == wanted[position]:
                position += 1
                yield number, picture

    def digest(self) -> str:
        """What tells this clip's content from another's: from its size, beginning and end."""
        size = self.path.stat().st_size
        digest = hashlib.sha256(str(size).encode())
        with self.path.open("rb") as file:
            digest.update(file.read(_DIGEST_BYTES))
            file.seek(max(0, size - _DIGEST_BYTES))
            digest.update(file.read(_DIGEST_BYTES))
        return digest.hexdigest()


def open_clip(path: Path) -> Clip:
    """Look into a video.

    Raises:
        ClipError: missing, empty, no video, HDR, or without a single frame that can be decoded.
        DependencyError: there is no ffmpeg to ask for its colours.
    """
    hint = "Give the path of a video file such as an MP4 or MOV, or of a folder of pictures."
    if not path.is_file():
        raise ClipError(f"There is no video file {path}.", hint)
    if path.stat().st_size == 0:
        raise ClipError(f"The clip {path} is empty.", hint)
    capture = _open(path)
    try:
        done, picture = capture.read() if capture.isOpened() else (False, None)
        if not done or picture is None:
            raise ClipError(
                f"The clip {path} cannot be read as a video.",
                "Play it in a video player; if that works, convert it to MP4 (H.264).",
            )
        fps = capture.get(cv2.CAP_PROP_FPS)
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    finally:
        capture.release()
    height, width = picture.shape[:2]
    check_size(path, width, height)
    refuse_hdr(path)
    fps = float(fps) if np.isfinite(fps) and 1 <= fps <= 1000 else 25.0
    count = int(count) if np.isfinite(count) and 0 < count < 1e8 else 0
    return Clip(path, fps, width, height, count)


def check_size(path: Path, width: int, height: int) -> None:
    """Refuse pictures that would not fit into memory in numbers.

    Raises:
        ClipError: they are larger than those of an 8K camera.
    """
    if width * height > MAX_PIXELS:
        raise ClipError(
            f"The frames of {path} are too large ({width} by {height}).",
            "Convert them to 4K or less.",
        )


def _next_time(before: float, told: float, step: float) -> float:
    """The time the decoder tells, s; where it tells none, a frame's length after the last."""
    return told if np.isfinite(told) and told > before else before + step


def _open(path: Path) -> cv2.VideoCapture:
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        capture = cv2.VideoCapture(str(path))
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        return capture
    finally:
        cv2.utils.logging.setLogLevel(level)


def _three_channels(picture: np.ndarray) -> np.ndarray:
    if picture.ndim == 2:
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    return picture[..., :3]
