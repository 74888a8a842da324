# SPDX-License-Identifier: GPL-3.0-or-later
"""The person's outline in a few frames: it holds cranium and ears, which have no landmarks.

The skull must lie inside the person's mask, under some hair; how far inside is left to the model.
K frames, S points of scalp and ears.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from ..head.model import HeadModel, Landmarks
from .crop import Crop

KEY_FRAMES = 12
POINTS = 600
SIZE = 256  # px the masks are looked at
HAIR = 0.004  # m between skull and outline


@dataclass(frozen=True)
class Outlines:
    """The person's masks in the key frames, as distances."""

    frames: np.ndarray  # [K] which of the track's frames
    outside: np.ndarray  # [K, size, size] float32, stored px to the mask's edge, negative inside
    crop: Crop  # where the masks lie in the clip's picture

    def distance(self, pixels: Tensor) -> Tensor:
        """How far points [K, S, 2] px of the clip lie outside the mask: [K, S] px of the clip."""
        maps = torch.as_tensor(self.outside, dtype=pixels.dtype, device=pixels.device)[:, None]
        corner = pixels.new_tensor([self.crop.left, self.crop.top])
        at = (pixels - corner) / self.crop.side * 2 - 1
        # Beyond the picture nothing is known: its border says whether the person goes on.
        found = functional.grid_sample(
            maps, at[:, None], padding_mode="border", align_corners=False
        )
        return found[:, 0, 0] / self.crop.scale


def key_frames(count: int) -> np.ndarray:
    """Which frames of `count` are looked at: evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(KEY_FRAMES, count)).round().astype(int))


def outside_distance(mask: np.ndarray) -> np.ndarray:
    """Signed distance [H, W] px to the edge of a person's mask [H, W] in 0…1, negative inside."""
    person = (mask > 0.5).astype(np.uint8)
    if not person.any():
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
