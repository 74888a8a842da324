# SPDX-License-Identifier: GPL-3.0-or-later
"""A synthetic actor whose head model has FLAME's schema, filmed for a few frames.

Truth is kept in the camera: OpenCV axes, metres; pixels from the upper left corner.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from engine.head.flame import flame_model
from engine.head.generic.paint import base_colours
from engine.head.model import JAW, NECK, Head, HeadModel
from engine.head.skinning import HeadTensors, posed_vertices
from engine.render.camera import Camera
from engine.render.mesh import shade, view_mesh

SIZE = 96  # px
FRAMES = 6
SHAPES, EXPRESSIONS = 300, 100  # coefficients that datasets write


def flame_arrays(model: HeadModel) -> dict[str, np.ndarray]:
    """The generic head as a file of FLAME's schema holds it, with pose correctives of its own."""
    head = model.mean
    rng = np.random.default_rng(3)
    bend = (
        rng.normal(size=(1, 3, 36)) * 2e-3 * np.clip(head.skin_weights[:, JAW], 0, 1)[:, None, None]
    )
    modes = np.concatenate([model.identities, head.expressions]).astype(np.float32)
    return {
        "v_template": head.vertices,
        "f": head.faces,
        "shapedirs": np.moveaxis(modes, 0, 2),
        "n_shape": np.array(len(model.identities)),
        "posedirs": bend.astype(np.float32),
        "J_regressor": model.joint_regressor,
        "weights": head.skin_weights,
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]]),
    }


@dataclass(frozen=True)
class Actor:
    """The truth, and what was filmed."""

    model: HeadModel
    head: Head
    psi: np.ndarray  # [N, E]
    theta: np.ndarray  # [N, J, 3] rad
    translation: np.ndarray  # [N, 3] m
    camera: Camera
    images: tuple[np.ndarray, ...]  # [H, W, 3] uint8 RGB
    mattes: tuple[np.ndarray, ...]  # [H, W] uint8

    def __len__(self) -> int:
        return len(self.psi)

    @property
    def shape(self) -> np.ndarray:
        """[300] as datasets write it."""
        return padded(self.head.beta, SHAPES)

    def expression(self, count: int = EXPRESSIONS) -> np.ndarray:
        """[N, count] as datasets write it."""
        return np.stack([padded(row, count) for row in self.psi])

    def mesh(self, *, moved: bool) -> np.ndarray:
        """The vertices [N, V, 3] m; without the head's pose unless `moved`."""
        theta, translation = self.theta.copy(), self.translation.copy()
        if not moved:
            theta[:, 0], translation[:] = 0, 0
        return posed(self.head, self.psi, theta, translation)

    def canonical(self, jaw: float) -> np.ndarray:
        """The neutral head [V, 3] m with an open jaw."""
        theta = np.zeros((1, 5, 3))
        theta[0, JAW, 0] = jaw
        return posed(self.head, self.psi[:1] * 0, theta, np.zeros((1, 3)))[0]

    def pose_in_camera(self) -> np.ndarray:
        """camera_from_world [N, 4, 4] when the head itself stands still: OpenCV axes, m."""
        poses = np.tile(np.eye(4), (len(self), 1, 1))
        poses[:, :3, :3] = Rotation.from_rotvec(self.theta[:, 0]).as_matrix()
        still, moved = self.mesh(moved=False)[:, 0], self.mesh(moved=True)[:, 0]  # any vertex
        poses[:, :3, 3] = moved - np.einsum("nab,nb->na", poses[:, :3, :3], still)
        return self.camera.camera_from_world @ poses

    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """True vertices in the camera [N, V, 3] m, and their pixels [N, V, 2]."""
        return in_camera(self.camera, self.mesh(moved=True))


def posed(head: Head, psi, theta, translation) -> np.ndarray:
    """[N, V, 3] m."""
    arrays = (
        torch.as_tensor(np.asarray(a), dtype=torch.float32) for a in (psi, theta, translation)
    )
    return posed_vertices(HeadTensors.of(head), *arrays).numpy()


def in_camera(camera: Camera, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """World points [..., 3] → camera space [..., 3] m and pixels [..., 2]."""
    pose = camera.camera_from_world
    pixels, _ = camera.project(vertices)
    return vertices @ pose[:3, :3].T + pose[:3, 3], pixels


def padded(row: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([row, np.zeros(max(count - len(row), 0))]).astype(np.float64)[:count]


def make_actor(
    generic: HeadModel,
    size: tuple[int, int] = (SIZE, SIZE),
    *,
    neck: bool = True,
    squeeze: float = 1.02,
) -> Actor:
    """An actor who turns, speaks and looks about before an off-centre lens."""
    model = flame_model(flame_arrays(generic))
    rng = np.random.default_rng(11)
    head = model.subject(rng.normal(size=len(model.identity_names)) * 0.6)
    n = FRAMES
    phase = np.linspace(0, 2 * np.pi, n, endpoint=False)
    psi = np.clip(rng.normal(size=(n, len(head.expression_names))) * 0.15, -0.3, 0.5)
    theta = np.zeros((n, 5, 3))
    theta[:, 0] = np.stack([0.1 * np.cos(phase), 0.35 * np.sin(phase), 0.08 * np.sin(2 * phase)], 1)
    theta[:, NECK, 0] = 0.06 * np.sin(phase) * neck
    theta[:, JAW, 0] = 0.1 + 0.08 * np.cos(2 * phase)
    theta[:, 3:, 1] = 0.15 * np.sin(phase)[:, None]
    translation = np.stack([0.01 * np.sin(phase), 0.006 * np.cos(phase), 0.02 * np.sin(phase)], 1)
    camera = lens(head, size, squeeze)
    images, mattes = [], []
    for vertices in posed(head, psi, theta, translation):
        images.append(shade(vertices, head.faces, camera, base_colours(generic.mean)))
        hit = view_mesh(vertices, head.faces, camera, supersample=2).hit.astype(np.float32)
        mattes.append((cv2.resize(hit, size, interpolation=cv2.INTER_AREA) * 255).astype(np.uint8))
    return Actor(model, head, psi, theta, translation, camera, tuple(images), tuple(mattes))


def lens(head: Head, size: tuple[int, int], squeeze: float) -> Camera:
    """The head fills the middle of the picture; the lens' axis does not meet it there."""
    width, height = size
    centre = (head.vertices.min(0) + head.vertices.max(0)) / 2
    pose = np.eye(4)
    pose[:3, :3] = np.diag([1.0, -1.0, -1.0])
    pose[:3, 3] = pose[:3, :3] @ -centre + (-0.02, -0.055, 0.8)
    focal = 2.3 * height
    return Camera(width, height, focal, squeeze * focal, 0.54 * width, 0.62 * height, pose)
