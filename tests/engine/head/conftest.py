# SPDX-License-Identifier: GPL-3.0-or-later
"""Small heads to test with: one of random numbers, and a file of FLAME's schema."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from engine.head.anatomy import vertex_landmarks
from engine.head.generic import build_generic_head
from engine.head.generic.build import generic_body
from engine.head.generic.half import Body
from engine.head.model import JAW, JOINTS, PARTS, REGIONS, Head, HeadModel
from engine.head.skinning import HeadTensors, posed_vertices

EYES = np.array([[0.0315, 0.035, 0.07], [-0.0315, 0.035, 0.07]])  # m, left and right


@pytest.fixture(scope="session")
def ict_file() -> Path:
    root = os.environ.get("PARTNERFACE_SHARED", Path(__file__).parents[4] / "shared")
    path = Path(root) / "heads" / "ict_head.npz"
    if not path.is_file():
        pytest.skip(f"needs the ICT head at {path} (set PARTNERFACE_SHARED)")
    return path


@pytest.fixture
def random_head() -> Head:
    """A head of random numbers: 14 vertices, 3 expressions, 4 correctives."""
    rng = np.random.default_rng(5)
    v, e, k = 14, 3, 4
    weights = rng.random((v, len(JOINTS))) ** 3
    faces = np.array([[i, (i + 1) % v, (i + 2) % v] for i in range(v)], np.int32)
    landmarks = vertex_landmarks(np.arange(3))
    return Head(
        model_name="random",
        model_fingerprint="0",
        beta=np.zeros(0, np.float32),
        vertices=rng.normal(size=(v, 3)).astype(np.float32),
        faces=faces,
        uv=np.zeros((3, 2), np.float32),
        uv_faces=np.zeros_like(faces),
        expression_names=("a", "b", "c"),
        expressions=rng.normal(size=(e, v, 3)).astype(np.float16),
        joints=rng.normal(size=(len(JOINTS), 3)).astype(np.float32),
        skin_weights=(weights / weights.sum(1, keepdims=True)).astype(np.float32),
        correctives=rng.normal(size=(k, v, 3)).astype(np.float16),
        corrective_index=np.array([3, 16, 22, 35], np.int32),
        landmarks68=landmarks,
        landmarks468=landmarks,
        vertex_region=np.full(v, REGIONS.index("face"), np.uint8),
        vertex_part=rng.integers(0, len(PARTS), v).astype(np.uint8),
    )


@pytest.fixture(scope="session")
def flame_arrays() -> dict[str, np.ndarray]:
    """FLAME's schema over an egg with a chin, a neck and two eyeballs, 63 mm apart."""
    rng = np.random.default_rng(2)
    egg = trimesh.creation.icosphere(subdivisions=4)
    skin = egg.vertices * (0.078, 0.13, 0.1) + (0, 0.02, 0)
    chin = np.exp(-(((skin - (0, -0.07, 0.06)) / (0.04, 0.03, 0.05)) ** 2).sum(1))
    skin += chin[:, None] * (0, -0.015, 0.03)
    neck = trimesh.creation.cylinder(radius=0.05, height=0.12, sections=24)
    neck = neck.vertices[:, [0, 2, 1]] * (1, -1, 1) + (0, -0.13, -0.02), neck.faces
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.012)
    pieces = [(skin, egg.faces), neck, *((ball.vertices + eye, ball.faces) for eye in EYES)]

    starts = np.cumsum([0, *(len(vertices) for vertices, _ in pieces)])
    vertices = np.concatenate([vertices for vertices, _ in pieces])
    faces = np.concatenate(
        [faces + start for (_, faces), start in zip(pieces, starts, strict=False)]
    )
    piece = np.repeat(np.arange(4), [len(vertices) for vertices, _ in pieces])

    weights = np.zeros((len(vertices), 5))
    weights[:, 0] = (vertices[:, 1] < -0.15) & (piece < 2)
    jaw = np.clip((-0.02 - vertices[:, 1]) / 0.03, 0, 1) * np.clip(vertices[:, 2] / 0.05, 0, 1)
    weights[:, 2] = np.where(piece == 0, jaw, 0)
    weights[piece == 2, 3] = 1
    weights[piece == 3, 4] = 1
    weights[:, 1] = 1 - weights.sum(1)

    regressor = np.zeros((5, len(vertices)))
    for row, of in enumerate(
        (vertices[:, 1] < -0.18, piece == 1, np.abs(vertices[:, 1]) < 0.01, piece == 2, piece == 3)
    ):
        regressor[row, of] = 1 / of.sum()
    return {
        "v_template": vertices,
        "f": faces.astype(np.uint32),
        "shapedirs": rng.normal(size=(len(vertices), 3, 400)) * 1e-3,
        "posedirs": rng.normal(size=(len(vertices), 3, 36)) * 1e-4,
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]]),
    }


@pytest.fixture(scope="session")
def generic_model() -> HeadModel:
    """The generic head model, built once."""
    return build_generic_head()


@pytest.fixture(scope="session")
def posed():
    """A function: the vertices [V, 3] m of a head with some expressions and one joint turned."""

    def pose(head: Head, psi: dict[str, float] | None = None, joint: int = JAW, turn=(0, 0, 0)):
        coefficients = torch.zeros(1, len(head.expression_names))
        for name, value in (psi or {}).items():
            coefficients[0, head.expression_names.index(name)] = value
        theta = torch.zeros(1, len(JOINTS), 3)
        theta[0, joint] = torch.tensor(turn, dtype=torch.float32)
        tensors = HeadTensors.of(head)
        return posed_vertices(tensors, coefficients, theta, torch.zeros(1, 3))[0].numpy()

    return pose


@pytest.fixture(scope="session")
def head(generic_model) -> Head:
    """The generic head's mean."""
    return generic_model.mean


@pytest.fixture(scope="session")
def body() -> Body:
    """What the generic head is built of, with its tags."""
    return generic_body()
