# SPDX-License-Identifier: GPL-3.0-or-later
"""Where frames come from: a video or a folder of pictures, behind one interface; and which."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import ClipError
from .image_folder import FPS, open_image_folder
from .video import Frame, open_clip


class Source(Protocol):
    """Frames that are decoded one at a time and keep their numbers however they are read."""

    path: Path

    @property
    def fps(self) -> float:
        """1/s, the mean where it varies."""
        ...

    @property
    def width(self) -> int:
        """px, after rotation."""
        ...

    @property
    def height(self) -> int:
        """px, after rotation."""
        ...

    @property
    def frames(self) -> int:
        """As the source says; 0 where it does not, and not always right."""
        ...

    def read(self, first: int = 0, last: int | None = None, stride: int = 1) -> Iterator[Frame]:
        """Every `stride`-th frame from `first` to `last`, both included."""
        ...

    def read_only(self, numbers: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Numbers and pictures [H, W, 3] uint8 RGB of these frames alone, in ascending order."""
        ...

    def digest(self) -> str:
        """What tells this source's content from another's."""
        ...


@dataclass(frozen=True)
class Selection:
    """Which frames of a source are wanted."""

    first: int = 0
    last: int | None = None  # included; None = to the end
    stride: int = 1

    def count(self, frames: int) -> int:
        """How many frames that are of a source with `frames`; 0 where nobody knows."""
        ends = [end for end in (self.last, frames - 1 if frames else None) if end is not None]
        return max((min(ends) - self.first) // self.stride + 1, 0) if ends else 0


def open_source(path: Path, fps: float = 0.0) -> Source:
    """Look into a video, or into a folder of pictures filmed at `fps` (0 = 25).

    Raises:
        ClipError: it cannot be used, or a frame rate was given for a video, which has its own.
        DependencyError: there is no ffmpeg to ask for a video's colours.
    """
    if fps and not 1 <= fps <= 1000:
        raise ClipError(f"{fps:g} is no frame rate.", "Give frames per second, 1 to 1000.")
    if path.is_dir():
        return open_image_folder(path, fps or FPS)
    clip = open_clip(path)
    if fps:
        raise ClipError(
            f"The clip {path} has a frame rate of its own.",
            "Use --fps with folders of pictures alone.",
        )
    return clip


def select(frames: str, stride: int) -> Selection:
    """The range `A-B`, both included (nothing = all), in steps of `stride`.

    Raises:
        ClipError: it is no range, or no step.
    """
    first, last = parse_range(frames)
    if stride < 1:
        raise ClipError(f"{stride} is no stride.", "Use 1 for every frame, 2 for every second.")
    return Selection(first, last, stride)


def parse_range(text: str) -> tuple[int, int | None]:
    """`A-B` → (A, B), both included; nothing → (0, None), the whole clip.

    Raises:
        ClipError: it is no range.
    """
    if not text.strip():
        return 0, None
    match = re.fullmatch(r"\s*(\d+)\s*-\s*(\d+)\s*", text)
    if match is None or int(match[1]) > int(match[2]):
        raise ClipError(f"“{text}” is no range of frames.", "Write it as A-B, for example 0-249.")
    return int(match[1]), int(match[2])
