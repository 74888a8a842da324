# SPDX-License-Identifier: GPL-3.0-or-later
"""What a viewport would like to see of one avatar, and the steps in which it comes.

Words: a *wish* is one avatar with one set of parameters through one camera. Its *rungs* are climbed
one after the other: coarse at once, then as many pixels as are shown, then the quality that was
chosen. Nothing here knows of Blender.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

WORTH_IT = 1.5  # times the coarse picture's side: where less is shown, the fine one comes at once
AT_ONCE_S = (0.07, 0.12)  # what a coarse picture may take: less can be finer, more is too fine
LEAST, FIRST, MOST = 64, 96, 256  # px along a coarse picture's side; fewer would save nothing
STEP = 1.25  # by which it changes
CAREFUL = 20  # pictures that come before a side that was too slow is tried again


@dataclass(frozen=True)
class Rung:
    """One step of refinement."""

    side: int  # px, the longest side of its picture
    quality: str


class Pace:
    """How many pixels a coarse picture may have on this machine, with what else runs on it."""

    def __init__(self) -> None:
        self.side = FIRST  # px
        self._limit, self._since = MOST, 0  # px; pictures since it was set

    def learn(self, side: int, seconds: float) -> None:
        """Take in how long a picture of `side` px took."""
        quick, slow = AT_ONCE_S
        self._since += 1
        if self._since > CAREFUL:
            self._limit = MOST
        if seconds > slow:
            self.side = max(round(self.side / STEP), LEAST)
            self._limit, self._since = self.side, 0
        elif seconds < quick and side >= self.side:
            self.side = min(round(self.side * STEP), self._limit)


@dataclass(frozen=True)
class Wish:
    """One avatar as one viewport would like to see it."""

    path: Path  # of the avatar file
    camera: dict  # as the engine takes it, in the viewport's own pixels
    psi: np.ndarray  # [E]
    theta: np.ndarray  # [J, 3]
    translation: np.ndarray  # [3]
    rungs: tuple[Rung, ...]
    placing: object = None  # where its pictures belong in the scene; see `pictures.Placing`
    key: bytes = field(init=False)  # equal for wishes whose last pictures are the same

    def __post_init__(self) -> None:
        camera = sorted((name, np.round(np.asarray(x, np.float64), 9).tolist())
                        for name, x in self.camera.items())  # fmt: skip
        digest = hashlib.sha256(repr((str(self.path), camera, self.rungs[-1])).encode())
        for array in (self.psi, self.theta, self.translation):
            digest.update(np.ascontiguousarray(array, np.float32).tobytes())
        object.__setattr__(self, "key", digest.digest())


def ladder(shown_side: int, largest_side: int, quality: str, coarse_side: int) -> tuple[Rung, ...]:
    """The rungs for an avatar that takes `shown_side` px of the viewport.

    Each rung costs more than the one before; rungs that would show nothing new are left out.
    """
    fine = max(1, min(shown_side, largest_side))
    coarse = coarse_side if fine > WORTH_IT * coarse_side else fine
    steps = [Rung(coarse, "preview"), Rung(fine, "preview"), Rung(fine, quality)]
    return tuple(step for n, step in enumerate(steps) if step not in steps[:n])


def at_side(camera: dict, side: int) -> dict:
    """The same view in fewer pixels: `side` px at most along the longest side."""
    width, height = camera["width"], camera["height"]
    shrink = min(1.0, side / max(width, height))
    x, y = max(1, round(width * shrink)) / width, max(1, round(height * shrink)) / height
    return camera | {
        "width": round(width * x),
        "height": round(height * y),
        "fx": camera["fx"] * x,
        "fy": camera["fy"] * y,
        "cx": camera["cx"] * x,
        "cy": camera["cy"] * y,
    }
