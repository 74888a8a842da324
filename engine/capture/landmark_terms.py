# SPDX-License-Identifier: GPL-3.0-or-later
"""The landmarks' share of the cost, as weighted least squares about the present guess.

Charbonnier's penalty is minimised by iterated reweighting: each landmark counts less the farther
it lies off. The width of a gap, across the eye slit or between the lips, is a row of its own: it
tells a blink from a misplaced eye.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..cores import each
from .landmark_rows import Points
from .priors import GAPS, Priors, landmark_weights
from .unknowns import Frames, Subject

CHUNK = 16  # frames whose derivatives are in memory at once, on each core


@dataclass(frozen=True)
class Normal:
    """Normal equations: a step changes the cost by 2 gradient · step + step · matrix · step."""

    matrix: Tensor  # [N, U, U] float64
    gradient: Tensor  # [N, U] float64


@dataclass(frozen=True)
class LandmarkTerms:
    """The landmarks of N frames and how much each of them counts."""

    points: Points
    seen: Tensor  # [N, L, 2] px from the principal point
    weights: Tensor  # [L], mean 1; 0 for landmarks that the model lacks
    priors: Priors

    @classmethod
    def of(cls, points: Points, seen: Tensor, priors: Priors) -> "LandmarkTerms":
        """The usual weights: lips and eyelids count for more."""
        weights = torch.as_tensor(landmark_weights(), device=seen.device, dtype=seen.dtype)
        known = points.head.known
        weights = weights * known
        return cls(points, seen, weights / weights.mean(), priors)

    def __getitem__(self, chosen: object) -> "LandmarkTerms":
        """Those of some of the frames."""
        return LandmarkTerms(self.points, self.seen[chosen], self.weights, self.priors)

    def near(self, frames: Frames, subject: Subject) -> "LandmarkTerms":
        """The same for guesses near this one: landmarks count wherever they are."""
        return self

    def miss(self, frames: Frames, subject: Subject) -> Tensor:
        """[N, L, 2] percent of the outer-eye distance."""
        view = self.points.view(frames, subject)
        return (view.pixels - self.seen) / view.percent[:, None, None]

    def cost(self, frames: Frames, subject: Subject) -> Tensor:
        """[N], the robust penalty of the landmarks and the gaps."""
        return self._cost_of(self.miss(frames, subject)).double()

    def normal(self, frames: Frames, subject: Subject) -> Normal:
        """The normal equations of each frame's own unknowns."""

        def part(start: int) -> tuple[Tensor, Tensor]:
            chunk = slice(start, start + CHUNK)
            view, slopes = self.points.derivatives(frames[chunk], subject)
            percent = view.percent[:, None, None]
            miss = (view.pixels - self.seen[chunk]) / percent
            rows, values = self.rows(miss, slopes / percent[..., None])
            across = rows.transpose(1, 2)
            gradient = (across @ values[..., None])[..., 0]
            return across @ rows, gradient

        parts = each(part, range(0, len(frames), CHUNK))
        return Normal(*(torch.cat(part).double() for part in zip(*parts, strict=True)))

    def arrow_rows(self, frames: Frames, subject: Subject) -> tuple[Tensor, Tensor]:
        """Weighted rows [N, R, U + B + 1] and values [N, R], shared unknowns last."""
        view, slopes = self.points.derivatives(frames, subject, shared=True)
        percent = view.percent[:, None, None]
        return self.rows((view.pixels - self.seen) / percent, slopes / percent[..., None])

    def rows(self, miss: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted rows of the least-squares problem.

        Args:
            miss: [N, L, 2] percent.
            slopes: [N, L, 2, C] percent per unit of the unknowns.

        Returns:
            Rows [N, R, C] and values [N, R].
        """
        upper, lower, known = self._gaps()
        gap, gap_slopes = miss[:, upper] - miss[:, lower], slopes[:, upper] - slopes[:, lower]
        weight = (self.weights / len(self.weights) * self.trust(miss)).sqrt()[..., None]
        gap_weight = (self.priors.gap * known * self.trust(gap)).sqrt()[..., None]
        rows = torch.cat([slopes * weight[..., None], gap_slopes * gap_weight[..., None]], 1)
        values = torch.cat([miss * weight, gap * gap_weight], 1)
        return rows.flatten(1, 2), values.flatten(1, 2)

    def _cost_of(self, miss: Tensor) -> Tensor:
        upper, lower, known = self._gaps()
        gaps = self._penalty(miss[:, upper] - miss[:, lower]) * known
        return (self.weights * self._penalty(miss)).mean(1) + self.priors.gap * gaps.sum(1)

    def _gaps(self) -> tuple[Tensor, Tensor, Tensor]:
        """Upper and lower points, and 1 where the model has both."""
        gaps = torch.tensor(GAPS, device=self.weights.device)
        known = (self.weights[gaps] > 0).all(1)
        return gaps[:, 0], gaps[:, 1], known.to(self.weights.dtype)

    def trust(self, miss: Tensor) -> Tensor:
        """What is left of a row's weight, in 0…1."""
        return (1 + (miss * miss).sum(-1) / self.priors.robust**2).rsqrt()

    def _penalty(self, miss: Tensor) -> Tensor:
        """Charbonnier's penalty of vectors [..., 2]: their square, linear from `robust` on."""
        scale = self.priors.robust**2
        return 2 * scale * ((1 + (miss * miss).sum(-1) / scale).sqrt() - 1)
