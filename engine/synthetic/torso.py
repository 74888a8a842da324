# SPDX-License-Identifier: GPL-3.0-or-later
"""A collar and shoulders, so that no bare neck ends in mid-air; no part of the matte."""

from dataclasses import dataclass

import numpy as np

from .noise import Noise
from .refine import Surface

AROUND = 96  # vertices of a ring
# Rings from the collar's inner edge to the chest: half width, half depth, height above the cut, m.
RINGS = np.array([
    [0.000, 0.000, 0.004], [0.001, 0.001, 0.014], [0.005, 0.005, 0.017], [0.010, 0.010, 0.013],
    [0.013, 0.013, 0.000], [0.024, 0.018, -0.010], [0.055, 0.026, -0.024], [0.095, 0.036, -0.043],
    [0.125, 0.044, -0.066], [0.142, 0.050, -0.100], [0.152, 0.056, -0.160], [0.155, 0.060, -0.320],
])  # fmt: skip


@dataclass(frozen=True)
class Torso:
    """Triangles in the rest pose; they move with the root joint."""

    vertices: np.ndarray  # [T, 3] float32 m
    faces: np.ndarray  # [G, 3] int32
    normals: np.ndarray  # [T, 3]


def make_torso(surface: Surface, noise: Noise) -> Torso:
    """Cloth that starts around the rim of the neck."""
    rim = surface.rest[_rim(surface)]
    centre = np.array([0.0, rim[:, 1].min(), (rim[:, 2].min() + rim[:, 2].max()) / 2])
    angle = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
    towards = np.stack([np.sin(angle), np.cos(angle)], 1)  # x, z
    from_centre = rim[:, [0, 2]] - centre[[0, 2]]
    order = np.argsort(np.arctan2(*from_centre.T))
    around = np.arctan2(*from_centre[order].T)
    radius = np.interp(angle, around, np.linalg.norm(from_centre, axis=1)[order], period=2 * np.pi)
    height = np.interp(angle, around, rim[order, 1], period=2 * np.pi) - centre[1]
    slope = np.linspace(1, 0, len(RINGS))[:, None] ** 2 * height  # the collar follows the cut
    spread = radius[None] * 1.015 + np.sqrt(
        np.square(RINGS[:, :1] * towards[:, 0]) + np.square(RINGS[:, 1:2] * towards[:, 1])
    )
    rings = centre + np.stack(
        [spread * towards[:, 0], RINGS[:, 2:] + slope, spread * towards[:, 1]], -1
    )  # [K, AROUND, 3]
    vertices = rings.reshape(-1, 3)
    vertices += (
        0.0022
        * noise.value(vertices * (1, 0.6, 1), 0.05, 50)[:, None]
        * np.repeat(RINGS[:, 0] > 0.012, AROUND)[:, None]
    )
    k, a = np.meshgrid(np.arange(len(RINGS) - 1), np.arange(AROUND), indexing="ij")
    b = (a + 1) % AROUND
    one, two, three, four = (
        i.ravel()
        for i in (k * AROUND + a, (k + 1) * AROUND + a, (k + 1) * AROUND + b, k * AROUND + b)
    )
    faces = np.concatenate([np.stack([one, two, three], 1), np.stack([one, three, four], 1)])
    down, across = (
        np.gradient(vertices.reshape(rings.shape), axis=0),
        np.roll(rings, -1, 1) - np.roll(rings, 1, 1),
    )
    normals = np.cross(down, across).reshape(-1, 3)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    return Torso(vertices.astype(np.float32), faces.astype(np.int32), normals.astype(np.float32))


def _rim(surface: Surface) -> np.ndarray:
    """The vertices on the neck's open edge; where a head has none, its lowest skin."""
    corners = np.sort(
        np.stack([surface.faces, np.roll(surface.faces, -1, 1)], -1).reshape(-1, 2), 1
    )
    edges, uses = np.unique(corners, axis=0, return_counts=True)
    open_ends = np.unique(edges[uses == 1])
    neck = surface.vertices_in("neck")
    rim = open_ends[neck[open_ends]]
    if len(rim) < 8:
        low = np.flatnonzero(neck)
        rim = low[surface.rest[low, 1] < surface.rest[low, 1].min() + 0.006]
    return rim
