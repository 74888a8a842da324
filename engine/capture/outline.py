# SPDX-License-Identifier: GPL-3.0-or-later
"""The person's outline: it holds what has no landmarks, cranium and ears, and steadies the pose.

The head must lie inside the person's mask. Its rim, the points of it that stand farthest out in
the picture, is drawn to the mask's edge from inside too: a head, with its hair, fills its outline.
In a frame that is turned the rim is the profile of brow, cheek and jaw: it says what landmarks
leave open, how far the head nods. The penalty is robust: mattes err, and hair flies. N frames, S
points of face, scalp and ears.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..head.model import HeadModel, Landmarks
from .crop import Crop
from .landmark_head import LandmarkHead
from .landmark_rows import Points, View
from .landmark_terms import Normal
from .priors import Priors
from .unknowns import OWN, RIGID, Frames, Subject

MASK_SIZE, SIZE = 256, 128  # px the masks are looked at, and their distances kept at
HAIR = 0.004  # m between skull and outline, until it is known better (`hair`)
FAR = 15.0  # percent of the eye distance off the skull's outline where hair is hardly looked for
EVERY = 6  # of so many points one is asked whether it lies outside
MANY, FEW = 64, 8  # frames looked at at once; the more, the more points are on the rim of one
DIRECTIONS = 48  # about the skull's middle, for each of which one point is on the rim
DOWNWARDS = (
    -0.3
)  # directions lower than this (cosine to the head's up) have no rim: there is a neck


@dataclass(frozen=True)
class Outlines:
    """The person's masks in all frames, as distances."""

    outside: np.ndarray  # [N, size, size] float16, stored px to the mask's edge, negative inside
    crop: Crop  # where the masks lie in the clip's picture


