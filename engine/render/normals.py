# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way the surface faces in every pixel, asked of the posed head where the picture's depth is.

The density's own gradient was tried: on the demo's subject it is rougher and further from the truth
than the head's surface, for a density is learned from colours and not from shading.
"""

import torch
from torch import Tensor

from .scene import EMPTY_DEPTH, Scene


def surface_normals(
    scene: Scene, origins: Tensor, directions: Tensor, depth: Tensor, alpha: Tensor
) -> Tensor:
    """Normals [R, 3] of R rays in head space, times alpha; zero where there is nothing.

    They never face away from the ray: where the nearest surface does a little (at the rim of the
    nose) the normal is laid square to the ray, and where it does clearly (between the lips, behind
    the ear's folds) it is turned towards where the ray comes from.

    Args:
        scene: the avatar posed for the frame.
        origins: [R, 3] m.
        directions: [R, 3].
        depth: [R] m, EMPTY_DEPTH where there is nothing.
        alpha: [R].
    """
    normals = torch.zeros_like(directions)
    seen = (depth < EMPTY_DEPTH).nonzero()[:, 0]
    x = origins[seen] + depth[seen, None] * directions[seen]  # [S, 3] m, posed
    frame = torch.zeros(len(seen), dtype=torch.int32, device=x.device)
    face, bary, _ = scene.poser.meshes.nearest(x, frame, scene.avatar.config.shell)
    near = (face >= 0).nonzero()[:, 0]
    seen, corners = seen[near], scene.avatar.skin.faces[face[near].long()].long()  # [S, 3]
    at_vertices = vertex_normals(scene.pose.vertices[0], scene.avatar.skin.faces.long())  # [V, 3]
    found = (bary[near][..., None] * at_vertices[corners]).sum(1)
    towards = torch.nn.functional.normalize(directions[seen], dim=1)
    away = (found * towards).sum(1, keepdim=True).clamp_min(0)
    turned = (2 * away).clamp(max=1)
    square = torch.nn.functional.normalize(found - away * towards, dim=1)
    found = torch.nn.functional.normalize((1 - turned) * square - turned * towards, dim=1)
    normals[seen] = found * alpha[seen, None]
    return normals


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Area-weighted unit normals [V, 3] of vertices [V, 3], outwards from triangles [F, 3]."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    of_faces = torch.linalg.cross(b - a, c - a)
    normals = torch.zeros_like(vertices)
    for i in range(3):
        normals.index_add_(0, faces[:, i], of_faces)
    return torch.nn.functional.normalize(normals, dim=1)
