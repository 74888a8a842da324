# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces that exist on paper alone: frames that tell where each pixel is, and who is in them.

A frame's red and green are a pixel's x and y, its blue the frame's number. A provider that is
shown any window of it knows from the middle pixel which place of which frame it sees, and answers
with those of the faces it was told that lie there.
"""

from pathlib import Path

import numpy as np

from engine.capture.crop import CHIN, FOREHEAD
from engine.capture.video import Frame

SIDE = 240  # px
POINTS = 478


def frame(number):
    """The picture [240, 240, 3] of a frame."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    return np.stack([x, y, np.full_like(x, number)], -1).astype(np.uint8)


def landmarks(x, y, size):
    """[478, 2] px: a face about (x, y) whose box is `size` wide and high."""
    points = np.random.default_rng(0).uniform(-0.4, 0.4, (POINTS, 2)) * size + (x, y)
    points[:4] = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]]) * size / 2 + (x, y)
    points[FOREHEAD], points[CHIN] = (x, y - size / 2), (x, y + size / 2)
    return points.astype(np.float32)


class PaperSource:
    """A source of such frames."""

    path, fps, width, height = Path("paper.mp4"), 25.0, SIDE, SIDE

    def __init__(self, frames):
        self.frames = frames

    def read(self, first=0, last=None, stride=1):
        end = self.frames if last is None else min(last + 1, self.frames)
        for number in range(first, end, stride):
            yield Frame(number, number / self.fps, frame(number))


class PaperProvider:
    """Finds the faces of a script: for each frame a list of x, y, size."""

    name = "paper"

    def __init__(self, script):
        self.script, self.starts, self.looks = script, 0, 0

    def find(self, picture):
        boxes = [(x - s / 2, y - s / 2, x + s / 2, y + s / 2)
                 for x, y, s in self.script[int(picture[0, 0, 2])]]  # fmt: skip
        return np.array(sorted(boxes, key=lambda b: b[0] - b[2]), float).reshape(-1, 4)

    def follow(self, picture):
        self.looks += 1
        side = len(picture)
        x, y, number = picture[side // 2, side // 2].astype(int)
        corner = np.array([x, y]) - side // 2
        faces = [landmarks(*face) - corner for face in self.script[number]]
        seen = [f for f in faces if (f.mean(0) > 0).all() and (f.mean(0) < side).all()]
        return sorted(seen, key=lambda f: -np.ptp(f))

    def restart(self):
        self.starts += 1

    def close(self):
        pass
