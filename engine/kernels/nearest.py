# SPDX-License-Identifier: GPL-3.0-or-later
"""Nearest points on the posed heads of several frames (one bounding-volume hierarchy each)."""

import numpy as np
import torch
import warp as wp
from torch import Tensor

from .threads import each_slice


@wp.kernel
def _nearest(
    meshes: wp.array(dtype=wp.uint64),
    frame: wp.array(dtype=wp.int32),
    x: wp.array(dtype=wp.vec3),
    reach: wp.float32,
    face: wp.array(dtype=wp.int32),
    bary: wp.array(dtype=wp.vec3),
    distance: wp.array(dtype=wp.float32),
):
    i = wp.tid()
    mesh = meshes[frame[i]]
    query = wp.mesh_query_point_no_sign(mesh, x[i], reach)
    if query.result:
        face[i] = query.face
        bary[i] = wp.vec3(query.u, query.v, 1.0 - query.u - query.v)
        p = wp.mesh_eval_position(mesh, query.face, query.u, query.v)
        distance[i] = wp.length(p - x[i])
    else:
        face[i] = -1
        bary[i] = wp.vec3(0.0, 0.0, 0.0)
        distance[i] = reach


@wp.kernel
def _signed(
    mesh: wp.uint64,
    x: wp.array(dtype=wp.vec3),
    reach: wp.float32,
    face: wp.array(dtype=wp.int32),
    distance: wp.array(dtype=wp.float32),
):
    i = wp.tid()
    query = wp.mesh_query_point_sign_winding_number(mesh, x[i], reach, 2.0, 0.5)
    if query.result:
        p = wp.mesh_eval_position(mesh, query.face, query.u, query.v)
        face[i] = query.face
        distance[i] = query.sign * wp.length(p - x[i])
    else:
        face[i] = -1
        distance[i] = reach


def signed_distance(
    vertices: Tensor, faces: Tensor, x: Tensor, reach: float
) -> tuple[Tensor, Tensor]:
    """How far points lie outside a mesh, which may have holes: the winding number tells the side.

    Args:
        vertices: [V, 3] m.
        faces: [F, 3] int32, counter-clockwise from outside.
        x: [S, 3] m.
        reach: m; farther points count as `reach` outside.

    Returns:
        distance [S] m, negative inside, and the nearest face [S] int32 (-1 = beyond reach).
    """
    mesh = wp.Mesh(
        points=wp.from_torch(vertices.detach().float().contiguous(), dtype=wp.vec3),
        indices=wp.from_torch(faces.int().contiguous().flatten(), dtype=wp.int32),
        support_winding_number=True,
    )
    face = torch.empty(len(x), dtype=torch.int32, device=x.device)
    distance = torch.empty(len(x), device=x.device)
    x = x.detach().contiguous()

    def run(part: slice) -> None:
        wp.launch(
            _signed,
            dim=part.stop - part.start,
            inputs=[mesh.id, wp.from_torch(x[part], dtype=wp.vec3), reach],
            outputs=[wp.from_torch(face[part]), wp.from_torch(distance[part])],
            device=wp.device_from_torch(x.device),
        )

    each_slice(len(x), x.device, run)
    return distance, face


class PosedMeshes:
    """The same triangles in any number of poses, each ready for nearest-point queries.

    The hierarchy is built once and refitted for every new pose. Which of two triangles is found at
    their common edge follows from how it was built: where it is built on the same vertices each
    time, answers do not depend on which poses came before.

    Args:
        faces: [F, 3] int32.
        device: where the queries run.
        built_on: [V, 3] m, what the hierarchies are built on; None takes the first pose of each.
    """

    def __init__(self, faces: Tensor, device: torch.device, built_on: Tensor | None = None) -> None:
        self._built_on = built_on
        self._device = wp.device_from_torch(device)
        self._indices = wp.from_torch(faces.to(device).int().contiguous().flatten(), dtype=wp.int32)
        self._meshes: list[wp.Mesh] = []
        self._ids = wp.array(np.zeros(0, np.uint64), dtype=wp.uint64, device=self._device)

    def pose(self, vertices: Tensor) -> None:
        """Take the poses [N, V, 3] m, one mesh for each."""
        points = vertices.detach().float().contiguous()
        for n in range(len(points)):
            if n == len(self._meshes):
                first = points[n] if self._built_on is None else self._built_on.float().contiguous()
                first = wp.clone(wp.from_torch(first, dtype=wp.vec3))
                self._meshes.append(wp.Mesh(points=first, indices=self._indices))
            wp.copy(self._meshes[n].points, wp.from_torch(points[n], dtype=wp.vec3))
            self._meshes[n].refit()
        ids = np.array([mesh.id for mesh in self._meshes], np.uint64)
        self._ids = wp.array(ids, dtype=wp.uint64, device=self._device)

    @property
    def ids(self) -> wp.array:
        """[N] uint64, the meshes for other kernels; the next `pose` changes them."""
        return self._ids

    def mesh(self, n: int) -> wp.Mesh:
        """The mesh in pose `n`, for other kernels; the next `pose` changes it."""
        return self._meshes[n]

    def nearest(self, x: Tensor, frame: Tensor, reach: float) -> tuple[Tensor, Tensor, Tensor]:
        """The nearest surface point of every query. Not differentiable: face ids are detached.

        Args:
            x: [S, 3] m, posed space.
            frame: [S] int32, which pose.
            reach: m; farther than this counts as nothing found.

        Returns:
            face [S] int32 (-1 = nothing within reach), barycentrics [S, 3], distance [S] m.
        """
        count = len(x)
        face = torch.empty(count, dtype=torch.int32, device=x.device)
        bary = torch.empty(count, 3, device=x.device)
        distance = torch.empty(count, device=x.device)
        x, frame = x.detach().contiguous(), frame.contiguous()

        def run(part: slice) -> None:
            wp.launch(
                _nearest,
                dim=part.stop - part.start,
                inputs=[
                    self._ids,
                    wp.from_torch(frame[part]),
                    wp.from_torch(x[part], dtype=wp.vec3),
                    reach,
                ],
                outputs=[
                    wp.from_torch(face[part]),
                    wp.from_torch(bary[part], dtype=wp.vec3),
                    wp.from_torch(distance[part]),
                ],
                device=self._device,
            )

        each_slice(count, x.device, run)
        return face, bary, distance
