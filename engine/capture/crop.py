# SPDX-License-Identifier: GPL-3.0-or-later
"""One square around the head for the whole clip, so that the camera stands still.

Positions are pixels of the clip's frames; (0, 0) is the upper left corner of the upper left pixel.
"""

from dataclasses import dataclass

import cv2
import numpy as np

# How far the head with hair and neck reaches beyond the landmarks' box, in heights of that box.
ABOVE, BELOW, BESIDE = 0.6, 0.5, 0.45
FOREHEAD, CHIN = 10, 152  # MediaPipe points
WANDERS = 2.2  # the clip's square over a single frame's, from which on the head fills too little


@dataclass(frozen=True)
class Crop:
    """A square of the clip's picture, stored as `size` by `size` pixels."""

    left: int
    top: int
    side: int
    size: int

    @property
    def scale(self) -> float:
        """Stored pixels per clip pixel."""
        return self.size / self.side

    def picture(self, frame: np.ndarray) -> np.ndarray:
        """The square [size, size, 3] of a frame [H, W, 3], whose edge goes on beyond it."""
        height, width = frame.shape[:2]
        x0, y0, x1, y1 = self.left, self.top, self.left + self.side, self.top + self.side
        inside = frame[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
        pads = max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0)
        if any(pads):
            inside = cv2.copyMakeBorder(inside, *pads, cv2.BORDER_REPLICATE)
        if self.size == self.side:
            return np.ascontiguousarray(inside)
        return cv2.resize(inside, (self.size, self.size), interpolation=cv2.INTER_AREA)

    def outside(self, width: int, height: int) -> np.ndarray:
        """[size, size] bool: stored pixels that lie beyond a frame of `width` by `height`."""
        at = (np.arange(self.size) + 0.5) / self.scale
        x, y = at + self.left, at + self.top
        return ((y < 0) | (y > height))[:, None] | ((x < 0) | (x > width))[None]

    def points(self, points: np.ndarray) -> np.ndarray:
        """Clip pixels [..., 2] → stored pixels."""
        return (points - (self.left, self.top)) * self.scale

    def clip_points(self, points: np.ndarray) -> np.ndarray:
        """Stored pixels [..., 2] → clip pixels: the way back of `points`."""
        return points / self.scale + (self.left, self.top)


def choose_crop(points: np.ndarray, width: int, height: int, size: int) -> Crop:
    """The smallest square that holds head and hair in all frames, within the picture if it can.

    Args:
        points: [N, L, 2] px, the landmarks of all frames.
        width: of the clip's picture, px.
        height: of the clip's picture, px.
        size: wished for, px; never more than the square has.
    """
    low, high = head_boxes(points)
    low, high = np.maximum(low.min(0), 0), np.minimum(high.max(0), (width, height))
    side = int(np.ceil((high - low).max() / 2) * 2)
    if side >= 0.9 * max(width, height) and width == height:
        return Crop(0, 0, width, min(size, width))
    centre = (low + high) / 2
    left, top = np.floor(centre - side / 2).astype(int)
    # Shift the square into the picture where it fits; centre it where it does not.
    left = int(np.clip(left, 0, width - side)) if side <= width else (width - side) // 2
    top = int(np.clip(top, 0, height - side)) if side <= height else (height - side) // 2
    return Crop(left, top, side, min(size, side))


def head_boxes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Upper left and lower right corners [N, 2] px of heads with hair, from landmarks [N, L, 2]."""
    face = np.linalg.norm(points[:, CHIN] - points[:, FOREHEAD], axis=-1)[:, None]  # [N, 1]
    # A face seen from the side is narrower than it is high; its height alone is stable.
    low = points.min(1) - face * (BESIDE, ABOVE)
    return low, points.max(1) + face * (BESIDE, BELOW)


def wandering(points: np.ndarray, crop: Crop) -> float:
    """How many times larger the clip's square is than the heads [N, L, 2] px in it need; ≥ 1."""
    low, high = head_boxes(points)
    return max(crop.side / max(float(np.median((high - low).max(1))), 1e-6), 1.0)
