# SPDX-License-Identifier: GPL-3.0-or-later
"""What is likely before any frame is seen: small coefficients, a shut jaw, slow changes.

Weights multiply squares of quantities in SI units and coefficients; the data term they are
balanced against is the squared landmark error in percent of the outer-eye distance.
"""

from dataclasses import dataclass

import numpy as np

from ..head.transfer import MOST_ONE_SIDED, MOST_TWO_SIDED, is_one_sided

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
LIP_WEIGHT, EYELID_WEIGHT = 2.0, 4.0  # little area, most of the expression


@dataclass(frozen=True)
class Priors:
    """Strengths of the priors."""

    robust: float = 8.0  # percent of the eye distance, beyond which a miss counts linearly
    gap: float = 0.04  # of each gap across eye slit or lips, beside the mean of the landmarks
    outline: float = 1.0  # of points outside the person's outline, their mean
    rim: float = 0.3  # of the rim beside the edge, inside or outside, its mean
    beta: float = 0.005  # shared unknowns: all frames together weigh N times
    focal: float = 2.0  # on the square of log(focal / guess)
    offset: float = 2.5e4  # 1/m²
    psi: float = 0.01
    psi_mean: float = 0.05  # on their mean: what never changes belongs to the identity
    negative: float = 60.0  # below 0 for one-sided expressions, and beyond the most of any
    jaw: float = 0.5  # 1/rad²
    jaw_aside: float = 60.0
    smooth_rotation: float = 2000.0  # 1/rad², second differences
    smooth_depth: float = 2e4  # on second differences of log depth
    smooth_place: float = 1e3
    smooth_psi: float = 0.1  # second differences, linear beyond `blink`
    blink: float = 0.1  # beyond it a bend of an expression counts linearly
    smooth_jaw: float = 8.0


def landmark_weights() -> np.ndarray:
    """[468] float32, mean 1: lips and eyelids count for more."""
    weights = np.ones(468, np.float32)
    weights[list(LIPS)] = LIP_WEIGHT
    weights[list(EYELIDS)] = EYELID_WEIGHT
    return weights / weights.mean()


def psi_ceiling(names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """[E] 1 for expressions that go from 0 to 1 (ARKit's), else 0; and [E] the most of each."""
    one_sided = np.array([is_one_sided(name) for name in names], np.float64)
    return one_sided, np.where(one_sided > 0, MOST_ONE_SIDED, MOST_TWO_SIDED)
