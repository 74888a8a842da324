# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of the head that ought to lie on the edge of the person's mask, and what they cost.

Which points those are was chosen for one guess (`OutlineTerms.near`) and holds for others near it,
so that a step lowers a cost that does not change under it. N frames, a few of them in each part,
R points in a part.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..cores import each
from .landmark_rows import Points, View
from .landmark_terms import Normal
from .priors import Priors
from .unknowns import OWN, RIGID, Frames, Subject

FEW = 8  # frames in a part: the more, the more points are on the rim of one of them
FAR = 15.0  # percent of the eye distance off the outline where hair is hardly looked for


@dataclass(frozen=True)
class Masks:
    """The person's masks in N frames, as distances to their edge."""

    maps: Tensor  # [N, 1, size, size] stored px outside the mask, negative inside
    corner: Tensor  # [2] px from the principal point, of the square that they cover
    side: float  # px of the clip, the square's

    def __getitem__(self, chosen: object) -> "Masks":
        """Those of some of the frames."""
        return replace(self, maps=self.maps[chosen])

    @property
    def step(self) -> float:
        """Px of the clip in a stored one."""
        return self.side / self.maps.shape[-1]

    def distance(self, pixels: Tensor) -> Tensor:
        """How far points [N, S, 2] px lie outside the mask [N, S] px."""
        at = (pixels - self.corner) / self.side * 2 - 1
        # Beyond the picture nothing is known: its border says whether the person goes on.
        found = functional.grid_sample(
            self.maps.to(at), at[:, None], padding_mode="border", align_corners=False
        )
        return found[:, 0, 0] * self.step

    def slope(self, pixels: Tensor) -> Tensor:
        """How the distance changes with the points' places [N, S, 2]."""
        slopes = []
        for shift in pixels.new_tensor([[self.step, 0], [0, self.step]]):
            ahead, behind = (self.distance(pixels + sign * shift) for sign in (1, -1))
            slopes.append((ahead - behind) / (2 * self.step))
        return torch.stack(slopes, -1)


@dataclass(frozen=True)
class RimPart:
    """A few frames' points."""

    which: np.ndarray  # [R] of the outline's points
    points: Points
    hair: Tensor  # [R, 3] m, by which they stand off the skin
    masks: Masks
    weight: Tensor  # [n, R]

    def of(self, subject: Subject) -> Subject:
        """The subject that these points are seen of."""
        return wearing(subject, self.hair, self.points)

    def miss(self, view: View) -> Tensor:
        """Percent of the eye distance beyond the edge [n, R]."""
        return self.masks.distance(view.pixels) / view.percent[:, None]

    def slope(self, view: View) -> Tensor:
        """Of the miss, per px [n, R, 2]."""
        return self.masks.slope(view.pixels) / view.percent[:, None, None]


def wearing(subject: Subject, hair: Tensor, points: Points) -> Subject:
    """The subject with hair [R, 3] m in place of the landmarks' offsets: these are other points."""
    return replace(subject, beta=subject.beta[: len(points.head.identities)], offset=hair)


@dataclass(frozen=True)
class Rim:
    """What the outlines of N frames cost near one guess."""

    parts: tuple[RimPart, ...]
    priors: Priors

    def __getitem__(self, chosen: slice) -> "Rim":
        """That of frames in a row, from the first one of a part on."""
        return replace(self, parts=self.parts[chosen.start // FEW : -(-chosen.stop // FEW)])

    def cost(self, frames: Frames, subject: Subject) -> Tensor:
        """[N], the robust penalty."""
        scale = self.priors.robust**2

        def cost(its: tuple[RimPart, Frames]) -> Tensor:
            part, some = its
            miss = part.miss(part.points.view(some, part.of(subject)))
            penalty = 2 * scale * ((1 + miss**2 / scale).sqrt() - 1)
            return (part.weight * penalty).sum(1)

        return torch.cat(each(cost, self._parts(frames))).double()

    def arrow_rows(self, frames: Frames, subject: Subject) -> tuple[Tensor, Tensor]:
        """Weighted rows [N, R, U + B + 1] and values [N, R], shared unknowns last."""
        slopes, values = [], []
        for part, some in self._parts(frames):
            view, seen = part.points.derivatives(some, part.of(subject), shared=True)
            miss = part.miss(view)
            weight = self._trusted(part, miss).sqrt()
            slope = torch.einsum("nri,nric->nrc", part.slope(view), seen)
            slopes.extend(slope * weight[..., None])
            values.extend(miss * weight)
        return pad_sequence(slopes, batch_first=True), pad_sequence(values, batch_first=True)

    def normal(self, frames: Frames, subject: Subject) -> Normal:
        """The normal equations of each frame's own unknowns: the outline is that of a rigid head.

        A face that talks changes it, too, but too little to be told by it.
        """

        def normal(its: tuple[RimPart, Frames]) -> tuple[Tensor, Tensor]:
            part, some = its
            view = part.points.view(some, part.of(subject))
            miss, slopes = part.miss(view), part.points.rigid(view, some, part.of(subject))
            weight = self._trusted(part, miss).sqrt()
            slopes = torch.einsum("nri,nric->nrc", part.slope(view), slopes) * weight[..., None]
            gradient = torch.einsum("nrc,nr->nc", slopes, miss * weight)
            return slopes.transpose(1, 2) @ slopes, gradient

        found = each(normal, self._parts(frames))
        matrix, gradient = (torch.cat(part).double() for part in zip(*found, strict=True))
        count, unknowns = len(frames), OWN + frames.psi.shape[1]
        whole = Normal(
            matrix.new_zeros(count, unknowns, unknowns), matrix.new_zeros(count, unknowns)
        )
        whole.matrix[:, RIGID, RIGID] = matrix
        whole.gradient[:, RIGID] = gradient
        return whole

    def along(
        self, direction: np.ndarray, frames: Frames, subject: Subject
    ) -> tuple[np.ndarray, np.ndarray]:
        """Curvature and half the slope [S] of the cost as the points move along [S, 3]."""
        curvature, gradient = np.zeros((2, len(direction)))
        for part, some in self._parts(frames):
            view, by_rest = part.points.by_rest(some, part.of(subject))
            moved = by_rest @ torch.as_tensor(direction[part.which]).to(by_rest)[:, :, None]
            miss, slope = part.miss(view), (part.slope(view) * moved[..., 0]).sum(-1)
            weight = part.weight / (1 + (miss / FAR) ** 2) ** 2
            curvature[part.which] += (weight * slope**2).sum(0).double().cpu().numpy()
            gradient[part.which] += (weight * slope * miss).sum(0).double().cpu().numpy()
        return curvature, gradient

    def _parts(self, frames: Frames) -> Iterator[tuple[RimPart, Frames]]:
        starts = range(0, len(frames), FEW)
        for part, start in zip(self.parts, starts, strict=True):
            yield part, frames[start : start + FEW]

    def _trusted(self, part: RimPart, miss: Tensor) -> Tensor:
        """Weights [n, R] of what is left of them where a miss is large."""
        return part.weight * (1 + (miss / self.priors.robust) ** 2).rsqrt()
