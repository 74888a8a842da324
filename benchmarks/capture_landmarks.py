# SPDX-License-Identifier: GPL-3.0-or-later
"""How steady are the landmarks of a clip, how small may a face be, and which frames are marked?

    python -m benchmarks.capture_landmarks CLIP [--frames 400]

The clip as it is, and shrunk into a corner of 1080p and 4K frames, is tracked in whole frames of at
most 1280 pixels, as a face mesh alone would, and through the follower's window. Jitter is the mean
length of the landmarks' second difference, noise and motion together: only figures of one clip
compare. Then ten frames in thirty are spoiled in some way, and those that are marked are counted.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tyro
from tyro.conf import Positional

from engine.capture.follow import WHOLE, Follower
from engine.capture.landmarks import LandmarkProvider
from engine.capture.marks import FACE_POINTS, Mark, judge
from engine.capture.mediapipe_models import MediaPipeFaces
from engine.capture.source import Selection, Source, open_source
from engine.capture.track import Track, track_clip
from engine.capture.video import Frame
from engine.jobs import Job

LARGE = {
    "1080p": (1920, 1080, 400),
    "4K": (3840, 2160, 300),
}  # px: width, height, the clip's height
GREY = 120
WAYS = ANEW, WHOLE_FRAMES, WINDOW = "whole frames, each anew", "whole frames", "window"
PERIOD, SPOILED = 30, 10  # frames


@dataclass(frozen=True)
class Options:
    """What to track."""

    clip: Positional[Path]
    """A clip of one person, spoiled nowhere."""
    frames: int = 400
    """So many of its first frames."""


class Changed:
    """A source whose pictures are changed by `change(number, picture)`."""

    def __init__(self, source: Source, change: Callable[[int, np.ndarray], np.ndarray]) -> None:
        self._source, self._change = source, change
        self.path, self.fps, self.frames = source.path, source.fps, source.frames
        self.height, self.width = next(self.read()).picture.shape[:2]

    def read(self, first: int = 0, last: int | None = None, stride: int = 1) -> Iterator[Frame]:
        """As `Source.read`."""
        for number, time, picture in self._source.read(first, last, stride):
            yield Frame(number, time, np.ascontiguousarray(self._change(number, picture)))


class WholeFrames:
    """Looks for the face in whole frames, always; with `anew`, without the last one's memory."""

    def __init__(self, provider: LandmarkProvider, anew: bool) -> None:
        self.provider, self.anew = provider, anew

    def look(self, number: int, picture: np.ndarray) -> tuple[np.ndarray | None, Mark]:
        """As `Follower.look`."""
        scale = min(WHOLE / max(picture.shape[:2]), 1.0)
        small = picture
        if scale < 1:
            small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if self.anew:
            self.provider.restart()
        faces = self.provider.follow(small)
        return (faces[0] / scale, Mark.OK) if faces else (None, Mark.NO_FACE)

    def forget(self) -> None:
        """It goes on as it is."""

    def state(self) -> np.ndarray:
        """None: [0]."""
        return np.zeros(0)

    def restore(self, state: np.ndarray) -> None:
        """There is nothing to restore."""


def shrunk_into(width: int, height: int, side: int) -> Callable[[int, np.ndarray], np.ndarray]:
    """Puts a picture, `side` px high, into a grey one."""

    def change(number: int, picture: np.ndarray) -> np.ndarray:
        scale = side / picture.shape[0]
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        large = np.full((height, width, 3), GREY, np.uint8)
        top, left = height // 5, width // 3
        large[top : top + small.shape[0], left : left + small.shape[1]] = small
        return large

    return change


def jitter(track: Track) -> tuple[float, float]:
    """Mean second difference of the landmarks, px, and of the distance between the eyes, %."""
    points = np.stack(track.points)[:, :FACE_POINTS]
    jumps = np.linalg.norm(points[2:] - 2 * points[1:-1] + points[:-2], axis=-1)
    eyes = np.nanmedian(np.linalg.norm(points[:, 33] - points[:, 263], axis=-1))
    return float(np.nanmean(jumps)), float(100 * np.nanmean(jumps) / eyes)


