# SPDX-License-Identifier: GPL-3.0-or-later
"""How the lids move: they turn about the eyeball's centre, so that they stay on its sphere."""

import numpy as np

from .curves import smoothstep
from .half import Body
from .sculpt import EYE_CENTRE
from .sheet import EYE_INNER, EYE_OUTER

_UPPER_END, _LOWER_END = 13.0, 10.0  # rows this far (mm) from the margin stay


def move_lids(body: Body, upper: float, lower: float) -> np.ndarray:
    """Movement [V, 3] mm of the left eye's lids.

    Args:
        body: the neutral head.
        upper: how much of the opening the upper lid closes (negative: opens wider).
        lower: the same for the lower lid.
    """
    side = body.tag("lid_side")
    ring = body.tag("ring")
    away = np.abs(body.tag("lid", 99.0))  # rows, mm from the margin
    socket = body.pieces["socket"]
    p = body.vertices
    near = (p[:, 0] > EYE_INNER - 3) & (p[:, 0] < EYE_OUTER + 3) & (p[:, 2] > 60) & (side != 0)
    local = p - EYE_CENTRE
    turn = np.arctan2(local[:, 1], local[:, 2])
    top, bottom = (_margin(body, sign, local, turn) for sign in (1, -1))
    on_skin = np.where(
        side > 0, smoothstep(_UPPER_END, 1.5, away), smoothstep(_LOWER_END, 1.0, away)
    )
    follows = np.where(socket, np.interp(ring, [2, 3, 4], [1, 0.85, 0.35]), on_skin) * near
    opening = top - bottom
    angle = follows * opening * np.where(side > 0, -upper, lower)
    radius = np.hypot(local[:, 1], local[:, 2])
    # In between, the straight path of a vertex cuts the sphere: bulge a little against it.
    bulge = 0.012 * follows * np.clip(opening, 0, None) * abs(upper) * (side > 0)
    radius_moved = radius * (1 + bulge)
    moved = np.zeros_like(p)
    moved[:, 1] = radius_moved * np.sin(turn + angle) - local[:, 1]
    moved[:, 2] = radius_moved * np.cos(turn + angle) - local[:, 2]
    return np.where((follows > 0)[:, None], moved, 0)


def _margin(body: Body, sign: int, local: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """The angle [V] of the left upper (+1) or lower (-1) margin in every vertex's own column."""
    edge = body.pieces["socket"] & (body.tag("ring", -1) == 0) & (body.vertices[:, 0] > 0)
    corners = edge & (np.abs(body.tag("corner")) > 0)
    edge = np.flatnonzero((edge & (body.tag("lid_side") == sign)) | corners)
    order = edge[np.argsort(local[edge, 0])]
    return np.interp(local[:, 0], local[order, 0], turn[order])
