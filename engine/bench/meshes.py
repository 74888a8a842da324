# SPDX-License-Identifier: GPL-3.0-or-later
"""The same head with more or fewer vertices, to see what the mesh's size costs.

Longest edges are split in two, or shortest ones collapsed, many at once, until the number of
vertices is right. Everything that a vertex carries is averaged or kept; texture coordinates,
which avatars do without, are dropped.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..head.model import Head, Landmarks

SHARE = 0.25  # of the edges that one round looks at


def with_vertices(head: Head, count: int) -> Head:
    """The head with `count` vertices.

    Raises:
        ValueError: fewer vertices than the head can be brought down to.
    """
    head = replace(head, uv=np.zeros((len(head.vertices), 2), np.float32), uv_faces=head.faces)
    while len(head.vertices) != count:
        before = len(head.vertices)
        head = _split(head, count - before) if before < count else _collapse(head, before - count)
        if len(head.vertices) == before:
            raise ValueError(f"The head cannot have {count} vertices.")
    return head


def _edges(head: Head, *, longest: bool) -> np.ndarray:
    """A share of the edges [K, 2], the longest or the shortest first."""
    faces = head.faces
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    length = np.linalg.norm(head.vertices[edges[:, 0]] - head.vertices[edges[:, 1]], axis=1)
    order = np.argsort(-length if longest else length, kind="stable")
    return edges[order[: max(int(SHARE * len(edges)), 1)]]


def _split(head: Head, most: int) -> Head:
    """Up to `most` edges split at their middles, no two of them in one triangle."""
    edges = _edges(head, longest=True)
    none, size = len(edges), len(head.vertices)
    keys = edges[:, 0].astype(np.int64) * size + edges[:, 1]
    order = np.argsort(keys)
    ends = np.sort(np.stack([head.faces, np.roll(head.faces, -1, 1)], -1), -1).astype(np.int64)
    wanted = ends[..., 0] * size + ends[..., 1]  # [F, 3] key of each side
    at = np.searchsorted(keys[order], wanted).clip(max=none - 1)
    sides = np.where(keys[order][at] == wanted, order[at], none)  # [F, 3] rank of each side
    wins = np.ones(len(edges) + 1, bool)
    for corner in range(3):  # an edge gives way to a longer one in a triangle of its own
        wins[sides[:, corner][sides[:, corner] > sides.min(1)]] = False
    wins[none] = False
    chosen = np.flatnonzero(wins)[:most]
    number = np.full(none + 1, -1)
    number[chosen] = len(head.vertices) + np.arange(len(chosen))
    middle = number[sides]  # [F, 3] new vertex of each side, −1 where it stays whole
    split = np.flatnonzero((middle >= 0).any(1))
    side = middle[split].argmax(1)
    a, b, c = (head.faces[split, (side + k) % 3] for k in range(3))
    m = middle[split, side]
    faces = head.faces.copy()
    faces[split] = np.stack([a, m, c], 1)
    faces = np.concatenate([faces, np.stack([m, b, c], 1)]).astype(np.int32)
    first, second = edges[chosen].T

    def grown(values: np.ndarray, axis: int = 0) -> np.ndarray:
        one, other = np.take(values, first, axis), np.take(values, second, axis)
        if values.dtype.kind == "f":
            one = ((one.astype(np.float32) + other) / 2).astype(values.dtype)
        return np.concatenate([values, one], axis)

    return _changed(head, faces, grown)


def _collapse(head: Head, most: int) -> Head:
    """Up to `most` edges collapsed onto one end, no two of them near each other."""
    edges = _edges(head, longest=False)
    neighbours: dict[int, set[int]] = {}
    for face in head.faces.tolist():
        for corner in face:
            neighbours.setdefault(corner, set()).update(face)
    target = np.arange(len(head.vertices))
    untouchable: set[int] = set()
    gone = 0
    for a, b in edges.tolist():
        if gone == most:
            break
        if a not in untouchable and b not in untouchable:
            target[b] = a
            untouchable |= neighbours[a] | neighbours[b]
            gone += 1
    kept = np.flatnonzero(target == np.arange(len(target)))
    number = np.zeros(len(target), np.int64)
    number[kept] = np.arange(len(kept))
    number = number[target]
    faces = number[head.faces]
    whole = (faces != np.roll(faces, 1, axis=1)).all(1)
    landmarks = {
        name: replace(marks, vertices=number[marks.vertices].astype(np.int32))
        for name in ("landmarks68", "landmarks468")
        if isinstance(marks := getattr(head, name), Landmarks)
    }
    smaller = _changed(
        head, faces[whole].astype(np.int32), lambda values, axis=0: np.take(values, kept, axis)
    )
    return replace(smaller, **landmarks)


def _changed(head: Head, faces: np.ndarray, change: Callable[..., np.ndarray]) -> Head:
    """The head with other faces, and `change` (values, axis) made to every array over vertices."""
    vertices = change(head.vertices)
    return replace(
        head,
        vertices=vertices,
        faces=faces,
        uv=np.zeros((len(vertices), 2), np.float32),
        uv_faces=faces,
        expressions=change(head.expressions, 1),
        skin_weights=change(head.skin_weights),
        correctives=change(head.correctives, 1),
        vertex_region=change(head.vertex_region),
        vertex_part=change(head.vertex_part),
    )
