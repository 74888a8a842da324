# SPDX-License-Identifier: GPL-3.0-or-later
"""Where rays meet a triangle mesh (Warp, through its bounding-volume hierarchy)."""

import numpy as np
import torch
import warp as wp
from torch import Tensor


@wp.kernel
def first_hits(
    mesh: wp.uint64,
    origins: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    t: wp.array(dtype=wp.float32),
    face: wp.array(dtype=wp.int32),
    bary: wp.array(dtype=wp.vec3),
):
    """For a ray [R] each: where it first meets the mesh; nothing is written where it does not."""
    i = wp.tid()
    d = directions[i]
    length = wp.length(d)
    hit = wp.mesh_query_ray(mesh, origins[i], d / length, 1.0e8)
    if hit.result:
        t[i] = hit.t / length
        face[i] = hit.face
        bary[i] = wp.vec3(hit.u, hit.v, 1.0 - hit.u - hit.v)


def cast_rays(
    vertices: Tensor, faces: Tensor, origins: Tensor, directions: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """First hits of rays with a mesh. Not differentiable.

    Args:
        vertices: [V, 3] m.
        faces: [F, 3] int32.
        origins: [R, 3] m.
        directions: [R, 3], any length.

    Returns:
        t [R] in units of the direction's length (inf where nothing is hit), face [R] int32 (-1
        where nothing is hit), barycentrics [R, 3] of the face's three vertices.
    """
    device = wp.device_from_torch(vertices.device)
    mesh = wp.Mesh(
        points=wp.from_torch(vertices.detach().float().contiguous(), dtype=wp.vec3),
        indices=wp.from_torch(faces.int().contiguous().flatten(), dtype=wp.int32),
    )
    count = len(directions)
    t = torch.full((count,), np.inf, device=vertices.device)
    face = torch.full((count,), -1, dtype=torch.int32, device=vertices.device)
    bary = torch.zeros(count, 3, device=vertices.device)
    wp.launch(
        first_hits,
        dim=count,
        inputs=[
            mesh.id,
            wp.from_torch(origins.float().contiguous(), dtype=wp.vec3),
            wp.from_torch(directions.float().contiguous(), dtype=wp.vec3),
        ],
        outputs=[wp.from_torch(t), wp.from_torch(face), wp.from_torch(bary, dtype=wp.vec3)],
        device=device,
    )
    return t, face, bary
