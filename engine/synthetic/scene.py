# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh that moves but keeps its triangles: first hits of rays, shadows, distances (Warp, CPU)."""

import numpy as np
import warp as wp

from ..kernels.raycast import first_hits


@wp.kernel
def _blocked(
    mesh: wp.uint64,
    origins: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    reach: float,
    blocked: wp.array(dtype=wp.float32),
):
    i = wp.tid()
    if wp.mesh_query_ray_anyhit(mesh, origins[i], directions[i], reach):
        blocked[i] = 1.0


@wp.kernel
def _nearest(
    mesh: wp.uint64, points: wp.array(dtype=wp.vec3), distance: wp.array(dtype=wp.float32)
):
    i = wp.tid()
    found = wp.mesh_query_point_no_sign(mesh, points[i], 10.0)
    if found.result:
        distance[i] = wp.length(
            wp.mesh_eval_position(mesh, found.face, found.u, found.v) - points[i]
        )


class Scene:
    """Triangles [F, 3] over vertices [N, 3] m; `move` puts the vertices elsewhere."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        self._points = wp.array(
            np.ascontiguousarray(vertices, np.float32), dtype=wp.vec3, device="cpu"
        )
        indices = wp.array(
            np.ascontiguousarray(faces, np.int32).ravel(), dtype=wp.int32, device="cpu"
        )
        self._mesh = wp.Mesh(self._points, indices)

    def move(self, vertices: np.ndarray) -> None:
        """Put the vertices [N, 3] in place."""
        self._points.assign(np.ascontiguousarray(vertices, np.float32))
        self._mesh.refit()

    def hits(
        self, origins: np.ndarray, directions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First hits of rays [R, 3]: t [R] (inf where none), face [R] (-1), barycentrics [R, 3]."""
        count = len(directions)
        t = wp.full(count, np.inf, dtype=wp.float32, device="cpu")
        face = wp.full(count, -1, dtype=wp.int32, device="cpu")
        bary = wp.zeros(count, dtype=wp.vec3, device="cpu")
        rays = [_vectors(origins), _vectors(directions)]
        wp.launch(first_hits, count, [self._mesh.id, *rays], [t, face, bary], device="cpu")
        return t.numpy(), face.numpy(), bary.numpy()

    def blocked(self, origins: np.ndarray, directions: np.ndarray, reach: float) -> np.ndarray:
        """[R] float32: 1 where something lies within `reach` m along the unit direction, else 0."""
        found = wp.zeros(len(origins), dtype=wp.float32, device="cpu")
        rays = [_vectors(origins), _vectors(directions)]
        wp.launch(
            _blocked, len(origins), [self._mesh.id, *rays, float(reach)], [found], device="cpu"
        )
        return found.numpy()

    def distances(self, points: np.ndarray) -> np.ndarray:
        """Distances [N] m of the points [N, 3] to the mesh (inf beyond 10 m)."""
        found = wp.full(len(points), np.inf, dtype=wp.float32, device="cpu")
        wp.launch(_nearest, len(points), [self._mesh.id, _vectors(points)], [found], device="cpu")
        return found.numpy()


def _vectors(values: np.ndarray) -> wp.array:
    return wp.array(np.ascontiguousarray(values, np.float32), dtype=wp.vec3, device="cpu")
