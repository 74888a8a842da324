# SPDX-License-Identifier: GPL-3.0-or-later
"""Face landmarks: their layout, and what whoever finds them in pictures can do.

Landmarks are MediaPipe's 468 points of the face, in its order, followed by five points of each
iris (468…472 the subject's right eye, 473…477 the left), in pixels of the clip's frames. Irises
that nobody found are not-a-number.
"""

from typing import Protocol

import numpy as np

from .marks import FACE_POINTS

POINTS = 478
SAME = 0.3  # two findings of one face overlap more than this


class LandmarkProvider(Protocol):
    """Finds faces in pictures."""

    name: str

    def find(self, picture: np.ndarray) -> np.ndarray:
        """Faces in a whole frame [H, W, 3] uint8 RGB, small ones too: boxes [F, 4] px.

        A box is left, top, right, bottom; the largest comes first.
        """
        ...

    def follow(self, picture: np.ndarray) -> list[np.ndarray]:
        """Faces in a picture [H, W, 3] of a head's surroundings: [478, 2] px each, largest first.

        Pictures come one after the other and show the same place, until `restart`.
        """
        ...

    def restart(self) -> None:
        """Forget where faces were: the next picture shows another place or time."""
        ...

    def close(self) -> None:
        """Let go of the models."""
        ...


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over the smaller box of two point sets [N, 2]."""
    low = np.maximum(a.min(0), b.min(0))
    high = np.minimum(a.max(0), b.max(0))
    shared = float(np.prod(np.clip(high - low, 0, None)))
    smaller = min(float(np.prod(np.ptp(a, axis=0))), float(np.prod(np.ptp(b, axis=0))))
    return shared / max(smaller, 1e-6)


def distinct(faces: list[np.ndarray]) -> list[np.ndarray]:
    """Faces [478, 2] px, the largest first, without second findings of the same one."""
    ordered = sorted(faces, key=lambda face: -float(np.prod(np.ptp(face[:FACE_POINTS], axis=0))))
    kept: list[np.ndarray] = []
    for face in ordered:
        if np.isfinite(face[:FACE_POINTS]).all() and all(
            overlap(face[:FACE_POINTS], other[:FACE_POINTS]) <= SAME for other in kept
        ):
            kept.append(face)
    return kept
