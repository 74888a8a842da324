# SPDX-License-Identifier: GPL-3.0-or-later
"""What a face does beyond the linear model: folds, bulges and lip motion, non-linear in expression.

The skin moves by the sum over terms k of a_k(psi, theta) D_k. The displacement fields D_k [V, 3]
are fixed; the activations a_k are squares and products of coefficients: zero at neutral, and
growing faster than the expression does.
"""

from dataclasses import dataclass

import numpy as np

from ..head.model import JAW
from .fields import Face, Fields

SIDES = ("Right", "Left")  # x < 0, x > 0
JAW_WIDE = 0.35  # rad, where the jaw counts as wide open
CHIN_FOLD = 0.0095  # m, how far below the lower lip's outline the fold over the chin runs
ON_BOTH_SIDES = ("crow", "fold", "grin", "dimple", "puff")
ON_THE_MIDDLE = (
    "forehead",
    "frown",
    "bunny",
    "pout",
    "ring",
    "chin",
    "roll_upper",
    "roll_lower",
    "stretch",
    "bare",
)
TERMS = ON_THE_MIDDLE + tuple(name + side for name in ON_BOTH_SIDES for side in SIDES)


@dataclass(frozen=True)
class Creases:
    """The terms of one person: displacement fields and how strongly this face creases."""

    names: tuple[str, ...]  # K terms
    displacement: np.ndarray  # [K, V, 3] float32 m at an activation of one
    expression_names: tuple[str, ...]

    def activations(self, psi: np.ndarray, theta: np.ndarray) -> dict[str, float]:
        """The activation of every term for psi [E] and theta [J, 3]."""
        value = dict(zip(self.expression_names, psi.tolist(), strict=True))
        return activations(value, float(theta[JAW, 0]))

    def offsets(self, psi: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """What they add to the neutral vertices: [V, 3] float32 m, in the rest pose."""
        found = self.activations(psi, theta)
        strength = np.array([found[name] for name in self.names], np.float32)
        return np.tensordot(strength, self.displacement, 1)


def activations(value: dict[str, float], jaw: float) -> dict[str, float]:
    """How strongly every term acts, 0 at neutral and about 1 at a full expression.

    Args:
        value: expression coefficients by ARKit name; a name that is missing counts as 0.
        jaw: opening angle of the jaw, rad.
    """

    def mean(name: str) -> float:
        return (value.get(name + "Left", 0.0) + value.get(name + "Right", 0.0)) / 2

    def of(name: str) -> float:
        return value.get(name, 0.0)

    wide = max(jaw, 0.0) / JAW_WIDE
    inner = max(of("browInnerUp"), mean("browInnerUp"))
    pucker, funnel = of("mouthPucker"), of("mouthFunnel")
    puff = max(of("cheekPuff"), mean("cheekPuff"))
    found = {
        "forehead": _square(0.6 * inner + 0.4 * mean("browOuterUp")),
        "frown": _square(mean("browDown") + 0.3 * mean("noseSneer")),
        "bunny": _square(mean("noseSneer") + 0.3 * mean("cheekSquint")),
        "pout": _square(pucker + 0.5 * funnel),
        "ring": max(pucker + funnel, 0.0) * min(wide, 1.5),
        "chin": _square(of("mouthShrugLower") + 0.4 * pucker + 0.6 * mean("mouthFrown")),
        "roll_upper": _square(of("mouthRollUpper") + 0.4 * mean("mouthPress")),
        "roll_lower": _square(of("mouthRollLower") + 0.4 * mean("mouthPress")),
        "stretch": max(mean("mouthStretch"), 0.0) * min(wide, 1.5),
        # the upper lip bares the teeth in a broad smile, more so with the mouth open
        "bare": min(
            _square(mean("mouthSmile") + 0.8 * mean("mouthUpperUp")) * (1 + 0.7 * min(wide, 1.2)),
            1.8,
        ),
    }
    for side in SIDES:
        smile, squint = of("mouthSmile" + side), of("eyeSquint" + side)
        found["crow" + side] = _square(0.6 * squint + 0.5 * of("cheekSquint" + side) + 0.5 * smile)
        lift = (
            0.5 * of("noseSneer" + side)
            + 0.35 * of("mouthUpperUp" + side)
            + 0.4 * of("mouthDimple" + side)
        )
        found["fold" + side] = _square(smile + lift)
        found["grin" + side] = max(smile, 0.0) * min(wide, 1.5)
        found["dimple" + side] = _square(smile + 0.8 * of("mouthDimple" + side))
        found["puff" + side] = _square(max(of("cheekPuff" + side), puff))
    return found


def crease_terms(
    rest: np.ndarray,
    normals: np.ndarray,
    skin: np.ndarray,
    where: Fields,
    face: Face,
    depth: float,
    expression_names: tuple[str, ...],
) -> Creases:
    """The displacement fields of a neutral head.

    Args:
        rest: [V, 3] m, neutral vertices.
        normals: [V, 3], unit.
        skin: [V] bool; nothing else moves.
        where: the skin's fields.
        face: the subject's measures.
        depth: strength of this person's creases, about one.
        expression_names: names of psi's entries.
    """
    side = {"Right": _bump_side(rest[:, 0], -1), "Left": _bump_side(rest[:, 0], 1)}
    out = normals
    up, ahead = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    across = np.sign(rest[:, :1]) * np.array([1.0, 0.0, 0.0])
    mm = depth * 1e-3
    mouth = np.exp(-np.square(np.maximum(where.lip, 0) / 0.008))  # on the lips and just around
    upper = 1 / (1 + np.exp(-where.seam / 0.0015))
    away_from_eyes = np.clip((where.eye - 0.002) / 0.006, 0, 1)
    half = abs(face.landmarks[54, 0])  # m, of the mouth
    middle = _dip(rest[:, 0], 0.5 * half)
    below = (1 - upper) * middle

    raw = {
        "forehead": _times(2.6 * mm * forehead_ripple(where.forehead, rest[:, 0]), out),
        "frown": _times(
            mm
            * away_from_eyes
            * (-1.9 * _dip(where.frown, 0.0027) + 1.5 * _dip(where.frown - 0.0065, 0.0045)),
            out,
        ),
        "bunny": _times(-1.7 * mm * _dip(where.bunny, 0.0027), out),
        "pout": _times(mouth * 1e-3, 4.5 * ahead)
        + _times(1e-3 * mouth * (upper - 0.5) * middle, 2.5 * up),
        "ring": _times(mouth * 1e-3, 3.5 * ahead - 1.5 * across),
        "chin": _times(mm * _dip(where.chin, 0.012), 2.5 * out + 1.5 * up)
        + _times(1.7 * mm * below * _dip(where.lip - CHIN_FOLD - 0.010, 0.006), out)
        + _times(-1.8 * mm * below * _dip(where.lip - CHIN_FOLD, 0.0030), out),
        "roll_upper": _times(1e-3 * upper * mouth, -1.5 * up)
        + _times(1.8e-3 * upper * _dip(where.lip - 0.004, 0.004), out),
        "roll_lower": _times(1e-3 * (1 - upper) * mouth, 1.5 * up)
        + _times(2.2e-3 * (1 - upper) * _dip(where.lip - 0.005, 0.005), out),
        "stretch": _times(1e-3 * mouth * (1 - upper) * middle, -3.0 * up - 2.0 * ahead),
        "bare": _times(2.8e-3 * mouth * upper * _dip(rest[:, 0], 0.8 * half), up),
    }
    cheek = _dip(where.cheek, 0.022)
    beside = where.fold_held / (1 + np.exp(-where.fold / 0.0015))  # on the cheek's side of the fold
    fold = beside * 3.0 * _dip(where.fold - 0.011, 0.010)
    fold -= where.fold_held * 2.4 * _dip(where.fold, 0.0029)
    hollow = -3e-3 * beside * _dip(where.fold - 0.022, 0.010)
    dimple = -2.0 * mm * where.outside * _dip(where.corner - 0.012, 0.005)
    both = {
        "crow": _times(-1.9 * mm * away_from_eyes * _dip(where.crow, 0.0019), out)
        + _times(1.2e-3 * cheek, up),
        "fold": _times(mm * fold * np.clip(where.lip / 0.006, 0, 1), out),
        "grin": _times(1e-3 * _dip(where.corner, 0.014), 3.0 * across - 4.0 * ahead + 1.5 * up)
        + _times(hollow, out),
        "dimple": _times(dimple, out),
        "puff": _times(5e-3 * where.outside * _dip(where.corner - 0.022, 0.016), out),
    }
    raw |= {name + s: field * side[s][:, None] for name, field in both.items() for s in SIDES}
    fields = np.stack([raw[name] for name in TERMS]) * skin[None, :, None]
    return Creases(TERMS, fields.astype(np.float32), expression_names)


def forehead_ripple(height: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The forehead's folds: -1 in the lines, positive between them; waved and fading to the sides.

    Args:
        height: [...] m above the brows.
        x: [...] m, to the subject's left.
    """
    wave = height + 0.0016 * np.cos(x / 0.011) + 2.0 * np.square(x)  # m
    lines = sum(
        _dip(wave - at, 0.0026) * weight
        for at, weight in ((0.016, 0.8), (0.026, 1.0), (0.036, 0.7))
    )
    between = np.exp(-np.square((height - 0.026) / 0.018))
    return (0.45 * between - lines) * np.exp(-(np.square(x / 0.042) ** 2)) * (height > -0.01)


def _square(x: float) -> float:
    return min(max(x, 0.0), 1.6) ** 2


def _dip(x: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-np.square(x / width))


def _times(amount: np.ndarray, direction: np.ndarray) -> np.ndarray:
    return amount[:, None] * direction


def _bump_side(x: np.ndarray, sign: int) -> np.ndarray:
    return 1 / (1 + np.exp(-sign * x / 0.004))