@dataclass(frozen=True)
class OutlineTerms:
    """The outlines' share of the cost."""

    points: Points
    vertices: np.ndarray  # [S] the head model's that are the points
    hair: Tensor  # [S, 3] m, by which the outline stands off the skin
    maps: Tensor  # [N, 1, size, size] stored px outside the mask, negative inside
    corner: Tensor  # [2] px from the principal point, the crop's
    side: float  # px of the clip
    priors: Priors

    @classmethod
    def of(
        cls, outlines: Outlines, model: HeadModel, face: Points, centre: Tensor, priors: Priors
    ) -> "OutlineTerms":
        """For masks of every frame; `centre` [2] px is the principal point."""
        vertices = model.mean.vertices_in("face", "scalp", "ear")
        head = LandmarkHead.of(model, points_at(vertices), centre.device)
        points = Points(head, face.middle, face.eye_distance)
        maps = torch.as_tensor(outlines.outside, device=centre.device)
        corner = centre.new_tensor([outlines.crop.left, outlines.crop.top]) - centre
        none = torch.zeros_like(points.head.mean.vertices)
        side = float(outlines.crop.side)
        made = cls(points, vertices, none, maps[:, None], corner, side, priors)
        usual = np.zeros(len(model.mean.vertices), np.float32)
        usual[model.mean.vertices_in("scalp")] = HAIR
        return made.with_hair(usual, outwards(model))

    def __getitem__(self, chosen: object) -> "OutlineTerms":
        """Those of some of the frames."""
        return replace(self, maps=self.maps[chosen])

    def tensor(self, array: np.ndarray) -> Tensor:
        """An array like the points."""
        return torch.as_tensor(array).to(self.points.head.mean.vertices)

    def with_hair(self, hair: np.ndarray, direction: np.ndarray) -> "OutlineTerms":
        """The same with vertices that stand `hair` [V] m off the skin along `direction` [V, 3]."""
        off = hair[self.vertices, None] * direction[self.vertices]
        return replace(self, hair=self._tensor(off))

    def settled(self, subject: Subject) -> "OutlineTerms":
        """The same for one identity, whose points need not be found for every look."""
        head = self.points.head.settled(subject.beta)
        return replace(self, points=replace(self.points, head=head))

    def cost(self, frames: Frames, subject: Subject) -> Tensor:
        """[N], the robust penalty."""
        costs, scale = [], self.priors.robust**2
        for part, some in self._chunks(frames, MANY):
            view = part.points.view(some, part._of(subject))
            miss, weight = part._miss(view, some)
            costs.append((weight * 2 * scale * ((1 + miss**2 / scale).sqrt() - 1)).sum(1))
        return torch.cat(costs).double()

    def arrow_rows(self, frames: Frames, subject: Subject) -> tuple[Tensor, Tensor]:
        """Weighted rows [N, R, U + B + 1] and values [N, R], shared unknowns last."""
        slopes, values = [], []
        for part, some in self._chunks(frames):
            rows = part._rows(some, subject)
            _, own, shared, _ = rows.points.derivatives(some, rows.subject, shared=True)
            weight = self._trusted(rows).sqrt()
            slope = torch.einsum("nri,nric->nrc", rows.slope, torch.cat([own, shared], -1))
            slopes.extend(slope * weight[..., None])
            values.extend(rows.miss * weight)
        return pad_sequence(slopes, batch_first=True), pad_sequence(values, batch_first=True)

    def normal(self, frames: Frames, subject: Subject) -> Normal:
        """The normal equations of each frame's own unknowns: the outline is that of a rigid head.

        A face that talks changes it, too, but too little to be told by it.
        """
        parts = []
        for part, some in self._chunks(frames):
            rows = part._rows(some, subject)
            slopes = rows.points.rigid(rows.view, some, rows.subject)
            weight = self._trusted(rows).sqrt()
            slopes = torch.einsum("nri,nric->nrc", rows.slope, slopes) * weight[..., None]
            gradient = torch.einsum("nrc,nr->nc", slopes, rows.miss * weight)
            parts.append((slopes.transpose(1, 2) @ slopes, gradient))
        matrix, gradient = (torch.cat(part).double() for part in zip(*parts, strict=True))
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
        """How the cost changes as the points move along [S, 3]: curvature, half the slope, [S]."""
        curvature, gradient = np.zeros((2, len(direction)))
        for part, some in self._chunks(frames):
            rows = part._rows(some, subject)
            _, _, _, by_rest = rows.points.derivatives(some, rows.subject, shared=True)
            moved = by_rest @ self._tensor(direction[rows.which])[:, :, None]  # [n, R, 2, 1]
            slope = (rows.slope * moved[..., 0]).sum(-1)
            weight = rows.weight / (1 + (rows.miss / FAR) ** 2) ** 2
            curvature[rows.which] += (weight * slope**2).sum(0).double().cpu().numpy()
            gradient[rows.which] += (weight * slope * rows.miss).sum(0).double().cpu().numpy()
        return curvature, gradient

    def _tensor(self, array: np.ndarray) -> Tensor:
        """An array like the points."""
        return torch.as_tensor(array).to(self.points.head.mean.vertices)

    def _of(self, subject: Subject) -> Subject:
        """The subject with hair in place of the landmarks' offsets: these are other points."""
        beta = subject.beta[: len(self.points.head.identities)]
        return replace(subject, beta=beta, offset=self.hair)

    def _chunks(self, frames: Frames, size: int = FEW) -> Iterator[tuple["OutlineTerms", Frames]]:
        for start in range(0, len(frames), size):
            chunk = slice(start, start + size)
            yield self[chunk], frames[chunk]

    def _miss(self, view: View, frames: Frames) -> tuple[Tensor, Tensor]:
        """Percent of the eye distance beyond the edge [N, S], and weights [N, S]."""
        distance = self._distance(view.pixels)
        weight = self.priors.rim / DIRECTIONS * self._rim(view, frames)
        weight[:, ::EVERY] += (
            self.priors.outline / distance.shape[1] * EVERY * (distance[:, ::EVERY] > 0)
        )
        return distance / view.percent[:, None], weight

    def _rows(self, frames: Frames, subject: Subject) -> "Rows":
        """What counts in some of the frames; most points lie well inside the outline."""
        view = self.points.view(frames, self._of(subject))
        miss, weight = self._miss(view, frames)
        which = (weight > 0).any(0).nonzero()[:, 0]
        points = replace(self.points, head=self.points.head.rows(which))
        seen = View(view.turned[:, which], view.pixels[:, which], view.depth[:, which],
                    view.percent)  # fmt: skip
        step = self.side / self.maps.shape[-1]  # px of the clip per stored px
        slopes = []
        for shift in seen.pixels.new_tensor([[step, 0], [0, step]]):
            ahead, behind = (self._distance(seen.pixels + sign * shift) for sign in (1, -1))
            slopes.append((ahead - behind) / (2 * step))
        slope = torch.stack(slopes, -1) / view.percent[:, None, None]
        return Rows(
            which.cpu().numpy(), points, replace(self._of(subject), offset=self.hair[which]), seen,
            miss[:, which], weight[:, which], slope,
        )  # fmt: skip

    def _trusted(self, rows: "Rows") -> Tensor:
        """Weights [N, R] of what is left of them where a miss is large."""
        return rows.weight * (1 + (rows.miss / self.priors.robust) ** 2).rsqrt()

    def _distance(self, pixels: Tensor) -> Tensor:
        """How far points [N, S, 2] lie outside the mask, px of the clip [N, S]."""
        at = (pixels - self.corner) / self.side * 2 - 1
        # Beyond the picture nothing is known: its border says whether the person goes on.
        found = functional.grid_sample(
            self.maps.to(at), at[:, None], padding_mode="border", align_corners=False
        )
        return found[:, 0, 0] * (self.side / self.maps.shape[-1])

    def _rim(self, view: View, frames: Frames) -> Tensor:
        """[K, S] 1 for the points farthest out in their direction, not below the head."""
        arm = view.pixels - view.pixels.mean(1, keepdim=True)  # [K, S, 2]
        up = frames.rotation[:, :2, 1] * arm.new_tensor([1.0, -1.0])
        up = up / up.norm(dim=1, keepdim=True).clamp(min=1e-6)
        far = arm.norm(dim=-1).clamp(min=1e-6)
        angle = torch.atan2(arm[..., 1], arm[..., 0])
        sector = ((angle / (2 * torch.pi) + 0.5) * DIRECTIONS).long().clamp(0, DIRECTIONS - 1)
        farthest = far.new_zeros(len(far), DIRECTIONS).scatter_reduce(1, sector, far, "amax")
        high = (arm * up[:, None]).sum(-1) > DOWNWARDS * far
        return ((far >= farthest.gather(1, sector)) & high).to(far.dtype)


