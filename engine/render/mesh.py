# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of triangle meshes by ray casting: for ground truth, overlays and picture sheets."""

from dataclasses import dataclass

import numpy as np
import torch

from ..kernels.raycast import cast_rays
from .camera import Camera


@dataclass(frozen=True)
class MeshView:
    """What a camera sees of a mesh: one row per ray, images row by row."""

    depth: np.ndarray  # [H, W] float32 m along the camera's z, inf where empty
    face: np.ndarray  # [H, W] int32, -1 where empty
    bary: np.ndarray  # [H, W, 3] float32

    @property
    def hit(self) -> np.ndarray:
        """[H, W] bool, where the mesh is seen."""
        return self.face >= 0

    def interpolate(self, attribute: np.ndarray, faces: np.ndarray) -> np.ndarray:
        """Vertex attributes [A, C] through triangles [F, 3]: [H, W, C], 0 where empty."""
        values = np.einsum("hwkc,hwk->hwc", attribute[faces[self.face]], self.bary)
        return np.where(self.hit[..., None], values, 0)


def view_mesh(
    vertices: np.ndarray, faces: np.ndarray, camera: Camera, supersample: int = 1
) -> MeshView:
    """Cast a ray through every pixel centre (of a finer grid with `supersample`)."""
    if supersample > 1:
        camera = camera.resized(camera.width * supersample, camera.height * supersample)
    count = camera.width * camera.height
    origins, rays = (torch.from_numpy(array).expand(count, 3) for array in camera.rays())
    t, face, bary = cast_rays(
        torch.from_numpy(np.ascontiguousarray(vertices, np.float32)),
        torch.from_numpy(np.ascontiguousarray(faces, np.int32)),
        origins,
        rays,
    )
    shape = (camera.height, camera.width)
    return MeshView(
        t.numpy().reshape(shape), face.numpy().reshape(shape), bary.numpy().reshape(*shape, 3)
    )


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals [V, 3], outwards for counter-clockwise faces."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    face_normals = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(normals, faces[:, i], face_normals)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def shade(
    vertices: np.ndarray, faces: np.ndarray, camera: Camera, colour: np.ndarray | None = None
) -> np.ndarray:
    """A plainly lit picture [H, W, 3] uint8 on white, for people to look at.

    Args:
        vertices: [V, 3] m.
        faces: [F, 3].
        camera: the view.
        colour: [V, 3] in 0…1, display-referred; clay when None.
    """
    view = view_mesh(vertices, faces, camera, supersample=2)
    normals = view.interpolate(vertex_normals(vertices, faces), faces)
    back = np.linalg.inv(camera.camera_from_world[:3, :3])
    key, fill = back @ (-0.5, -0.6, -0.7), back @ (0.9, 0.1, -0.4)
    light = sum(
        strength * np.clip(normals @ (direction / np.linalg.norm(direction)), 0, 1)
        for direction, strength in ((key, 0.75), (fill, 0.25))
    )
    base = view.interpolate(colour, faces) if colour is not None else np.array([0.78, 0.70, 0.64])
    picture = np.where(view.hit[..., None], base * (0.18 + light[..., None]), 1.0)
    h, w = picture.shape[0] // 2, picture.shape[1] // 2
    picture = picture.reshape(h, 2, w, 2, 3).mean((1, 3))
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def portrait_camera(
    vertices: np.ndarray, size: int = 256, yaw: float = 0.0, pitch: float = 0.0
) -> Camera:
    """A camera that frames the vertices from the front, turned by yaw and pitch (rad)."""
    centre = (vertices.min(0) + vertices.max(0)) / 2
    radius = np.linalg.norm(vertices - centre, axis=1).max()
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    turn = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]]) @ np.array(
        [[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]]
    )
    pose = np.eye(4)
    pose[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ turn
    distance = radius * 5
    pose[:3, 3] = pose[:3, :3] @ -centre + (0, 0, distance)
    focal = size / 2 * distance / (radius * 1.02)
    return Camera(size, size, focal, focal, size / 2, size / 2, pose)
