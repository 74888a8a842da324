# SPDX-License-Identifier: GPL-3.0-or-later
"""Wavefront OBJ files as arrays: what head models are handed out in."""

from pathlib import Path

import numpy as np

from ..errors import HeadError


def read_obj_vertices(path: Path) -> np.ndarray:
    """The vertices [V, 3] float64 of an OBJ file, in its own unit.

    Raises:
        HeadError: it cannot be read, or holds what is no number.
    """
    return _rows(path, _text(path), "v ", 3)


def read_obj(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vertices [V, 3], polygons [P, 4], UVs [U, 2], UV polygons [P, 4] of an OBJ file.

    Polygons are triangles (-1 in their last column) or quads, all with UVs.

    Raises:
        HeadError: it cannot be read, or has other polygons.
    """
    text = _text(path)
    polygons, uv_polygons = [], []
    try:
        for line in text.splitlines():
            if line.startswith("f "):
                corners = [corner.split("/") for corner in line.split()[1:]]
                if len(corners) not in (3, 4):
                    raise ValueError(f"a polygon of {len(corners)} corners")
                rest = [-1] * (4 - len(corners))
                polygons.append([int(corner[0]) - 1 for corner in corners] + rest)
                uv_polygons.append([int(corner[1]) - 1 for corner in corners] + rest)
    except (ValueError, IndexError) as error:
        raise _damaged(path, error) from error
    vertices, uv = _rows(path, text, "v ", 3), _rows(path, text, "vt ", 2)
    faces, uv_faces = np.array(polygons, np.int64), np.array(uv_polygons, np.int64)
    for table, limit in ((faces, len(vertices)), (uv_faces, len(uv))):
        if not len(table) or table.max() >= limit or table[:, :3].min() < 0:
            raise _damaged(path, "its polygons do not fit its vertices")
    return vertices, faces, uv, uv_faces


def triangles(polygons: np.ndarray) -> np.ndarray:
    """Quads and triangles [P, 4] cut into triangles [T, 3], in order."""
    both = np.stack([polygons[:, [0, 1, 2]], polygons[:, [0, 2, 3]]], 1).reshape(-1, 3)
    return both[both[:, 2] >= 0]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise HeadError(
            f"{path} cannot be read ({error.strerror}).", "Copy the folder again."
        ) from error


def _rows(path: Path, text: str, word: str, width: int) -> np.ndarray:
    lines = [line[len(word) :] for line in text.splitlines() if line.startswith(word)]
    try:
        rows = np.array([line.split()[:width] for line in lines], np.float64).reshape(-1, width)
    except ValueError as error:
        raise _damaged(path, error) from error
    if not np.isfinite(rows).all():
        raise _damaged(path, "numbers that are not finite")
    return rows


def _damaged(path: Path, why: object) -> HeadError:
    return HeadError(f"The OBJ file {path} cannot be used ({why}).", "Copy the folder again.")
