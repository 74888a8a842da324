# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline: a strip with one column per frame, coloured by what the frame was good for."""

from pathlib import Path

import cv2
import numpy as np

from ..files import write_atomic
from .marks import Mark

COLOURS = {
    Mark.OK: (86, 166, 98), Mark.NO_FACE: (70, 70, 78), Mark.BLURRED: (233, 188, 74),
    Mark.COVERED: (197, 92, 60), Mark.OUTSIDE: (84, 140, 208), Mark.SECOND_PERSON: (158, 98, 186),
    Mark.NOT_FITTED: (222, 122, 158),
}  # fmt: skip
WORDS = {
    Mark.OK: "used", Mark.NO_FACE: "no face", Mark.BLURRED: "blurred", Mark.COVERED: "covered",
    Mark.OUTSIDE: "cut by the edge", Mark.SECOND_PERSON: "second person",
    Mark.NOT_FITTED: "not fitted",
}  # fmt: skip
LEAST_WIDTH = 1120  # px of the strip
STRIP, MARGIN, TEXT = 56, 24, 0.5
INK, PAPER = (40, 40, 44), 255


def write_timeline(path: Path, numbers: np.ndarray, marks: np.ndarray) -> None:
    """Write the strip as a PNG file.

    Args:
        path: of the file.
        numbers: [M] ascending frame numbers.
        marks: [M] `Mark` values.

    Raises:
        SpaceError: it could not be written.
    """
    done, data = cv2.imencode(".png", draw_timeline(numbers, marks)[..., ::-1])
    assert done
    write_atomic(path, lambda temporary: temporary.write_bytes(data.tobytes()) and None)


def draw_timeline(numbers: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """The strip with its legend and frame numbers: [H, W, 3] uint8 RGB."""
    column = max(-(-LEAST_WIDTH // len(marks)), 1)  # px
    palette = np.zeros((len(Mark), 3), np.uint8)
    for mark, colour in COLOURS.items():
        palette[mark] = colour
    strip = np.repeat(np.repeat(palette[marks][None], STRIP, 0), column, 1)
    height, width = 150, strip.shape[1] + 2 * MARGIN
    picture = np.full((height, width, 3), PAPER, np.uint8)
    top = 52
    picture[top : top + STRIP, MARGIN:-MARGIN] = strip
    _legend(picture, marks)
    step = _round_step(int(numbers[-1] - numbers[0]))
    for number in range(-(-int(numbers[0]) // step) * step, int(numbers[-1]) + 1, step):
        x = MARGIN + int((np.searchsorted(numbers, number) + 0.5) * column)
        cv2.line(picture, (x, top + STRIP), (x, top + STRIP + 6), INK, 1)
        _write(picture, str(number), x - 4 * len(str(number)), top + STRIP + 22)
    return picture


def _legend(picture: np.ndarray, marks: np.ndarray) -> None:
    x = MARGIN
    counts = np.bincount(marks, minlength=len(Mark))
    for mark in Mark:
        if counts[mark] == 0 and mark != Mark.OK:
            continue
        words = f"{WORDS[mark]}  {counts[mark]}"
        cv2.rectangle(picture, (x, 18), (x + 14, 32), COLOURS[mark], -1)
        _write(picture, words, x + 21, 30)
        x += 45 + cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, TEXT, 1)[0][0]


def _write(picture: np.ndarray, words: str, x: int, y: int) -> None:
    cv2.putText(picture, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, TEXT, INK, 1, cv2.LINE_AA)


def _round_step(span: int) -> int:
    """A step of 1, 2 or 5 times a power of ten that makes about ten of the span."""
    power = 10 ** max(int(np.floor(np.log10(max(span, 1) / 10))), 0)
    return next(step * power for step in (1, 2, 5, 10) if span / (step * power) <= 12)
