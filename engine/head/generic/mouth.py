# SPDX-License-Identifier: GPL-3.0-or-later
"""Behind the lips: their inner side, the mouth's bag, teeth and tongue. Millimetres, left half."""

import numpy as np

from ..model import REGIONS
from .half import Piece, grid_faces
from .sheet import MOUTH

# Widths of the teeth from the middle outwards
_TEETH = (8.6, 6.6, 7.6, 7.0, 6.8, 9.5, 9.0)
_ARCH = (25.0, 40.0, 62.0)  # half width, length, z of its back end, at the upper front edges


def build_bag(line: np.ndarray) -> Piece:
    """The inner side of the lips and the bag behind the teeth.

    Args:
        line: [n, 3] mm, the slit's loop on the skin sheet: upper lip from the midline to the
            corner, lower lip back to the midline.
    """
    n = len(line)
    middle = n // 2  # the corner
    step = np.arange(n)
    upper = np.where(step < middle, 1.0, np.where(step > middle, -1.0, 0.0))
    x = line[:, 0]
    open_ = np.sqrt(np.clip(1 - (x / x[middle]) ** 2, 0, 1))  # 1 at the middle, 0 at the corner
    side = upper * (0.25 + 0.75 * open_)
    rings = [line]
    # how far back, how far from the line, spread of x
    lining = (
        (1.2, 0.35, 1),
        (3.2, 2.5, 1),
        (5, 8, 1.02),
        (8.5, 13, 1.06),
        (24, 14, 1.16),
        (46, 12, 1),
    )
    for back, lift, spread in lining:
        # The bag's back ends flatten towards one depth.
        z = line[:, 2] - back
        deep = np.clip((back - 8) / 38, 0, 1)
        z = z * (1 - deep) + (line[0, 2] - back) * deep
        rings.append(np.stack([x * spread, line[:, 1] + side * lift, z], 1))
    vertices = np.concatenate([*rings, [(0, MOUTH - 2, line[0, 2] - 56)]])
    index = np.arange(len(rings) * n).reshape(len(rings), n)
    cap = np.stack([index[-1, :-1], index[-1, 1:], np.full(n - 1, len(vertices) - 1)], 1)
    faces = np.concatenate([grid_faces(index, flip=True), cap[:, ::-1]])
    u = np.concatenate([0.5 + np.tile(np.linspace(0.01, 0.04, n), len(rings)), [0.52]])
    v = np.concatenate([np.repeat(np.linspace(0.01, 0.18, len(rings)), n), [0.19]])
    midline = np.concatenate([np.tile((step == 0) | (step == n - 1), len(rings)), [True]])
    return Piece(
        "bag", vertices, faces, np.stack([u, v], 1),
        np.full(len(vertices), REGIONS.index("mouth_cavity")), midline,
        {"lip_side": np.concatenate([np.tile(upper, len(rings)), [0.0]]),
         "lip_red": np.concatenate([np.repeat([0, 0, 0.2, 1.0, 1.6, 3.0, 5.0], n), [9.0]]),
         "ring": np.concatenate([np.repeat(np.arange(len(rings)), n), [len(rings)]])},
    )  # fmt: skip


def build_teeth(upper: bool) -> Piece:
    """Half a row of teeth with its gum: seven teeth along an elliptic arch."""
    ends = np.concatenate([[0.0], np.cumsum(_TEETH)])
    inner = [ends[i] + _TEETH[i] * np.array([0.0, 0.22, 0.78]) for i in range(len(_TEETH))]
    along = np.concatenate([*inner, ends[-1:]])
    gap = np.concatenate([np.tile([1.0, 0, 0], len(_TEETH)), [1.0]])
    gap[0] = 0.8
    molar = np.clip((along - 26) / 20, 0, 1)
    width, length, back = _ARCH
    if not upper:
        width, length = width - 1.2, length - 2.6
    fine = np.linspace(0, 0.5 * np.pi, 400)
    path = np.stack([width * np.sin(fine), length * np.cos(fine)], 1)
    walked = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    angle = np.interp(np.minimum(along / 1.06, walked[-1]), walked, fine)
    place = np.stack([width * np.sin(angle), back + length * np.cos(angle)], 1)  # x, z
    normal = np.stack([np.sin(angle) / width, np.cos(angle) / length], 1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    # outwards, away from the edge; from the gum in front over the edge to the gum behind
    profile = ((-2.2, 14, 0), (-0.8, 10.5, 0), (0.5, 9, 0), (0.8, 5.5, 1), (0.1, 0.3, 1),
               (-1.6, 0, 1), (-3.4, 5, 0.5), (-5.5, 11, 0))  # fmt: skip
    rows = []
    for out, high, notch in profile:
        thick = out - (molar * 5 if out < -1 and high < 13 else 0)
        depth = thick - notch * gap * 0.9
        shorter = 1 - 0.22 * molar * (high < 13)
        y = high * shorter + 0.7 * gap * notch * (high < 4) + 2.0 * molar
        point = place + normal * np.broadcast_to(depth, along.shape)[:, None]
        y_edge, sign = (MOUTH - 1.6, 1) if upper else (MOUTH - 0.6, -1)
        rows.append(np.stack([point[:, 0], y_edge + sign * y, point[:, 1]], 1))
    vertices = np.concatenate(rows)
    index = np.arange(len(vertices)).reshape(len(rows), len(along))
    u = np.tile(along / ends[-1], len(rows)) * 0.08 + 0.56
    v = np.repeat(np.linspace(0, 0.05, len(rows)), len(along)) + (0.075 if upper else 0.135)
    midline = np.tile(along == 0, len(rows))
    region = np.full(len(vertices), REGIONS.index("teeth"))
    crown = np.repeat([0, 0, 0.3, 1, 1, 1, 1, 0], len(along))
    return Piece(
        "teeth_upper" if upper else "teeth_lower", vertices, grid_faces(index, flip=upper),
        np.stack([u, v], 1), region, midline, {"crown": crown},
    )  # fmt: skip


def build_tongue() -> Piece:
    """The left half of the tongue, resting behind the lower teeth."""
    u, w = np.meshgrid(
        np.linspace(0, 1, 9), np.linspace(0, np.pi, 7), indexing="ij"
    )  # length, round
    length = 0.5 * (1 - np.cos(np.pi * u))
    girth = np.sqrt(np.clip(1 - (2 * length - 1) ** 4, 0, 1))
    x = 17 * girth * np.sin(w) * (1 - 0.15 * u)
    thick = 6.5 * girth * np.cos(w)
    groove = 1.2 * np.exp(-((x / 4) ** 2)) * (w < 1.5) * girth
    y = MOUTH - 11 + thick - groove + 4 * np.sin(np.pi * (1 - length) * 0.9)
    z = 46 + 49 * length
    vertices = np.stack([x, y, z], -1).reshape(-1, 3)
    index = np.arange(u.size).reshape(u.shape)
    midline = np.zeros(u.shape, bool)
    midline[:, [0, -1]] = True
    midline[[0, -1]] = True
    uv = np.stack([0.82 - 0.04 * w / np.pi - 0.01, 0.01 + 0.17 * u], -1).reshape(-1, 2)
    region = np.full(u.size, REGIONS.index("tongue"))
    faces = grid_faces(index, flip=True)
    return Piece("tongue", vertices, faces, uv, region, midline.ravel())
