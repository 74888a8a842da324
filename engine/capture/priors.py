# SPDX-License-Identifier: GPL-3.0-or-later
"""What is likely before any frame is seen: small coefficients, a shut jaw, slow changes.

Weights multiply squares of quantities in SI units and coefficients; the data term they are
balanced against is the squared landmark error in percent of the outer-eye distance.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

LIPS = (
    61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 146, 91, 181, 84, 17, 314, 405, 321, 375,
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 95, 88, 178, 87, 14, 317, 402, 318, 324,
)  # fmt: skip
EYELIDS = (
    33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246,
    263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466,
)  # fmt: skip
# Upper and lower points that face each other across the eye slits and between the lips.
GAPS = (
    (159, 145), (158, 153), (160, 144), (157, 154), (161, 163), (386, 374), (385, 380), (387, 373),
    (384, 381), (388, 390), (13, 14), (82, 87), (312, 317), (81, 178), (311, 402), (80, 88),
    (310, 318),
)  # fmt: skip
LIP_WEIGHT, EYELID_WEIGHT = 3.0, 6.0  # little area, most of the expression


@dataclass(frozen=True)
class Priors:
    """Strengths of the priors."""

    robust: float = (
        3.0  # percent of the eye distance, where the data term turns from square to linear
    )
    gap: float = 0.04  # of each gap across eye slit or lips, beside the mean of the landmarks
    outline: float = 1.0  # of skull points outside the person's outline, their mean
    beta: float = 0.005  # shared unknowns: all frames together weigh N times
    focal: float = 2.0  # on the square of log(focal / guess)
    offset: float = 1e6  # 1/m²
    psi: float = 0.1
    psi_mean: float = 0.5  # on the clip's mean: what never changes belongs to the identity
    negative: float = 60.0  # below 0 and above 1.2 for one-sided expressions
    jaw: float = 0.5  # 1/rad²
    jaw_aside: float = 60.0
    smooth_rotation: float = 400.0  # 1/rad², second differences
    smooth_depth: float = 2e4  # on second differences of log depth
    smooth_place: float = 1e3
    smooth_psi: float = 0.5  # second differences, linear beyond `blink`
    blink: float = 0.1  # lids and lips do move at once
    smooth_jaw: float = 20.0

    def cost(self, p: dict[str, Tensor], one_sided: Tensor, even: Tensor) -> Tensor:
        """The priors' share of the loss, summed over the frames."""
        count = len(p["psi"])
        psi, jaw, place = p["psi"], p["jaw"], p["place"]
        over = torch.relu(-psi) * one_sided + torch.relu(psi.abs() - 1.2)
        shared = self.beta * (p["beta"] ** 2).sum() + self.focal * p["log_focal"] ** 2
        shared = count * (shared + self.offset * (p["offset"] ** 2).mean())
        frames = self.psi * (psi**2).sum() + self.negative * (over**2).sum()
        frames = (
            frames + self.jaw * (jaw[:, 0] ** 2).sum() + self.jaw_aside * (jaw[:, 1:] ** 2).sum()
        )
        frames = frames + 1e3 * (torch.relu(-jaw[:, 0]) ** 2).sum()
        steady = self.smooth_rotation * bend(p["rotation"], even) + self.smooth_depth * bend(
            place[:, 2:].log(), even
        )
        steady = steady + self.smooth_place * bend(place[:, :2] / place[:, 2:], even)
        steady = (
            steady
            + self.smooth_psi * bend(psi, even, self.blink)
            + self.smooth_jaw * bend(jaw, even)
        )
        return shared + frames + steady + count * self.psi_mean * (psi.mean(0) ** 2).sum()


def bend(track: Tensor, even: Tensor, linear_from: float | None = None) -> Tensor:
    """The sum of the squared second differences of a track [N, C], linear beyond `linear_from`.

    `even` [N-2] is 0 where frames were left out in between.
    """
    if len(track) < 3:
        return track.new_zeros(())
    square = (track[2:] - 2 * track[1:-1] + track[:-2]) ** 2
    if linear_from is not None:
        square = 2 * linear_from**2 * ((1 + square / linear_from**2).sqrt() - 1)
    return (square * even[:, None]).sum()


def landmark_weights() -> np.ndarray:
    """[468] float32, mean 1: lips and eyelids count for more."""
    weights = np.ones(468, np.float32)
    weights[list(LIPS)] = LIP_WEIGHT
    weights[list(EYELIDS)] = EYELID_WEIGHT
    return weights / weights.mean()


ARKIT_STEMS = ("brow", "cheek", "eye", "jaw", "mouth", "nose", "tongue")


def one_sided(names: tuple[str, ...]) -> np.ndarray:
    """[E] float32: 1 for expressions that go from 0 to 1 (ARKit's), 0 for two-sided ones."""
    sided = [name.startswith(ARKIT_STEMS) and not name[-1].isdigit() for name in names]
    return np.asarray(sided, np.float32)
