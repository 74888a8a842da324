# SPDX-License-Identifier: GPL-3.0-or-later
"""A finer mesh of the same head: Loop subdivision as a matrix that all bases follow."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import coo_matrix, csr_matrix

from ..head.model import REGIONS, Head
from ..head.skinning import HeadTensors

DENSE_ENOUGH = 40_000  # vertices


@dataclass(frozen=True)
class Surface:
    """The refined head: V vertices. The first ones are the head's own, slightly smoothed."""

    tensors: HeadTensors  # neutral vertices, expressions, weights …
    rest: np.ndarray  # [V, 3] float32 m, neutral
    faces: np.ndarray  # [F, 3] int32
    vertex_region: np.ndarray  # [V] uint8 into REGIONS
    face_region: np.ndarray  # [F] uint8 into REGIONS
    normal_sum: csr_matrix  # [V, F], adds the normals of the faces around a vertex

    def normals(self, vertices: np.ndarray) -> np.ndarray:
        """Unit normals [V, 3] of the vertices [V, 3]."""
        return mesh_normals(vertices, self.faces, self.normal_sum)

    def smoothed(self, values: np.ndarray) -> np.ndarray:
        """The values [V] averaged over the faces around each vertex."""
        touched = np.maximum(self.normal_sum @ np.ones(len(self.faces), np.float32), 1)
        return ((self.normal_sum @ values[self.faces].mean(1)) / touched).astype(np.float32)

    def vertices_in(self, *regions: str) -> np.ndarray:
        """[V] bool, which vertices lie in one of the regions."""
        return np.isin(self.vertex_region, [REGIONS.index(name) for name in regions])


def mesh_normals(vertices: np.ndarray, faces: np.ndarray, normal_sum: csr_matrix) -> np.ndarray:
    """Area-weighted unit normals [V, 3]; the sum over faces is a matrix, for speed."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normals = normal_sum @ np.cross(b - a, c - a)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def normal_matrix(faces: np.ndarray, count: int) -> csr_matrix:
    """The matrix [V, F] of `mesh_normals`."""
    rows, columns = faces.ravel(), np.repeat(np.arange(len(faces)), 3)
    return csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (count, len(faces)))


def refine(head: Head) -> Surface:
    """The head's surface, subdivided once unless it is dense already."""
    base = HeadTensors.of(head)
    count = len(head.vertices)
    if count > DENSE_ENOUGH:
        matrix, faces, parents = None, head.faces, None
    else:
        matrix, faces, parents = loop_matrix(head.faces, count)
    if parents is None:
        tensors, region = base, head.vertex_region
    else:
        tensors = _refined(base, matrix, faces)
        region = np.concatenate([head.vertex_region, np.minimum(*head.vertex_region[parents].T)])
    return Surface(
        tensors=tensors,
        rest=tensors.vertices.numpy(),
        faces=faces,
        vertex_region=region.astype(np.uint8),
        face_region=np.sort(region[faces], axis=1)[:, 1].astype(np.uint8),
        normal_sum=normal_matrix(faces, len(region)),
    )


def _refined(base: HeadTensors, matrix: csr_matrix, faces: np.ndarray) -> HeadTensors:
    def fine(values: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.asarray(matrix @ values.numpy(), np.float32))

    def fine_basis(basis: torch.Tensor) -> torch.Tensor:
        k = len(basis)
        by_vertex = (
            basis.reshape(k, matrix.shape[1], 3).transpose(0, 1).reshape(matrix.shape[1], k * 3)
        )
        dense = fine(by_vertex).reshape(matrix.shape[0], k, 3).transpose(0, 1)
        return dense.reshape(k, matrix.shape[0] * 3).contiguous()

    return HeadTensors(
        vertices=fine(base.vertices),
        faces=torch.from_numpy(faces),
        expressions=fine_basis(base.expressions),
        joints=base.joints,
        skin_weights=fine(base.skin_weights),
        correctives=fine_basis(base.correctives),
        corrective_index=base.corrective_index,
        part_weights=fine(base.part_weights),
    )


def loop_matrix(faces: np.ndarray, count: int) -> tuple[csr_matrix, np.ndarray, np.ndarray]:
    """One step of Loop's scheme on a triangle mesh with boundaries.

    Returns:
        The matrix [V', V] that makes the new vertices out of the old, the new faces [4F, 3] int32
        (four for each old one, one after the other), and the two ends [V'-V, 2] of each split edge.
    """
    corners = np.stack([faces, np.roll(faces, -1, 1)], -1).reshape(
        -1, 2
    )  # edge k joins corners k, k+1
    opposite = np.roll(faces, -2, 1).reshape(-1)
    edges, edge_of = np.unique(np.sort(corners, 1), axis=0, return_inverse=True)
    edge_of = edge_of.reshape(-1)
    uses = np.bincount(edge_of, minlength=len(edges))
    inner = uses == 2
    middle = count + np.arange(len(edges))
    rows = [np.repeat(middle, 2), middle[edge_of][inner[edge_of]]]
    columns = [edges.ravel(), opposite[inner[edge_of]]]
    values = [np.repeat(np.where(inner, 3 / 8, 1 / 2), 2), np.full(inner[edge_of].sum(), 1 / 8)]

    rim = edges[~inner]
    on_rim = np.zeros(count, bool)
    on_rim[rim.ravel()] = True
    valence = np.bincount(edges.ravel(), minlength=count)
    share = np.where(valence == 3, 3 / 16, 3 / (8 * np.maximum(valence, 1)))
    both = np.concatenate([edges, edges[:, ::-1]])
    free = both[~on_rim[both[:, 0]]]
    rims = np.concatenate([rim, rim[:, ::-1]])
    rim_valence = np.bincount(rim.ravel(), minlength=count)
    own = np.where(on_rim, np.where(rim_valence == 2, 3 / 4, 1.0), 1 - valence * share)
    rims = rims[rim_valence[rims[:, 0]] == 2]
    rows += [np.arange(count), free[:, 0], rims[:, 0]]
    columns += [np.arange(count), free[:, 1], rims[:, 1]]
    values += [own, share[free[:, 0]], np.full(len(rims), 1 / 8)]

    shape = (count + len(edges), count)
    matrix = coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape
    )
    ab, bc, ca = (count + edge_of.reshape(-1, 3)).T
    a, b, c = faces.T
    four = np.stack(
        [np.stack(t, -1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))], 1
    )
    return matrix.tocsr().astype(np.float32), four.reshape(-1, 3).astype(np.int32), edges
