# SPDX-License-Identifier: GPL-3.0-or-later
"""Each frame's own unknowns for a whole clip: Gauss-Newton with frames chained by smoothness.

What a frame says of itself fills a block of the matrix; second differences tie a frame to its two
neighbours on either side, unknown by unknown. The matrix is thus banded, and a step costs time in
proportion to the number of frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from .landmark_terms import Normal
from .priors import Priors, psi_ceiling
from .unknowns import JAW_TURN, OWN, PLACE, ROTATION, SIZE, Frames, Subject, turn_between

DAMPING = (1e-4, 1e4)  # least and most of a diagonal entry's share that is added to it
ENOUGH = 5e-4  # a step that lowers the cost by less than this share ends the search


class Near(Protocol):
    """What N frames show, as it counts near one guess."""

    def cost(self, frames: Frames, subject: Subject) -> Tensor:
        """[N] the penalty."""
        ...

    def normal(self, frames: Frames, subject: Subject) -> Normal:
        """The normal equations of each frame's own unknowns."""
        ...


class Term(Protocol):
    """Something seen in N frames, and how far a guess is from it."""

    def near(self, frames: Frames, subject: Subject) -> Near:
        """The same for guesses near this one."""
        ...


@dataclass(frozen=True)
class Chain:
    """What frames in a row ought to look like before they are seen."""

    priors: Priors
    even: Tensor  # [N-2] 1 where three frames follow each other, 0 where some were left out between
    one_sided: Tensor  # [E] 1 for expressions that go from 0 to 1
    most: Tensor  # [E] expressions beyond this are discouraged

    @classmethod
    def of(cls, priors: Priors, numbers: np.ndarray, names: tuple[str, ...]) -> "Chain":
        """For frames `numbers` [N] ascending of a clip, and expressions by name."""
        even = (numbers[2:] - numbers[:-2]) == 2 * (
            np.diff(numbers).min() if len(numbers) > 1 else 1
        )
        one_sided, most = psi_ceiling(names)
        return cls(priors, torch.as_tensor(even.astype(np.float64)),
                   torch.as_tensor(one_sided), torch.as_tensor(most))  # fmt: skip

    def __getitem__(self, window: slice) -> "Chain":
        """That of a window of the frames."""
        return Chain(self.priors, self.even[window.start : max(window.stop - 2, window.start)],
                     self.one_sided, self.most)  # fmt: skip

    def single(self, frames: Frames) -> tuple[Normal, Tensor]:
        """Priors that know one frame at a time, and their cost [N]."""
        p = self.priors
        psi, jaw = frames.psi.double().cpu(), frames.jaw.double().cpu()
        n, u = len(frames), OWN + psi.shape[1]
        weight, pull = psi.new_zeros(n, u), psi.new_zeros(n, u)
        below = torch.relu(-psi) * self.one_sided
        above = torch.relu(psi.abs() - self.most) * psi.sign()
        outside = ((below > 0) | (above != 0)).double()
        # What never changes belongs to the identity: the frames' mean is pulled to neutral.
        mean = psi.mean(0)
        weight[:, OWN:] = p.psi + p.psi_mean + p.negative * outside
        pull[:, OWN:] = p.psi * psi + p.psi_mean * mean + p.negative * (above - below)
        jaw_weight = jaw.new_tensor([p.jaw, p.jaw_aside, p.jaw_aside])
        shut = torch.relu(-jaw[:, :1])
        weight[:, JAW_TURN] = jaw_weight
        weight[:, JAW_TURN.start] += 1e3 * (shut[:, 0] > 0)
        pull[:, JAW_TURN] = jaw_weight * jaw
        pull[:, JAW_TURN.start] -= 1e3 * shut[:, 0]
        cost = p.psi * (psi**2).sum(1) + p.psi_mean * (mean**2).sum()
        cost = cost + p.negative * (below**2 + above**2).sum(1)
        cost = cost + (jaw_weight * jaw**2).sum(1) + 1e3 * shut[:, 0] ** 2
        return Normal(torch.diag_embed(weight), pull), cost

    def bends(self, frames: Frames, subject: Subject) -> tuple[Tensor, Tensor, Tensor]:
        """Second differences [N-2, U], their weights [N-2, U], and their cost []."""
        p = self.priors
        rotation = frames.rotation.double().cpu()
        turns = turn_between(rotation[:-1], rotation[1:])
        own = torch.cat([frames.place, frames.size[:, None], frames.jaw, frames.psi], 1)
        own = own.double().cpu()
        bend = torch.cat([turns[1:] - turns[:-1], own[2:] - 2 * own[1:-1] + own[:-2]], 1)
        weight = torch.empty_like(bend)
        weight[:, ROTATION] = p.smooth_rotation
        weight[:, PLACE] = p.smooth_place / float(subject.focal) ** 2
        weight[:, SIZE] = p.smooth_depth
        weight[:, JAW_TURN] = p.smooth_jaw
        # Lids and lips do move at once: beyond `blink` a bend counts linearly.
        square = 1 + (bend[:, OWN:] / p.blink) ** 2
        weight[:, OWN:] = p.smooth_psi * square.rsqrt()
        penalty = (weight[:, :OWN] * bend[:, :OWN] ** 2).sum(1)
        penalty = penalty + 2 * p.smooth_psi * p.blink**2 * (square.sqrt() - 1).sum(1)
        return bend, weight * self.even[:, None], (penalty * self.even).sum()

    def settle(
        self, frames: Frames, subject: Subject, terms: Sequence[Term], iterations: int,
        report: Callable[[], None], *, free: slice | None = None, held: int = 0,
    ) -> Frames:  # fmt: skip
        """The frames after Gauss-Newton steps that lower the cost.

        Args:
            frames: where to start.
            subject: what is shared, and stays.
            terms: what is seen in the same frames.
            iterations: at most.
            report: told of each.
            free: the unknowns that move; all when None.
            held: so many frames at the beginning stay where they are.
        """
        damping = DAMPING[0]
        for _ in range(iterations):
            near = [term.near(frames, subject) for term in terms]
            (single, _), seen = self.single(frames), [one.normal(frames, subject) for one in near]
            matrix = single.matrix + sum(part.matrix.cpu() for part in seen)
            gradient = single.gradient + sum(part.gradient.cpu() for part in seen)
            bend, weight, _ = self.bends(frames, subject)
            before = cost = self._cost(frames, subject, near)
            while damping < DAMPING[1]:
                try:
                    step = banded_step(matrix, gradient, bend, weight, damping, free, held)
                except np.linalg.LinAlgError:  # rounding: more damping makes it definite
                    damping *= 10
                    continue
                tried = frames.moved(step.to(frames.psi))
                lowered = self._cost(tried, subject, near)
                if lowered <= cost:
                    frames, cost = tried, lowered
                    break
                damping *= 10
            damping = max(damping / 10, DAMPING[0])
            report()
            if before - cost < ENOUGH * before:
                break
        return frames

    def _cost(self, frames: Frames, subject: Subject, near: Sequence[Near]) -> float:
        costs = [self.single(frames)[1], *(one.cost(frames, subject) for one in near)]
        return sum(float(cost.sum()) for cost in costs) + float(self.bends(frames, subject)[2])


