# SPDX-License-Identifier: GPL-3.0-or-later
"""How heads differ: identity modes as smooth fields, one unit = about one standard deviation."""

from collections.abc import Callable

import numpy as np

from .curves import gauss, smoothstep
from .half import Body
from .sculpt import EYE_CENTRE

Field = Callable[[np.ndarray], np.ndarray]  # points [n, 3] mm, x ≥ 0 → movement [n, 3] mm


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


def _face_width(p: np.ndarray) -> np.ndarray:
    return _move(
        smoothstep(95, 30, p[:, 1]) * (0.4 + 0.6 * smoothstep(-110, -60, p[:, 1])),
        x=0.035 * p[:, 0],
    )


def _face_length(p: np.ndarray) -> np.ndarray:
    return _move(smoothstep(15, -78, p[:, 1]), y=-5.5)


def _nose_length(p: np.ndarray) -> np.ndarray:
    weight = gauss(p, (0, -4, 118), (17, 13, 22))
    return _move(weight, y=-2.6, z=1.0)


def _nose_width(p: np.ndarray) -> np.ndarray:
    return _move(gauss(p, (0, -2, 115), (18, 12, 22)), x=0.16 * p[:, 0])


def _nose_depth(p: np.ndarray) -> np.ndarray:
    return _move(gauss(p, (0, 10, 122), (13, 19, 22)), z=2.4)


def _jaw_width(p: np.ndarray) -> np.ndarray:
    return _move(gauss(p, (55, -40, 25), (24, 22, 40)), x=3.6)


def _chin_depth(p: np.ndarray) -> np.ndarray:
    return _move(gauss(p, (0, -66, 108), (24, 15, 28)), z=3.2, y=-0.8)


def _eye_size(p: np.ndarray) -> np.ndarray:
    return _eye(p, 18, 34)[:, None] * (p - EYE_CENTRE) * 0.045


def _eye_distance(p: np.ndarray) -> np.ndarray:
    return _move(_eye(p, 18, 40) * smoothstep(2, 16, p[:, 0]), x=1.6)


def _eye_depth(p: np.ndarray) -> np.ndarray:
    return _move(_eye(p, 16, 36), z=1.6)


def _mouth_width(p: np.ndarray) -> np.ndarray:
    return _move(gauss(p, (0, -30, 100), (34, 16, 30)), x=0.095 * p[:, 0])


def _lip_fullness(p: np.ndarray) -> np.ndarray:
    near = gauss(p, (0, -30, 113), (17, 8, 9))
    return _move(near, y=0.14 * (p[:, 1] + 29.5), z=1.3)


def _brow_depth(p: np.ndarray) -> np.ndarray:
    return _move(gauss(p, (20, 56, 104), (26, 9, 22)), z=2.4, y=-0.8)


def _cheek_fullness(p: np.ndarray) -> np.ndarray:
    return _move(gauss(p, (50, -10, 72), (22, 22, 32)), x=2.6, z=1.6)


def _cranium_height(p: np.ndarray) -> np.ndarray:
    return _move(smoothstep(55, 150, p[:, 1]), y=6.0)


def _cranium_depth(p: np.ndarray) -> np.ndarray:
    return _move(smoothstep(10, -85, p[:, 2]) * smoothstep(-70, -10, p[:, 1]), z=-5.0)


IDENTITIES: dict[str, Field] = {
    "face_width": _face_width,
    "face_length": _face_length,
    "nose_length": _nose_length,
    "nose_width": _nose_width,
    "nose_depth": _nose_depth,
    "jaw_width": _jaw_width,
    "chin_depth": _chin_depth,
    "eye_size": _eye_size,
    "eye_distance": _eye_distance,
    "eye_depth": _eye_depth,
    "mouth_width": _mouth_width,
    "lip_fullness": _lip_fullness,
    "brow_depth": _brow_depth,
    "cheek_fullness": _cheek_fullness,
    "cranium_height": _cranium_height,
    "cranium_depth": _cranium_depth,
}


def identity_basis(body: Body) -> np.ndarray:
    """[B, V, 3] mm. Eyeballs move and grow as wholes, so that they stay round."""
    side = np.where(body.vertices[:, :1] < 0, -1.0, 1.0)
    folded = body.vertices * np.concatenate([side, np.ones_like(side), np.ones_like(side)], 1)
    ball = body.pieces["eyeball"]
    basis = []
    for name, field in IDENTITIES.items():
        moved = field(folded)
        moved[ball] = field(EYE_CENTRE[None])
        if name == "eye_size":
            moved[ball] = (folded[ball] - EYE_CENTRE) * 0.045
        moved[:, 0] *= side[:, 0]
        basis.append(moved)
    return np.stack(basis)