def _thing(at: int, size: tuple[float, float], shade: float | None) -> Callable:
    """A spot about a landmark, in face heights: black, or of skin darkened to `shade`."""

    def change(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
        face = points[:FACE_POINTS]
        x, y = face.astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < picture.shape[1]) & (y < picture.shape[0])
        skin = np.median(picture[y[inside], x[inside]], 0)
        colour = (20, 20, 22) if shade is None else tuple(float(c * shade) for c in skin)
        axes = tuple(round(float(s * np.ptp(face[:, 1]))) for s in size)
        middle = tuple(int(v) for v in face[at])
        return cv2.ellipse(picture.copy(), middle, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)

    return change


SPOILS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "a black thing before the mouth": _thing(13, (0.3, 0.22), None),
    "a black thing before the eyes": _thing(168, (0.5, 0.2), None),
    "a hand, 25 % darker, on a cheek": _thing(50, (0.28, 0.5), 0.75),
    "a hand of the face's colour before the mouth": _thing(13, (0.35, 0.25), 1.0),
    "a hand before the whole face": _thing(1, (0.6, 0.6), 0.75),
    "out of focus, 3 px": lambda picture, points: cv2.GaussianBlur(picture, (0, 0), 3),
    "out of focus, 5 px": lambda picture, points: cv2.GaussianBlur(picture, (0, 0), 5),
    "moved by 15 px": lambda picture, points: cv2.blur(picture, (15, 1)),
    "black": lambda picture, points: np.zeros_like(picture),
}


def spoiled(track: Track) -> Callable[[int, np.ndarray], np.ndarray]:
    """Spoils the last frames of every period, in turn in every way."""
    ways = list(SPOILS.values())

    def change(number: int, picture: np.ndarray) -> np.ndarray:
        if number % PERIOD < PERIOD - SPOILED or not np.isfinite(track.points[number]).all():
            return picture
        return ways[number // PERIOD % len(ways)](picture, track.points[number])

    return change


def followed(source: Source | Changed, selection: Selection, job: Job, way: str) -> Track:
    """The track of a source, found in one of the `WAYS`."""
    provider = MediaPipeFaces()
    try:
        watcher = (
            Follower(provider, source.width, source.height, None)
            if way == WINDOW
            else WholeFrames(provider, anew=way == ANEW)
        )
        return track_clip(source, selection, watcher, job)  # type: ignore[arg-type]
    finally:
        provider.close()


def marks_of(track: Track, source: Source | Changed) -> np.ndarray:
    """The marks [M] of all frames."""
    a = track.to_arrays()
    return judge(a["marks"], a["points"], a["sharpness"], a["colours"], source.width, source.height)


def main(options: Options) -> int:
    """Print both tables; the exit status."""
    source = open_source(options.clip)
    selection = Selection(0, options.frames - 1)
    with Job("tracking", quiet=True) as job:
        clips = {"as it is": source}
        clips |= {name: Changed(source, shrunk_into(*size)) for name, size in LARGE.items()}
        plain = Track()
        print("| clip | way | found | jitter, px | of the eyes' distance |\n|---|---|---|---|---|")
        for name, clip in clips.items():
            for way in WAYS if clip is source else (WHOLE_FRAMES, WINDOW):
                track = followed(clip, selection, job, way)
                plain = track if clip is source else plain
                share = np.mean(np.array(track.marks) == Mark.OK)
                told = "– | –" if share < 0.1 else "{:.3f} | {:.2f} %".format(*jitter(track))
                print(f"| {name} | {way} | {share:.1%} | {told} |", flush=True)
        marks = marks_of(plain, source)
        print(
            f"\nMarked although nothing was spoiled: {(marks != Mark.OK).sum()} of {len(marks)}\n"
        )
        changed = Changed(source, spoiled(plain))
        marks = marks_of(followed(changed, selection, job, WINDOW), changed)
    print("| spoiled by | frames | marked as |\n|---|---|---|")
    number = np.arange(len(marks))
    bad = number % PERIOD >= PERIOD - SPOILED
    for turn, name in enumerate(SPOILS):
        those = marks[bad & (number // PERIOD % len(SPOILS) == turn)]
        counts = Counter(Mark(int(mark)).key for mark in those)
        told = ", ".join(f"{key} {count}" for key, count in counts.most_common())
        print(f"| {name} | {len(those)} | {told} |")
    print(f"\nMarked between them: {(marks[~bad] != Mark.OK).sum()} of {(~bad).sum()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, description=__doc__)))
