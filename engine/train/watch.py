# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether training is still sane, and the way back when it is not.

Three ways to fail are watched for: numbers that are not finite, a scene that has emptied (the head
is not there), and one that has filled with fog (the background is covered). Each is noticed within
some tens of steps; training then goes back to its last good checkpoint with halved rates.
"""

import math

from torch import Tensor

from ..errors import PartNerFaceError

FRESH = 0.05  # weight of the newest step in the running means: about twenty steps
PATIENCE = 60  # steps that a scene may look wrong, as in its beginning
FULL, BARE = 0.9, 0.1  # mattes above and below which a pixel is head, or background
EMPTY = 0.05  # mean alpha of the head's pixels below which the scene has emptied
FOG = 0.9  # mean alpha of the background's pixels above which fog has filled it
SLOWER = 0.5  # factor of all rates after a way back
TRIES = 4


class DivergedError(PartNerFaceError):
    """Training fails again and again, with ever lower rates."""

    code = "diverged"


class Watch:
    """Looks at every step; `trouble` says in a few words what is wrong, or is empty."""

    def __init__(self) -> None:
        self.trouble = ""
        self._head = self._background = math.nan
        self._wrong = 0  # steps in a row that looked wrong

    def observe(self, loss: float, alpha: Tensor, matte: Tensor) -> str:
        """Take one step's loss, and its rays' alpha [R] and true coverage [R]; the trouble."""
        if not math.isfinite(loss):
            self.trouble = "the loss is not finite"
            return self.trouble
        self._head = _mean(self._head, alpha, matte > FULL)
        self._background = _mean(self._background, alpha, matte < BARE)
        empty, fog = self._head < EMPTY, self._background > FOG
        self._wrong = self._wrong + 1 if empty or fog else 0
        if self._wrong > PATIENCE:
            self.trouble = "the scene is empty" if empty else "the scene is full of fog"
        return self.trouble

    @property
    def healthy(self) -> bool:
        """Whether the latest step looked right: what is saved now may be gone back to."""
        return not self.trouble and self._wrong == 0


def _mean(old: float, alpha: Tensor, chosen: Tensor) -> float:
    if not bool(chosen.any()):
        return old
    new = float(alpha.detach()[chosen].mean())
    return new if math.isnan(old) else old + FRESH * (new - old)


def slowed(rate: float, trouble: str, tries: int) -> float:
    """The factor of all rates after the way back number `tries` + 1.

    Raises:
        DivergedError: it has been tried often enough.
    """
    if tries >= TRIES:
        raise DivergedError(
            f"Training failed {tries + 1} times, the last time because {trouble}.",
            "Look at the capture's overlay: the mattes or the tracking may be wrong.",
        )
    return rate * SLOWER
