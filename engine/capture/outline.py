# SPDX-License-Identifier: GPL-3.0-or-later
"""The person's outline: it holds what has no landmarks, cranium and ears, and steadies the pose.

The head must lie inside the person's mask. Its rim, the points of it that stand farthest out in
the picture, is drawn to the mask's edge from inside too: a head, with its hair, fills its outline.
In a frame that is turned the rim is the profile of brow, cheek and jaw: it says what landmarks
leave open, how far the head nods. The penalty is robust: mattes err, and hair flies. N frames, S
points of face, scalp and ears.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from ..cores import each
from ..head.model import HeadModel, Landmarks
from .crop import Crop
from .landmark_head import LandmarkHead
from .landmark_rows import Points, View
from .priors import Priors
from .rim import FEW, Masks, Rim, RimPart, wearing
from .unknowns import Frames, Subject

MASK_SIZE, SIZE = 256, 128  # px the masks are looked at, and their distances kept at
HAIR = 0.004  # m between skull and outline, until it is known better (`hair`)
POINTS = 6000  # about; with a sixth of them the rim lies millimetres inside the outline
EVERY = 6  # of so many points one is asked whether it lies outside
DIRECTIONS = 48  # about the points' middle, for each of which one of them is on the rim
DOWNWARDS = -0.3  # cosine to the head's up of directions below which there is a neck, and no rim


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
    masks: Masks
    priors: Priors

    @classmethod
    def of(
        cls, outlines: Outlines, model: HeadModel, face: Points, centre: Tensor, priors: Priors
    ) -> "OutlineTerms":
        """For masks of every frame; `centre` [2] px is the principal point."""
        vertices = model.mean.vertices_in("face", "scalp", "ear")
        vertices = vertices[:: max(round(len(vertices) / POINTS), 1)]
        head = LandmarkHead.of(model, points_at(vertices), centre.device)
        points = Points(head, face.middle, face.eye_distance)
        maps = torch.as_tensor(outlines.outside, device=centre.device)[:, None]
        corner = centre.new_tensor([outlines.crop.left, outlines.crop.top]) - centre
        masks = Masks(maps, corner, float(outlines.crop.side))
        none = torch.zeros_like(points.head.mean.vertices)
        usual = np.zeros(len(model.mean.vertices), np.float32)
        usual[model.mean.vertices_in("scalp")] = HAIR
        return cls(points, vertices, none, masks, priors).with_hair(usual, outwards(model))

    def __getitem__(self, chosen: object) -> "OutlineTerms":
        """Those of some of the frames."""
        return replace(self, masks=self.masks[chosen])

    def with_hair(self, hair: np.ndarray, direction: np.ndarray) -> "OutlineTerms":
        """The same with vertices that stand `hair` [V] m off the skin along `direction` [V, 3]."""
        off = hair[self.vertices, None] * direction[self.vertices]
        return replace(self, hair=torch.as_tensor(off).to(self.hair))

    def settled(self, subject: Subject) -> "OutlineTerms":
        """The same for one identity, whose points need not be found for every look."""
        head = self.points.head.settled(subject.beta)
        return replace(self, points=replace(self.points, head=head))

    def near(self, frames: Frames, subject: Subject) -> Rim:
        """What the outlines cost near a guess: its rim, and its points outside."""

        def part(start: int) -> RimPart:
            few = slice(start, start + FEW)
            return self._part(frames[few], subject, self.masks[few])

        return Rim(tuple(each(part, range(0, len(frames), FEW))), self.priors)

    def _part(self, frames: Frames, subject: Subject, masks: Masks) -> RimPart:
        view = self.points.view(frames, wearing(subject, self.hair, self.points))
        weight = self.priors.rim / DIRECTIONS * self._rim(view, frames)
        outside = masks.distance(view.pixels[:, ::EVERY]) > 0
        weight[:, ::EVERY] += self.priors.outline / outside.shape[1] * outside
        which = (weight > 0).any(0).nonzero()[:, 0]
        points = replace(self.points, head=self.points.head.rows(which))
        return RimPart(which.cpu().numpy(), points, self.hair[which], masks, weight[:, which])

    def _rim(self, view: View, frames: Frames) -> Tensor:
        """[N, S] 1 for the points farthest out in their direction, not below the head."""
        arm = view.pixels - view.pixels.mean(1, keepdim=True)  # [N, S, 2]
        up = frames.rotation[:, :2, 1] * arm.new_tensor([1.0, -1.0])
        up = up / up.norm(dim=1, keepdim=True).clamp(min=1e-6)
        far = arm.norm(dim=-1).clamp(min=1e-6)
        angle = torch.atan2(arm[..., 1], arm[..., 0])
        sector = ((angle / (2 * torch.pi) + 0.5) * DIRECTIONS).long().clamp(0, DIRECTIONS - 1)
        farthest = far.new_zeros(len(far), DIRECTIONS).scatter_reduce(1, sector, far, "amax")
        high = (arm * up[:, None]).sum(-1) > DOWNWARDS * far
        return ((far >= farthest.gather(1, sector)) & high).to(far.dtype)


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
