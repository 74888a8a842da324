# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyeballs, and the inner side of the lids behind the slit's edge. Millimetres, left eye."""

import numpy as np

from ..model import REGIONS
from .half import Piece, grid_faces
from .sculpt import EYE_CENTRE, EYE_RADIUS

IRIS, PUPIL = 5.9, 2.0  # radii, mm
_SEGMENTS = 24
# Polar angles of the eyeball's rings about its axis (+z): two rings on each edge that is painted.
_POLAR = np.radians([4.5, 9, 10, 17, 25.5, 27, 36, 47, 60, 75, 92, 112, 140])


def build_eyeball() -> Piece:
    """The left eyeball: a sphere whose poles lie in front and behind."""
    around = np.linspace(0, 2 * np.pi, _SEGMENTS, endpoint=False)
    polar, phi = np.meshgrid(_POLAR, around, indexing="ij")
    ring = np.stack([np.sin(polar) * np.cos(phi), np.sin(polar) * np.sin(phi), np.cos(polar)], -1)
    unit = np.concatenate([ring.reshape(-1, 3), [(0, 0, 1), (0, 0, -1)]])
    rings = np.arange(len(_POLAR) * _SEGMENTS).reshape(len(_POLAR), _SEGMENTS)
    rings = np.concatenate([rings, rings[:, :1]], 1)
    front, back = len(unit) - 2, len(unit) - 1
    cap = [np.stack([rings[0, :-1], rings[0, 1:], np.full(_SEGMENTS, front)], 1),
           np.stack([rings[-1, 1:], rings[-1, :-1], np.full(_SEGMENTS, back)], 1)]  # fmt: skip
    faces = np.concatenate([grid_faces(rings, flip=True), *cap])
    angle = np.arccos(np.clip(unit[:, 2], -1, 1))
    spread = angle / np.pi * 0.088  # azimuthal map, so that nothing overlaps
    turn = np.arctan2(unit[:, 1], unit[:, 0])
    uv = np.stack([0.90 + spread * np.cos(turn), 0.10 + spread * np.sin(turn)], 1)
    region = np.full(len(unit), REGIONS.index("eyeball"))
    return Piece("eyeball", EYE_CENTRE + EYE_RADIUS * unit, faces, uv, region,
                 np.zeros(len(unit), bool), {"polar": angle})  # fmt: skip


def build_socket(margin: np.ndarray) -> Piece:
    """The lid margin's thickness and the lids' inner side, around the left eye.

    Args:
        margin: [n, 3] mm, the slit's loop on the skin sheet: upper lid from the inner to the outer
            corner, lower lid back.
    """
    n = len(margin)
    ray = margin - EYE_CENTRE
    ray = ray / np.linalg.norm(ray, axis=1, keepdims=True)
    upper = np.arange(n) <= n // 2
    rings = [margin]
    # radius beyond the eyeball, turn away from the opening (rad)
    for gap, turn in ((1.0, -0.02), (0.25, 0.0), (0.35, 0.22), (0.9, 0.6)):
        polar = np.arccos(np.clip(ray[:, 2], -1, 1)) + turn
        side = ray[:, :2] / np.maximum(np.linalg.norm(ray[:, :2], axis=1, keepdims=True), 1e-9)
        turned = np.concatenate([side * np.sin(polar)[:, None], np.cos(polar)[:, None]], 1)
        rings.append(EYE_CENTRE + (EYE_RADIUS + gap) * turned)
    vertices = np.concatenate(rings)
    index = np.arange(len(vertices)).reshape(len(rings), n)
    index = np.concatenate([index, index[:, :1]], 1)
    u = np.tile(np.linspace(0, 0.2, n), len(rings)) + 0.56
    v = np.repeat(np.linspace(0.01, 0.06, len(rings)), n)
    lid = np.where(upper, 1.0, -1.0)
    return Piece(
        "socket", vertices, grid_faces(index, flip=True), np.stack([u, v], 1),
        np.full(len(vertices), REGIONS.index("eye_socket")), np.zeros(len(vertices), bool),
        {"lid_side": np.tile(lid, len(rings)), "ring": np.repeat(np.arange(len(rings)), n),
         "corner": np.tile(np.isin(np.arange(n), (0, n // 2)), len(rings))},
    )  # fmt: skip
