# SPDX-License-Identifier: GPL-3.0-or-later
"""One person's landmarks through a whole clip, kept in chunks while they are found.

A chunk is a fixed number of frames. At its end whoever looks for the face forgets all but a few
numbers, which are kept with it: a run that goes on from any chunk gives the same bytes as one that
was never stopped.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ..errors import ClipError
from ..jobs import Job
from .folder import MIN_FRAMES
from .landmarks import POINTS
from .marks import FACE_POINTS, Mark, judge, measure
from .source import Selection, Source
from .stages import Chunks

CHUNK = 64  # frames; a second or two of work
SHORT = 0.02  # of the frames that the file promises; fewer missing ones are a matter of counting

SAME_RATE = 0.02  # of a frame rate; times are told in milliseconds


class Watcher(Protocol):
    """Tells where the person's face is in one frame after the other."""

    def look(self, number: int, picture: np.ndarray) -> tuple[np.ndarray | None, Mark]:
        """Landmarks [478, 2] px of frame `number`, if the person is there."""
        ...

    def forget(self) -> None:
        """From here on depend on `state` alone."""
        ...

    def state(self) -> np.ndarray:
        """What is needed to go on: [S] float64."""
        ...

    def restore(self, state: np.ndarray) -> None:
        """Undo `state`."""
        ...


@dataclass
class Track:
    """What was seen in the M frames looked at so far, one entry each."""

    numbers: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)  # s
    marks: list[int] = field(default_factory=list)  # `Mark` values
    points: list[np.ndarray] = field(default_factory=list)  # [478, 2] float32 px
    sharpness: list[float] = field(default_factory=list)
    colours: list[np.ndarray] = field(default_factory=list)  # [468, 3] uint8
    complete: bool = False

    def add(
        self, number: int, time: float, mark: Mark, points: np.ndarray | None, picture: np.ndarray
    ) -> None:
        """Note what frame `number` showed."""
        nothing = np.full((POINTS, 2), np.nan, np.float32)
        sharpness, colours = 0.0, np.zeros((FACE_POINTS, 3), np.uint8)
        if points is not None:
            sharpness, colours = measure(picture, points)
        self.numbers.append(number)
        self.times.append(time)
        self.marks.append(int(mark))
        self.points.append(nothing if points is None else points.astype(np.float32))
        self.sharpness.append(sharpness)
        self.colours.append(colours)

    def to_arrays(self, first: int = 0) -> dict[str, np.ndarray]:
        """Entries from `first` on, as a file holds them."""
        return {
            "numbers": np.asarray(self.numbers[first:], np.int64),
            "times": np.asarray(self.times[first:], np.float64),
            "marks": np.asarray(self.marks[first:], np.uint8),
            "points": np.asarray(self.points[first:], np.float32).reshape(-1, POINTS, 2),
            "sharpness": np.asarray(self.sharpness[first:], np.float64),
            "colours": np.asarray(self.colours[first:], np.uint8).reshape(-1, FACE_POINTS, 3),
            "complete": np.array(self.complete),
        }

    def extend(self, arrays: dict[str, np.ndarray]) -> None:
        """Append what `to_arrays` gave; KeyError where something is missing."""
        for name in ("numbers", "times", "marks", "sharpness"):
            getattr(self, name).extend(arrays[name].tolist())
        self.points.extend(arrays["points"])
        self.colours.extend(arrays["colours"])
        self.complete = bool(arrays["complete"])


@dataclass(frozen=True)
class Usable:
    """The frames that show the face well: N of the M that were looked at."""

    frames: list[int]  # numbers
    times: np.ndarray  # [N] s
    points: np.ndarray  # [N, 478, 2] float32 px
    numbers: np.ndarray  # [M] of all frames looked at
    marks: np.ndarray  # [M] `Mark` values

    @property
    def seen(self) -> int:
        """How many frames were looked at."""
        return len(self.numbers)

    def fps(self, told: float) -> float:
        """Frames a second: what the source told, unless the frames' times have another mean.

        Files of varying rate tell the rate that they were meant for, or the ticks of their clock.
        """
        seconds = float(self.times[-1] - self.times[0])
        found = (self.frames[-1] - self.frames[0]) / seconds if seconds > 0 else told
        return told if abs(found - told) < SAME_RATE * told else found

    def with_misfits(self, fitted: np.ndarray) -> np.ndarray:
        """The marks [M], with those usable frames that were not `fitted` [N] bool."""
        marks = self.marks.copy()
        marks[np.flatnonzero(marks == Mark.OK)[~fitted]] = Mark.NOT_FITTED
        return marks


