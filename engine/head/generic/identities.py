# SPDX-License-Identifier: GPL-3.0-or-later
"""How heads differ: identity modes as smooth fields, one unit = about one standard deviation.

Fields are written for the left half, x ≥ 0. `EVEN` modes do the same on the right in mirror image,
`ODD` ones the opposite: they make a face crooked. `EAR` modes move the ears alone.
"""

from collections.abc import Callable

import numpy as np

from .curves import gauss, smoothstep
from .half import Body
from .sculpt import EYE_CENTRE

Field = Callable[[np.ndarray], np.ndarray]  # points [n, 3] mm, x ≥ 0 → movement [n, 3] mm

EAR_ROOT = np.array([73.0, 17.0, 8.0])  # where the left ear's front meets the head, mm


def _move(
    weight: np.ndarray,
    x: float | np.ndarray = 0,
    y: float | np.ndarray = 0,
    z: float | np.ndarray = 0,
) -> np.ndarray:
    """Movement [n, 3] along the axes, scaled by weight [n]."""
    return np.stack([weight * x, weight * y, weight * z], -1)


def _eye(p: np.ndarray, inner: float, outer: float) -> np.ndarray:
    """1 within `inner` mm of the eye's centre, 0 beyond `outer`."""
    return smoothstep(outer, inner, np.linalg.norm(p - EYE_CENTRE, axis=-1))


def _spot(
    centre: tuple,
    radius: tuple,
    move: tuple = (0, 0, 0),
    spread: tuple = (0, 0, 0),
    lids: bool = True,
) -> Field:
    """A soft spot that moves, or spreads by a share of the way from its height and the midline.

    Args:
        centre: x, y, z in mm.
        radius: of the falloff, mm.
        move: movement at the centre, mm.
        spread: movement for each mm off the midline, and above and before the centre.
        lids: whether the lids go along.
    """

    def field(p: np.ndarray) -> np.ndarray:
        weight = gauss(p, centre, radius) * (1 if lids else 1 - _eye(p, 15.5, 28))
        away = p - np.array([0, centre[1], centre[2]])
        return weight[:, None] * (np.asarray(move, float) + np.asarray(spread, float) * away)

    return field


def _face_width(p: np.ndarray) -> np.ndarray:
    along = smoothstep(95, 30, p[:, 1]) * (0.4 + 0.6 * smoothstep(-110, -60, p[:, 1]))
    return _move(along, x=0.035 * p[:, 0])


def _face_length(p: np.ndarray) -> np.ndarray:
    return _move(smoothstep(15, -78, p[:, 1]), y=-5.5)


def _eye_size(p: np.ndarray) -> np.ndarray:
    return _eye(p, 18, 34)[:, None] * (p - EYE_CENTRE) * 0.045


def _eye_distance(p: np.ndarray) -> np.ndarray:
    return _move(_eye(p, 18, 40) * smoothstep(2, 16, p[:, 0]), x=1.6)


def _eye_height(p: np.ndarray) -> np.ndarray:
    return _move(_eye(p, 18, 42), y=1.3)


def _eye_depth(p: np.ndarray) -> np.ndarray:
    return _move(_eye(p, 16, 36), z=1.6)


def _eye_slant(p: np.ndarray) -> np.ndarray:
    """The slit turns about the eyeball's axis, so that the lids stay on the ball."""
    away = p - EYE_CENTRE
    return _move(0.06 * _eye(p, 18, 32), x=-away[:, 1], y=away[:, 0])


def _lip_balance(p: np.ndarray) -> np.ndarray:
    """A fuller upper and a thinner lower lip; the line between them stays."""
    near = gauss(p, (0, -30, 113), (17, 8, 9))
    return _move(near, y=0.13 * np.abs(p[:, 1] + 29.5))


def _forehead_slope(p: np.ndarray) -> np.ndarray:
    return _move(smoothstep(62, 112, p[:, 1]) * smoothstep(0, 70, p[:, 2]), z=-4.0, y=-1.0)


def _cranium_height(p: np.ndarray) -> np.ndarray:
    return _move(smoothstep(55, 150, p[:, 1]), y=6.0)


def _cranium_depth(p: np.ndarray) -> np.ndarray:
    return _move(smoothstep(10, -85, p[:, 2]) * smoothstep(-70, -10, p[:, 1]), z=-5.0)


def _cranium_width(p: np.ndarray) -> np.ndarray:
    return _move(smoothstep(-20, 45, p[:, 1]) * smoothstep(85, 25, p[:, 2]), x=0.035 * p[:, 0])


def _neck_width(p: np.ndarray) -> np.ndarray:
    border = np.interp(p[:, 2], [-70, 50], [-40, -86])
    return _move(smoothstep(0, -30, p[:, 1] - border), x=0.06 * p[:, 0], z=0.05 * (p[:, 2] + 17))


def _nape_depth(p: np.ndarray) -> np.ndarray:
    return _move(smoothstep(-10, -60, p[:, 1]) * smoothstep(10, -50, p[:, 2]), z=-4.0)