def banded_step(
    matrix: Tensor, gradient: Tensor, bend: Tensor, weight: Tensor,
    damping: float, free: slice | None, held: int,
) -> Tensor:  # fmt: skip
    """The step [N, U] that solves the damped normal equations.

    Args:
        matrix: [N, U, U] float64, of the single frames.
        gradient: [N, U].
        bend: [N-2, U] second differences.
        weight: [N-2, U] of their squares.
        damping: added to the diagonal, as a share of it.
        free: the unknowns that may move.
        held: frames at the beginning that may not.
    """
    count, u = gradient.shape
    chosen = np.arange(u)[free or slice(None)]
    own = matrix.numpy()[:, chosen[:, None], chosen].copy()  # [N, C, C]
    right = -gradient.numpy()[:, chosen]
    c = len(chosen)
    band = np.zeros((2 * c + 1, count, c))
    tie, bent = weight.numpy()[:, chosen], bend.numpy()[:, chosen]
    places = np.arange(c)
    for share, at in ((1, 0), (-2, 1), (1, 2)):
        right[at : at + count - 2] -= share * tie * bent
        own[at : at + count - 2, places, places] += share**2 * tie
    band[c, : count - 2] += -2 * tie
    band[c, 1 : count - 1] += -2 * tie
    band[2 * c, : count - 2] += tie
    own[:, places, places] = own[:, places, places] * (1 + damping) + 1e-12
    for below in range(c):
        at = np.arange(c - below)
        band[below, :, at] += own[:, at + below, at].T
    if held:
        right[:held] = 0
        band[:, :held] = 0
        band[0, :held] = 1
    banded = band.reshape(2 * c + 1, count * c)
    solved = scipy.linalg.solveh_banded(
        banded, right.ravel(), overwrite_ab=True, overwrite_b=True, lower=True, check_finite=False
    )
    step = torch.zeros(count, u, dtype=torch.float64)
    step[:, torch.as_tensor(chosen)] = torch.as_tensor(solved.reshape(count, c))
    return step
