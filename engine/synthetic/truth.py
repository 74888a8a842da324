# SPDX-License-Identifier: GPL-3.0-or-later
"""The true surface of a procedural person in the canonical pose, and how far a mesh is from it."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import CaptureError
from ..files import read_tensors, write_tensors
from ..head.model import CANONICAL_JAW, JAW, JOINTS, REGIONS
from .person import Person
from .scene import Scene

SCHEMA_VERSION = 2
FILE_NAME = "truth.safetensors"
PROBES = 20_000


@dataclass(frozen=True)
class Truth:
    """Neutral expression, jaw open by 0.2 rad, no translation: metres, head space."""

    vertices: np.ndarray  # [V, 3] float32
    faces: np.ndarray  # [F, 3] int32
    vertex_region: np.ndarray  # [V] uint8 into REGIONS
    hair_vertices: np.ndarray  # [H, 3] float32
    hair_faces: np.ndarray  # [G, 3] int32
    # Of who wears none, and in files of schema 1, no vertices and no faces.
    glasses_vertices: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    glasses_faces: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.int32))


def make_truth(person: Person) -> Truth:
    """The person's canonical surface."""
    theta = np.zeros((len(JOINTS), 3), np.float32)
    theta[JAW, 0] = CANONICAL_JAW
    posed = person.pose(
        np.zeros(len(person.head.expression_names), np.float32), theta, np.zeros(3, np.float32)
    )
    return Truth(
        posed.skin,
        person.surface.faces,
        person.surface.vertex_region,
        posed.hair,
        person.hair.faces,
        posed.glasses,
        person.glasses.faces,
    )


def write_truth(capture_path: Path, truth: Truth) -> None:
    """Write the truth beside a capture's other files.

    Raises:
        SpaceError: it could not be written.
    """
    write_tensors(
        capture_path / FILE_NAME, {"kind": "truth", "schema_version": SCHEMA_VERSION}, vars(truth)
    )


def read_truth(capture_path: Path) -> Truth:
    """The truth in a capture folder.

    Raises:
        CaptureError: the capture has none (it is not synthetic), or it is damaged.
    """
    _, arrays = read_tensors(capture_path / FILE_NAME, "truth", SCHEMA_VERSION, CaptureError)
    try:
        return Truth(**arrays)
    except TypeError as error:
        raise CaptureError(
            f"The truth in {capture_path} is damaged.", "Make the synthetic capture again."
        ) from error


def surface_error(
    mesh_vertices: np.ndarray, mesh_faces: np.ndarray, truth: Truth
) -> dict[str, float]:
    """How far the true face lies from a mesh.

    From points spread evenly over the true surface of the face (no hair, eyes, or inside of the
    mouth) to the nearest point of the mesh.

    Args:
        mesh_vertices: [N, 3] m, canonical pose, head space.
        mesh_faces: [M, 3].
        truth: the true surface.

    Returns:
        mean_mm, median_mm, p95_mm.

    Raises:
        CaptureError: the mesh is empty.
    """
    if len(mesh_faces) == 0:
        raise CaptureError("The mesh to measure has no faces.", "Export it again.")
    distance = Scene(mesh_vertices, mesh_faces).distances(face_probes(truth)) * 1000
    return {
        "mean_mm": float(distance.mean()),
        "median_mm": float(np.median(distance)),
        "p95_mm": float(np.percentile(distance, 95)),
    }


def face_probes(truth: Truth) -> np.ndarray:
    """Points [PROBES, 3] m spread evenly over the true face, always the same ones."""
    face = truth.vertex_region == REGIONS.index("face")
    corners = truth.vertices[truth.faces[face[truth.faces].all(1)]].astype(np.float64)  # [T, 3, 3]
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    random = np.random.default_rng(0)
    chosen = random.choice(len(corners), PROBES, p=area / area.sum())
    u, v = np.sqrt(random.random(PROBES)), random.random(PROBES)
    bary = np.stack([1 - u, u * (1 - v), u * v], 1)
    return np.einsum("pk,pkc->pc", bary, corners[chosen])