def _chin_aside(p: np.ndarray) -> np.ndarray:
    return _move(smoothstep(-12, -68, p[:, 1]) * smoothstep(20, 80, p[:, 2]), x=2.0)


def _ear_size(p: np.ndarray) -> np.ndarray:
    return 0.07 * (p - EAR_ROOT)


def _ear_angle(p: np.ndarray) -> np.ndarray:
    """The rim turns away from the skull, about an upright line at the ear's front."""
    away = p - EAR_ROOT
    return _move(np.full(len(p), 0.09), x=-away[:, 2], z=away[:, 0])


EVEN: dict[str, Field] = {
    "face_width": _face_width,
    "face_length": _face_length,
    "nose_length": _spot((0, -4, 118), (17, 13, 22), (0, -2.6, 1.0)),
    "nose_width": _spot((0, -2, 115), (18, 12, 22), spread=(0.16, 0, 0)),
    "nose_depth": _spot((0, 10, 122), (13, 19, 22), (0, 0, 3.0)),
    "nose_bridge_depth": _spot((0, 37, 106), (11, 11, 18), (0, 0, 2.0)),
    "nose_bridge_width": _spot((0, 26, 110), (13, 14, 18), spread=(0.16, 0, 0)),
    "nose_tip_turn": _spot((0, -2, 124), (12, 9, 14), (0, 2.2, 0.4)),
    "jaw_width": _spot((55, -40, 25), (24, 22, 40), (3.6, 0, 0)),
    "jaw_angle": _spot((54, -42, 25), (22, 18, 34), (0.5, -3.8, 1.0)),
    "chin_depth": _spot((0, -66, 108), (24, 15, 28), (0, -0.8, 4.0)),
    "chin_height": _spot((0, -72, 98), (30, 13, 30), (0, -3.8, 0)),
    "chin_width": _spot((0, -64, 96), (28, 15, 25), spread=(0.15, 0, 0)),
    "eye_size": _eye_size,
    "eye_distance": _eye_distance,
    "eye_height": _eye_height,
    "eye_depth": _eye_depth,
    "eye_slant": _eye_slant,
    "brow_depth": _spot((20, 56, 104), (26, 9, 22), (0, -0.8, 2.4)),
    "brow_height": _spot((28, 61, 100), (27, 9, 26), (0, 2.2, 0), lids=False),
    "brow_slant": _spot((46, 58, 88), (14, 10, 26), (0.4, 2.2, 0), lids=False),
    "mouth_width": _spot((0, -30, 100), (34, 16, 30), spread=(0.095, 0, 0)),
    "mouth_height": _spot((0, -30, 104), (32, 15, 28), (0, 1.8, 0)),
    "mouth_depth": _spot((0, -28, 110), (26, 16, 25), (0, 0, 3.0)),
    "lip_fullness": _spot((0, -29.5, 113), (17, 8, 9), (0, 0, 1.3), (0, 0.14, 0)),
    "lip_balance": _lip_balance,
    "cheek_fullness": _spot((50, -10, 72), (22, 22, 32), (2.6, 0, 1.6)),
    "cheek_depth": _spot((33, 8, 92), (17, 15, 24), (0, 0, 2.4), lids=False),
    "cheekbone_width": _spot((62, 14, 54), (17, 17, 30), (2.6, 0, 0.8)),
    "temple_width": _spot((64, 58, 50), (18, 24, 36), (2.4, 0, 0)),
    "forehead_slope": _forehead_slope,
    "cranium_height": _cranium_height,
    "cranium_depth": _cranium_depth,
    "cranium_width": _cranium_width,
    "neck_width": _neck_width,
    "nape_depth": _nape_depth,
    "throat_fullness": _spot((0, -88, 62), (32, 14, 24), (0, -3.5, 2.0)),
}  # fmt: skip
EAR: dict[str, Field] = {"ear_size": _ear_size, "ear_angle": _ear_angle}
ODD: dict[str, Field] = {
    "nose_aside": _spot((0, 4, 122), (14, 17, 20), (1.3, 0, 0)),
    "chin_aside": _chin_aside,
}
IDENTITIES: dict[str, Field] = {**EVEN, **EAR, **ODD}


def identity_basis(body: Body) -> np.ndarray:
    """[B, V, 3] mm. Eyeballs move and grow as wholes, so that they stay round."""
    side = np.where(body.vertices[:, :1] < 0, -1.0, 1.0)
    mirrored = side ** [1, 0, 0]  # [V, 3]: what makes the left half's movement the right one's
    folded = body.vertices * mirrored
    ball = body.pieces["eyeball"]
    basis = []
    for name, field in IDENTITIES.items():
        moved = field(folded)
        moved[ball] = field(EYE_CENTRE[None])
        if name == "eye_size":
            moved[ball] = (folded[ball] - EYE_CENTRE) * 0.045
        if name in EAR:
            moved[~body.pieces["ear"]] = 0
        if name not in ODD:
            moved[:, 0] *= smoothstep(0, 6, folded[:, 0])  # the two sides meet in the middle
        moved *= mirrored * side if name in ODD else mirrored
        basis.append(moved)
    return np.stack(basis)
