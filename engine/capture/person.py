# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of several people a capture is of."""

import re
from dataclasses import dataclass

import numpy as np

from ..errors import ClipError


@dataclass(frozen=True)
class Person:
    """Which of several people is meant, at the beginning of the clip."""

    rule: str  # largest, left, right, middle, or point
    point: tuple[float, float] = (0.5, 0.5)  # 0…1 of the picture, for `point`

    def choose(self, boxes: np.ndarray, width: int, height: int) -> int:
        """Which of the boxes [F, 4] px, left, top, right, bottom."""
        x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        u, v = self.point
        away = {
            "largest": -area, "left": x, "right": -x, "middle": np.abs(x - width / 2),
            "point": np.hypot(x - u * width, y - v * height),
        }  # fmt: skip
        return int(np.argmin(away[self.rule]))


def parse_person(text: str) -> Person | None:
    """`largest`, `left`, `right`, `middle` or `X,Y`; nothing → None, one person alone.

    Raises:
        ClipError: it is none of these.
    """
    text = text.strip().lower()
    if not text:
        return None
    if text in ("largest", "left", "right", "middle"):
        return Person(text)
    match = re.fullmatch(r"\s*([\d.]+)\s*,\s*([\d.]+)\s*", text)
    try:
        point = (float(match[1]), float(match[2])) if match else None
    except ValueError:
        point = None
    if point is None or not all(0 <= value <= 1 for value in point):
        raise ClipError(
            f"“{text}” names no person.",
            "Use largest, left, right, middle, or a point X,Y of the first frame, each 0 to 1.",
        )
    return Person("point", point)
