# SPDX-License-Identifier: GPL-3.0-or-later
"""The person's outline in the key frames: it holds cranium and ears, which have no landmarks.

The skull must lie inside the person's mask, under some hair. Its rim, the points of it that stand
farthest out in the picture, is drawn to the mask's edge from inside too: a head fills its outline.
The penalty is robust, for much hair says little about the skull. K frames, S points of scalp and
ears.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from ..head.model import HeadModel, Landmarks
from .crop import Crop
from .landmark_head import LandmarkHead
from .landmark_rows import Points, View
from .priors import Priors
from .unknowns import Frames, Subject

POINTS = 600
SIZE = 256  # px the masks are looked at
HAIR = 0.004  # m between skull and outline
DIRECTIONS = 48  # about the skull's middle, for each of which one point is on the rim
DOWNWARDS = (
    -0.3
)  # directions lower than this (cosine to the head's up) have no rim: there is a neck


@dataclass(frozen=True)
class Outlines:
    """The person's masks in the key frames, as distances."""

    keys: np.ndarray  # [K] which of the clip's frames
    outside: np.ndarray  # [K, size, size] float32, stored px to the mask's edge, negative inside
    crop: Crop  # where the masks lie in the clip's picture


@dataclass(frozen=True)
class OutlineTerms:
    """The outlines' share of the cost."""

    points: Points
    maps: Tensor  # [K, 1, size, size] stored px outside the mask, negative inside
    corner: Tensor  # [2] px from the principal point, the crop's
    side: float  # px of the clip
    priors: Priors

    @classmethod
    def of(
        cls, outlines: Outlines, model: HeadModel, face: Points, centre: Tensor, priors: Priors
    ) -> "OutlineTerms":
        """For masks of every key frame; `centre` [2] px is the principal point."""
        skull = LandmarkHead.of(model, skull_points(model), centre.device)
        points = Points(skull, face.middle, face.eye_distance)
        maps = torch.as_tensor(outlines.outside, dtype=centre.dtype, device=centre.device)
        corner = centre.new_tensor([outlines.crop.left, outlines.crop.top]) - centre
        return cls(points, maps[:, None], corner, float(outlines.crop.side), priors)

    def __getitem__(self, chosen: object) -> "OutlineTerms":
        """Those of some of the frames."""
        return OutlineTerms(self.points, self.maps[chosen], self.corner, self.side, self.priors)

    def cost(self, frames: Frames, subject: Subject) -> Tensor:
        """[K], the robust penalty."""
        view = self.points.view(frames, _bare(subject, self.points))
        miss, weight, _ = self._miss(view, frames)
        scale = self.priors.robust**2
        return (weight * 2 * scale * ((1 + miss**2 / scale).sqrt() - 1)).sum(1).double()

    def arrow_rows(self, frames: Frames, subject: Subject) -> tuple[Tensor, Tensor]:
        """Weighted rows [K, S, U + B + 1] and values [K, S], shared unknowns last."""
        view, own, shared, _ = self.points.derivatives(
            frames, _bare(subject, self.points), shared=True
        )
        miss, weight, slope = self._miss(view, frames)
        weight = (weight * (1 + (miss / self.priors.robust) ** 2).rsqrt()).sqrt()
        slopes = torch.cat([own, shared], -1)  # [K, S, 2, C] px
        slopes = torch.einsum("ksi,ksic->ksc", slope, slopes)
        return slopes * weight[..., None], miss * weight

    def _miss(self, view: View, frames: Frames) -> tuple[Tensor, Tensor, Tensor]:
        """Percent of the eye distance beyond the edge, weights [K, S], and slopes [K, S, 2]."""
        percent = view.percent[:, None]
        distance, slope = self._distance(view.pixels)
        rim = self._rim(view, frames)
        count = distance.shape[1]
        weight = torch.where(distance > 0, self.priors.outline / count,
                             self.priors.rim / DIRECTIONS * rim)  # fmt: skip
        return distance / percent, weight, slope / percent[..., None]

    def _distance(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """How far points lie outside the mask, px of the clip [K, S], and its slope [K, S, 2]."""
        size = self.maps.shape[-1]
        at = (pixels - self.corner) / self.side * 2 - 1
        step = 2 / size
        values = [self._sample(at)]
        for axis in ((step, 0.0), (0.0, step)):
            shift = at.new_tensor(axis)
            values.append((self._sample(at + shift) - self._sample(at - shift)) / 2)
        stored = self.side / size  # px of the clip per stored px
        return values[0] * stored, torch.stack(values[1:], -1)

    def _sample(self, at: Tensor) -> Tensor:
        # Beyond the picture nothing is known: its border says whether the person goes on.
        found = functional.grid_sample(
            self.maps, at[:, None], padding_mode="border", align_corners=False
        )
        return found[:, 0, 0]

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


def outside_distance(mask: np.ndarray) -> np.ndarray:
    """Signed distance [H, W] px to the edge of a person's mask [H, W] in 0…1, negative inside."""
    person = (mask > 0.5).astype(np.uint8)
    if not person.any() or person.all():  # no edge that could be told
        return np.zeros(mask.shape, np.float32)
    beyond = cv2.distanceTransform(1 - person, cv2.DIST_L2, 5)
    within = cv2.distanceTransform(person, cv2.DIST_L2, 5)
    return (beyond - within).astype(np.float32)


def skull_points(model: HeadModel) -> Landmarks:
    """Points spread over scalp and ears, with the hair's depth as their offset outwards."""
    head = model.mean
    chosen = head.vertices_in("scalp", "ear")
    chosen = chosen[:: max(len(chosen) // POINTS, 1)]
    places = head.vertices[chosen]
    outwards = places - places.mean(0)
    outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-6)
    hairy = np.isin(chosen, head.vertices_in("scalp"))[:, None]
    return Landmarks(
        vertices=np.repeat(chosen[:, None], 3, axis=1).astype(np.int32),
        weights=np.tile(np.array([[1, 0, 0]], np.float32), (len(chosen), 1)),
        offset=(outwards * hairy * HAIR).astype(np.float32),
    )


def _bare(subject: Subject, points: Points) -> Subject:
    """The subject without the landmarks' offsets: these are other points."""
    return replace(subject, offset=torch.zeros_like(points.head.mean.vertices))
