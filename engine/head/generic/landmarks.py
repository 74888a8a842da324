# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the landmarks lie on the generic head: 68 in iBUG order, 468 in MediaPipe's.

The 68 are placed by anatomy. The 468 were measured once on pictures of synthetic people (see
`synthetic/embed_landmarks.py`) and are read from `landmarks468.npz`: vertex ids, weights, and how
far off the skin they are found.
"""

from pathlib import Path

import numpy as np

from ..model import REGIONS, SKIN_REGIONS, Landmarks
from .half import Body
from .sheet import EYE_INNER, EYE_OUTER, MOUTH, MOUTH_CORNER, lip_heights

FILE_468 = Path(__file__).with_name("landmarks468.npz")

# The left jaw line from the ear to the chin, and face points (x, y) seen from the front, mm
_JAW = ((71, 30, 12), (71, 14, 14), (70, -3, 15), (67, -20, 18), (61, -37, 26), (52, -52, 44),
        (39, -65, 66), (22, -74, 88), (0, -79, 97))  # fmt: skip
_BROW = ((10, 55), (20, 58.5), (31, 61), (43, 60), (53.5, 55))
_BRIDGE = ((0, 41), (0, 29), (0, 17), (0, 3))
_NOSE_BASE = ((12.5, -6), (6.5, -8.6), (0, -10))


def front_point(body: Body, x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
    """The foremost skin seen from the front at (x, y) mm: three vertices and their weights."""
    skin = np.isin(body.region, [REGIONS.index(name) for name in SKIN_REGIONS])
    faces = body.faces[skin[body.faces].all(1)]
    a, b, c = (body.vertices[faces[:, i]] for i in range(3))
    area = _cross(b - a, c - a)
    facing = area > 1e-9
    area = np.where(facing, area, 1)
    point = np.array([x, y, 0.0])
    wa = _cross(b - point, c - point) / area
    wb = _cross(c - point, a - point) / area
    weights = np.stack([wa, wb, 1 - wa - wb], 1)
    inside = facing & (weights > -1e-6).all(1)
    depth = np.where(inside, (weights * np.stack([a[:, 2], b[:, 2], c[:, 2]], 1)).sum(1), -np.inf)
    best = int(depth.argmax())
    assert inside[best], (x, y)
    return faces[best], np.clip(weights[best], 0, None)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The z of the cross product [n] of vectors [n, 3]."""
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def lid_margin(body: Body, sign: int) -> np.ndarray:
    """The skin vertices on the edge of the left upper (+1) or lower (-1) lid, from inside out."""
    loop = _loop(body, "eye_loop")
    middle = len(loop) // 2
    return loop[: middle + 1] if sign > 0 else np.concatenate([loop[:1], loop[middle:][::-1]])


def lip_line(body: Body, sign: int) -> np.ndarray:
    """The skin vertices on the edge of the upper (+1) or lower (-1) lip, from middle to left."""
    loop = _loop(body, "mouth_loop")
    middle = len(loop) // 2
    return loop[: middle + 1] if sign > 0 else loop[middle:][::-1]


def _loop(body: Body, tag: str) -> np.ndarray:
    """The left vertices of a slit's loop, in its order."""
    place = np.where(body.vertices[:, 0] >= 0, body.tags[tag], np.nan)
    on = np.flatnonzero(~np.isnan(place))
    return on[np.argsort(place[on])]


def snap(body: Body, edge: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places on a polyline of vertices [k] where it passes x [n] mm: vertices, weights [n, 3]."""
    across = body.vertices[edge, 0]
    x = np.clip(x, across[0], across[-1])
    i = np.clip(np.searchsorted(across, x) - 1, 0, len(edge) - 2)
    share = (x - across[i]) / (across[i + 1] - across[i])
    return np.stack([edge[i], edge[i + 1], edge[i + 1]], 1), np.stack(
        [1 - share, share, 0 * share], 1
    )


def landmarks68(body: Body) -> Landmarks:
    """The 68 points of iBUG's scheme; point 0 is at the subject's right ear."""
    skin = np.flatnonzero(body.pieces["skin"])

    def on_vertex(index: int) -> tuple[np.ndarray, np.ndarray]:
        return np.full(3, index), np.array([1.0, 0, 0])

    def on_edge(edge: np.ndarray, x: float) -> tuple[np.ndarray, np.ndarray]:
        vertices, weights = snap(body, edge, np.array([x]))
        return vertices[0], weights[0]

    def flip(point: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        return body.mirror[point[0]], point[1]

    def lip_border(x: float, sign: int) -> tuple[np.ndarray, np.ndarray]:
        line = MOUTH - 1.3 * (x / MOUTH_CORNER) ** 2
        return front_point(
            body, x, line + sign * float(lip_heights(np.array(x))[0 if sign > 0 else 1])
        )

    jaw = [
        on_vertex(int(skin[np.linalg.norm(body.vertices[skin] - p, axis=1).argmin()])) for p in _JAW
    ]
    brow = [front_point(body, *p) for p in _BROW]
    bridge = [front_point(body, *p) for p in _BRIDGE]
    base = [front_point(body, *p) for p in _NOSE_BASE]
    lids = [
        (1, 0),
        (1, 0.35),
        (1, 0.68),
        (1, 1),
        (-1, 0.68),
        (-1, 0.35),
    ]  # inner, upper, outer, lower
    x = EYE_INNER + np.array([share for _, share in lids]) * (EYE_OUTER - EYE_INNER)
    eye = [on_edge(lid_margin(body, sign), place) for (sign, _), place in zip(lids, x, strict=True)]
    corner = on_vertex(int(lip_line(body, 1)[-1]))
    over = [lip_border(x, 1) for x in (16.0, 6.5, 0.0)]
    under = [lip_border(x, -1) for x in (15.0, 7.5, 0.0)]
    inner_over = [on_edge(lip_line(body, 1), x) for x in (9, 0)]
    inner_under = [on_edge(lip_line(body, -1), x) for x in (9, 0)]

    def across(points: list, middle: bool = True) -> list:
        """From the right side to the left; the last of `points` lies on the midline if `middle`."""
        return [flip(p) for p in points] + list(reversed(points[:-1] if middle else points))

    points = [
        *across(jaw),
        *[flip(p) for p in reversed(brow)], *brow,
        *bridge, *across(base),
        *[flip(eye[i]) for i in (3, 2, 1, 0, 5, 4)], *eye,
        flip(corner), *across(over), corner, *reversed(across(under)),
        flip(corner), *across(inner_over), corner, *reversed(across(inner_under)),
    ]  # fmt: skip
    return _landmarks(np.array([p[0] for p in points]), np.array([p[1] for p in points]))


def landmarks468(body: Body) -> Landmarks:
    """The 468 points of MediaPipe's face mesh."""
    with np.load(FILE_468, allow_pickle=False) as data:
        vertices, weights, offset = data["vertices"], data["weights"], data["offset"]
    assert vertices.max() < len(body.vertices)
    return _landmarks(vertices, weights, offset)


def _landmarks(
    vertices: np.ndarray, weights: np.ndarray, offset: np.ndarray | float = 0.0
) -> Landmarks:
    weights = weights / weights.sum(1, keepdims=True)
    return Landmarks(
        vertices.astype(np.int32),
        weights.astype(np.float32),
        np.broadcast_to(np.float32(offset), (len(vertices), 3)).copy(),
    )
