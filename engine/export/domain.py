# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in canonical space an avatar's field means anything.

Training sees the head from outside, so what the field holds far inside is anything. There the head
counts as solid, so that no inner walls are exported.
"""

import numpy as np
import torch
from torch import Tensor

from ..avatar.model import Avatar
from ..head.model import PARTS, Head
from ..head.skinning import HeadTensors, canonical_vertices
from ..kernels.nearest import PosedMeshes
from ..render.mesh import vertex_normals
from .surface import DENSEST, Domain

SOLID_DEPTH = 0.008  # m under the skin; the true surface is hardly ever that far down
SOLID_RAMP = 0.004  # m within which the density rises to solid, so that no steps show
LATTICE = 96  # nodes along each side at which the depth is measured; in between it is interpolated
OUTLETS = ("mouth", "eye_left", "eye_right")  # parts whose skin has an opening
FAR = 1.0  # m, farther than any point of a head's box


def canonical_domain(avatar: Avatar) -> Domain:
    """Where an avatar's field means anything, and where the head is solid, in canonical space."""
    lattice = depth_lattice(avatar)
    occupied = avatar.occupancy.occupied.flatten()

    def domain(points: Tensor) -> tuple[Tensor, Tensor]:
        unit = avatar.unit(points)
        known = ((unit > 0) & (unit < 1)).all(1) & (occupied[avatar.occupancy.flat(unit)] > 0)
        share = (interpolate(lattice, unit) - SOLID_DEPTH) / SOLID_RAMP
        return known, share.clamp(0, 1) * DENSEST

    return domain


def depth_lattice(avatar: Avatar) -> Tensor:
    """The depth under the skin [L, L, L] m at the nodes of a lattice over the avatar's cube."""
    ticks = torch.linspace(0, 1, LATTICE, device=avatar.device)
    nodes = torch.stack(torch.meshgrid(ticks, ticks, ticks, indexing="ij"), -1).reshape(-1, 3)
    depth = InsideHead(avatar.head, avatar.device).depth(nodes * avatar.size + avatar.low)
    return depth.reshape(LATTICE, LATTICE, LATTICE)


def interpolate(lattice: Tensor, unit: Tensor) -> Tensor:
    """A lattice's values [L, L, L] at points [S, 3] of the unit cube, trilinear, 0 outside: [S]."""
    places = (unit * 2 - 1).flip(1)[None, None, None]  # torch counts z, y, x
    grid = lattice[None, None].to(places.dtype)
    return torch.nn.functional.grid_sample(grid, places, align_corners=True)[0, 0, 0, 0]


def occupied_box(avatar: Avatar) -> tuple[np.ndarray, np.ndarray]:
    """The corners [3] m, canonical space, of the box around all that may hold something."""
    grid = avatar.occupancy.occupied.cpu().numpy() > 0
    low, cell = avatar.low.cpu().numpy(), avatar.size / len(grid)
    filled = np.argwhere(grid)
    if not len(filled):
        return low, low + avatar.size
    return low + filled.min(0) * cell, low + (filled.max(0) + 1) * cell


class InsideHead:
    """Which points lie under the canonical head's skin.

    Args:
        head: the subject's.
        device: where the queries run.
    """

    def __init__(self, head: Head, device: torch.device) -> None:
        self.vertices = canonical_vertices(HeadTensors.of(head, device))  # [V, 3] m
        faces = head.skin_faces.astype(np.int64)
        faces = faces[~np.isin(faces, head.vertices_in("ear")).any(1)]
        self.faces = torch.as_tensor(faces, device=device)
        # Ears are left out: they are thin, and often sheets of their own on an open head.
        outlets = np.isin(head.vertex_part, [PARTS.index(name) for name in OUTLETS])
        outlets[head.vertices_in("neck")] = True
        rim = _rim_edges(faces) & outlets[faces].all(1)[:, None]
        self.rim = torch.as_tensor(rim, device=device)  # [F, 3] bool
        normals = vertex_normals(self.vertices.cpu().numpy(), faces)
        self.normals = torch.as_tensor(normals, device=device)  # [V, 3]
        self.meshes = PosedMeshes(self.faces.int(), device)
        self.meshes.pose(self.vertices[None])

    def depth(self, points: Tensor) -> Tensor:
        """How far under the skin the points [S, 3] m are: [S] m, 0 outside.

        Points whose nearest skin is the rim of the neck, or of a lid or lip, are not inside: they
        lie before the opening.
        """
        frame = torch.zeros(len(points), dtype=torch.int32, device=points.device)
        face, bary, distance = self.meshes.nearest(points, frame, FAR)
        corners = self.faces[face.clamp_min(0).long()]  # [S, 3]
        surface = (bary[..., None] * self.vertices[corners]).sum(1)
        normal = (bary[..., None] * self.normals[corners]).sum(1)  # smooth: edges have a side too
        under = ((points - surface) * normal).sum(-1) < 0
        at_rim = ((bary < 1e-3) & self.rim[face.clamp_min(0).long()]).any(1)
        return torch.where((face >= 0) & under & ~at_rim, distance, torch.zeros_like(distance))


def _rim_edges(faces: np.ndarray) -> np.ndarray:
    """[F, 3] bool: whether the edge opposite each corner has no face beyond it."""
    opposite = np.stack([faces[:, [1, 2]], faces[:, [2, 0]], faces[:, [0, 1]]], 1)  # [F, 3, 2]
    edges = np.sort(opposite.reshape(-1, 2), axis=1)
    _, index, count = np.unique(edges, axis=0, return_inverse=True, return_counts=True)
    return (count[index.reshape(-1)] == 1).reshape(-1, 3)