def track_clip(
    source: Source, selection: Selection, watcher: Watcher, job: Job, chunks: Chunks | None = None
) -> Track:
    """What the selected frames show, from where the kept chunks end.

    Nothing is kept before a capture's least number of faces has been found.

    Raises:
        ClipError: two faces, or frames that the source does not have; nothing is kept then.
        Cancelled: what was found until the last chunk is kept.
    """
    track, saved = Track(), 0
    for arrays in chunks.read() if chunks else []:
        track.extend(arrays)
        watcher.restore(arrays["state"])
        saved = len(track.numbers)
    if track.complete:
        return track
    total = selection.count(source.frames)
    found = sum(mark == Mark.OK for mark in track.marks)
    start = track.numbers[-1] + selection.stride if saved else selection.first
    try:
        for number, time, picture in source.read(start, selection.last, selection.stride):
            points, mark = watcher.look(number, picture)
            track.add(number, time, mark, points, picture)
            found += mark == Mark.OK
            seen = len(track.numbers)
            if seen % CHUNK == 0:
                watcher.forget()
                if chunks and found >= MIN_FRAMES:
                    chunks.add({**track.to_arrays(saved), "state": watcher.state()})
                    saved = seen
            job.update("Finding the face", seen, max(total, seen), found=str(found))
    except ClipError:
        if chunks:
            chunks.discard()
        raise
    track.complete = True
    if chunks and found >= MIN_FRAMES:
        chunks.add({**track.to_arrays(saved), "state": watcher.state()})
    return track


def usable(track: Track, source: Source, selection: Selection) -> Usable:
    """The frames to make a head of.

    Raises:
        ClipError: there are too few of them; the sentence says what is wrong with most others.
    """
    if not track.numbers:
        raise ClipError(
            f"{source.path} has no frame {selection.first}.", "Choose frames that the clip has."
        )
    a = track.to_arrays()
    marks = judge(a["marks"], a["points"], a["sharpness"], a["colours"],
                  source.width, source.height)  # fmt: skip
    good = marks == Mark.OK
    if good.sum() < MIN_FRAMES:
        raise _too_few(source, marks)
    points = a["points"][good]
    return Usable(a["numbers"][good].tolist(), a["times"][good], points, a["numbers"], marks)


_WAYS_OUT = {
    Mark.NO_FACE: "Film one head, well lit, upright, and filling much of the picture.",
    Mark.BLURRED: "Use a steadier or sharper clip, with more light.",
    Mark.COVERED: "Keep hands and things away from the face.",
    Mark.OUTSIDE: "Keep the whole face in the picture.",
    Mark.SECOND_PERSON: "Film one person, or crop the clip to one.",
}
WORDS = {
    Mark.NO_FACE: "without a face", Mark.BLURRED: "blurred", Mark.COVERED: "covered",
    Mark.OUTSIDE: "cut by the picture's edge", Mark.SECOND_PERSON: "with a second person near",
    Mark.NOT_FITTED: "that could not be fitted",
}  # fmt: skip


def _too_few(source: Source, marks: np.ndarray) -> ClipError:
    counts = Counter(Mark(int(mark)) for mark in marks)
    good = counts.pop(Mark.OK, 0)
    longer = "Use a longer clip or more of its frames, with the face in view."
    if not counts:
        return ClipError(
            f"Only {good} of {len(marks)} frames show a usable face; "
            f"at least {MIN_FRAMES} are needed.",
            longer,
        )
    worst, often = counts.most_common(1)[0]
    if worst == Mark.NO_FACE and often == len(marks):
        return ClipError(f"No face was found in {source.path}.", _WAYS_OUT[worst])
    return ClipError(
        f"Only {good} of {len(marks)} frames show a usable face ({listed(counts)}); "
        f"at least {MIN_FRAMES} are needed.",
        _WAYS_OUT[worst] if often > len(marks) / 2 else longer,
    )


def listed(counts: Counter) -> str:
    """`12 blurred, 3 without a face`."""
    return ", ".join(f"{count} {WORDS[mark]}" for mark, count in counts.most_common())


def remarks(
    source: Source, selection: Selection, numbers: np.ndarray, marks: np.ndarray
) -> list[str]:
    """Sentences about what was left out, for whoever filmed it."""
    said = []
    promised = selection.count(source.frames)
    missing = promised - len(numbers)
    if missing > max(SHORT * promised, 2):
        said.append(
            f"{source.path.name} breaks off or is damaged: of {promised} frames only "
            f"{len(numbers)} could be read."
        )
    counts = Counter(Mark(int(mark)) for mark in marks if mark != Mark.OK)
    if counts:
        said.append(f"Left out of {len(marks)} frames: {listed(counts)}.")
    return said
