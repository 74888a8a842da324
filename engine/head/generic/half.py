# SPDX-License-Identifier: GPL-3.0-or-later
"""Half a head: pieces are built for the left (x ≥ 0) and mirrored, so that symmetry is exact."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Piece:
    """A part of the left half, in millimetres: n vertices, m faces."""

    name: str
    vertices: np.ndarray  # [n, 3] mm
    faces: np.ndarray  # [m, 3], counter-clockwise from outside
    uv: np.ndarray  # [n, 2]
    region: np.ndarray  # [n] uint8 into REGIONS
    midline: np.ndarray  # [n] bool, shared with the right half
    tags: dict[str, np.ndarray] = field(default_factory=dict)  # name → [n], what later steps need


@dataclass(frozen=True)
class Body:
    """The whole head in millimetres, both halves."""

    vertices: np.ndarray  # [V, 3] mm
    faces: np.ndarray  # [F, 3]
    uv: np.ndarray  # [U, 2]
    uv_faces: np.ndarray  # [F, 3]
    region: np.ndarray  # [V] uint8
    mirror: np.ndarray  # [V], the vertex on the other side (itself on the midline)
    tags: dict[str, np.ndarray]  # name → [V], NaN where a piece lacks it
    pieces: dict[str, np.ndarray]  # name → [V] bool, both sides

    def tag(self, name: str, missing: float = 0.0) -> np.ndarray:
        """A tag [V] with a value for the vertices that lack it."""
        values = self.tags[name]
        return np.where(np.isnan(values), missing, values)


def grid_faces(rows: np.ndarray, flip: bool = False, first: int | None = None) -> np.ndarray:
    """Triangles between the rows of an index grid [r, c], facing columns × rows.

    With `first`, the number of the first row, the diagonals of the first and last column alternate,
    so that normals on the midline lean neither up nor down.
    """
    a, b, c, d = rows[:-1, :-1], rows[:-1, 1:], rows[1:, 1:], rows[1:, :-1]
    odd = np.zeros(a.shape, bool)
    if first is not None:
        odd[:, [0, -1]] = ((np.arange(len(a)) + first) % 2 == 1)[:, None]
    one = np.where(odd[..., None], np.stack([a, b, d], -1), np.stack([a, b, c], -1))
    two = np.where(odd[..., None], np.stack([b, c, d], -1), np.stack([a, c, d], -1))
    faces = np.concatenate([one.reshape(-1, 3), two.reshape(-1, 3)])
    used = (
        (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    )
    return faces[used][:, ::-1] if flip else faces[used]


def join_and_mirror(pieces: list[Piece]) -> Body:
    """One mesh out of the left pieces and their mirror images."""
    starts = np.cumsum([0] + [len(piece.vertices) for piece in pieces])
    vertices = np.concatenate([piece.vertices for piece in pieces])
    faces = np.concatenate(
        [piece.faces + start for piece, start in zip(pieces, starts[:-1], strict=True)]
    )
    midline = np.concatenate([piece.midline for piece in pieces])
    vertices[midline, 0] = 0
    half = len(vertices)
    right = np.where(
        midline, np.arange(half), half - 1 + np.cumsum(~midline)
    )  # left → right vertex
    both = np.concatenate([np.arange(half), np.flatnonzero(~midline)])  # vertex → left vertex
    mirror = np.concatenate([right, np.flatnonzero(~midline)])
    flipped = vertices * (-1, 1, 1)
    uv = np.concatenate([piece.uv for piece in pieces])
    names = {name for piece in pieces for name in piece.tags}
    tags = {}
    for name in sorted(names):
        blank = [piece.tags.get(name, np.full(len(piece.vertices), np.nan)) for piece in pieces]
        tags[name] = np.concatenate(blank).astype(float)[both]
    order = np.concatenate([np.full(len(piece.vertices), i) for i, piece in enumerate(pieces)])
    return Body(
        vertices=np.concatenate([vertices, flipped[~midline]]),
        faces=np.concatenate([faces, right[faces][:, ::-1]]),
        uv=np.concatenate([uv, uv * (-1, 1) + (1, 0)]),
        uv_faces=np.concatenate([faces, faces[:, ::-1] + half]),
        region=np.concatenate([piece.region for piece in pieces]).astype(np.uint8)[both],
        mirror=mirror,
        tags=tags,
        pieces={piece.name: (order == i)[both] for i, piece in enumerate(pieces)},
    )