@dataclass(frozen=True)
class Rows:
    """Those R of the points that count in any of some frames."""

    which: np.ndarray  # [R] of the S points
    points: Points
    subject: Subject  # with hair
    view: View
    miss: Tensor  # [N, R] percent of the eye distance beyond the edge
    weight: Tensor  # [N, R]
    slope: Tensor  # [N, R, 2] of the miss, per px of the clip


def outside_distance(mask: np.ndarray, size: int = SIZE) -> np.ndarray:
    """Signed distance [size, size] to the edge of a person's mask [H, H] in 0…1, negative inside.

    Float16, in pixels of its own.
    """
    person = (mask > 0.5).astype(np.uint8)
    if not person.any() or person.all():  # no edge that could be told
        return np.zeros((size, size), np.float16)
    beyond = cv2.distanceTransform(1 - person, cv2.DIST_L2, 5)
    within = cv2.distanceTransform(person, cv2.DIST_L2, 5)
    small = cv2.resize(beyond - within, (size, size), interpolation=cv2.INTER_AREA)
    return (small * (size / len(mask))).astype(np.float16)


def points_at(vertices: np.ndarray) -> Landmarks:
    """Points [S] that are vertices."""
    count = len(vertices)
    return Landmarks(
        vertices=np.repeat(vertices[:, None], 3, axis=1).astype(np.int32),
        weights=np.tile(np.array([[1, 0, 0]], np.float32), (count, 1)),
        offset=np.zeros((count, 3), np.float32),
    )


def outwards(model: HeadModel) -> np.ndarray:
    """The way that hair stands off the skull: unit vectors [V, 3] from its middle."""
    head = model.mean
    away = head.vertices - head.vertices[head.vertices_in("scalp", "ear")].mean(0)
    return (away / np.linalg.norm(away, axis=1, keepdims=True).clip(1e-6)).astype(np.float32)
