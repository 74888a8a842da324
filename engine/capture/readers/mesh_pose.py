# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters of a head from posed meshes of it: what a dataset left in its meshes alone.

Meshes have the head model's vertices in their order; vertices beyond (VHAP's teeth) are left out.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import CaptureError
from ...head.model import JAW, JOINTS, Head, HeadModel
from ...head.skinning import HeadTensors, joint_transforms, posed_vertices, vertex_offsets
from .dataset import with_vertices
from .rotations import axis_angle

CANONICAL_JAWS = (np.radians(12.0), 0.3, 0.2, 0.0)  # rad: INSTA's, VHAP's, ours, closed
PER_JOINT = 150  # vertices that tell a joint's rotation
STEP = 1e-3  # rad or m, of the numerical derivative
ROUNDS = 12
DONE = 1e-7  # rad or m
WORST_HEAD = 3e-3  # m, median, that the model may miss a canonical mesh by
WORST_FRAME = 2e-3  # m, mean, that it may miss a frame's mesh by


def read_obj_vertices(path: Path) -> np.ndarray:
    """The vertices [V, 3] of an OBJ file, float64.

    Raises:
        CaptureError: missing or damaged.
    """
    try:
        with path.open(encoding="utf-8") as file:
            rows = [line.split()[1:4] for line in file if line.startswith("v ")]
        vertices = np.array(rows, np.float64).reshape(-1, 3)
    except (OSError, ValueError) as error:
        raise CaptureError(
            f"The mesh {path} is missing or damaged ({error}).", "Use the complete dataset."
        ) from error
    if not np.isfinite(vertices).all():
        raise CaptureError(f"The mesh {path} is not finite.", "Use the complete dataset.")
    return vertices


def head_of_mesh(model: HeadModel, mesh: np.ndarray, path: Path) -> tuple[Head, float]:
    """The subject whose canonical mesh [V, 3] m this is, and how far the model misses it (m).

    The neutral expression with the jaw open by one of the usual angles; what the model's
    identities cannot explain is baked into the vertices.

    Raises:
        CaptureError: it is no mesh of this model.
    """
    mesh = _of_model(mesh, len(model.mean.vertices), path)
    tensors = double(HeadTensors.of(model.mean))
    fits = [_identity(model, tensors, mesh, jaw) for jaw in CANONICAL_JAWS]
    head, rest = min(fits, key=lambda fit: float(np.linalg.norm(fit[1] - fit[0].vertices)))
    missed = float(np.median(np.linalg.norm(rest - head.vertices, axis=1)))
    if missed > WORST_HEAD:
        raise CaptureError(
            f"The mesh {path} is {1000 * missed:.1f} mm away from every head of the model.",
            "Give the head model that the dataset was made with (its year too).",
        )
    return with_vertices(model, head, rest), missed


def _identity(
    model: HeadModel, tensors: HeadTensors, mesh: np.ndarray, jaw: float
) -> tuple[Head, np.ndarray]:
    """The subject nearest to a mesh with that jaw, and the mesh brought to rest [V, 3] m."""
    modes = model.identities.astype(np.float64).reshape(len(model.identities), -1)  # [B, 3V]
    gram = modes @ modes.T
    gram += 1e-9 * np.trace(gram) / max(len(gram), 1) * np.eye(len(gram))
    beta = np.zeros(len(modes))
    rest = mesh
    for _ in range(6):
        joints = torch.from_numpy(model.subject(beta).joints).double()
        rest = _at_rest(replace(tensors, joints=joints), mesh, jaw)
        shape = (rest - model.mean.vertices).ravel()
        found = np.linalg.solve(gram, modes @ shape) if len(modes) else beta
        change, beta = np.abs(found - beta).max(initial=0), found
        if change < 1e-6:
            break
    return model.subject(beta), rest


def _at_rest(tensors: HeadTensors, mesh: np.ndarray, jaw: float) -> np.ndarray:
    """A mesh [V, 3] m of the neutral expression and an open jaw, with the jaw closed."""
    theta = torch.zeros(1, len(JOINTS), 3, dtype=torch.float64)
    theta[0, JAW, 0] = jaw
    bones = joint_transforms(theta, theta[:, 0] * 0, tensors.joints)[0]
    blended = torch.einsum("vj,jab->vab", tensors.skin_weights, bones).numpy()
    offsets = vertex_offsets(tensors, torch.zeros(1, len(tensors.expressions)).double(), theta)
    turned = mesh - blended[..., 3]
    return np.linalg.solve(blended[..., :3], turned[..., None])[..., 0] - offsets[0].numpy()


class MeshPoser:
    """Finds the joint rotations and the translation of posed meshes of one head."""

    def __init__(self, head: Head) -> None:
        self._rows = _telling_vertices(head)
        self._count = len(head.vertices)
        tensors = double(HeadTensors.of(head))
        of = {"vertices", "skin_weights"}
        flat = {"expressions", "correctives"}
        self._head = replace(
            tensors,
            **{name: getattr(tensors, name)[self._rows] for name in of},
            **{name: getattr(tensors, name).unflatten(1, (-1, 3))[:, self._rows].flatten(1)
               for name in flat},
        )  # fmt: skip

    def pose(
        self, mesh: np.ndarray, psi: np.ndarray, path: Path
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """The theta [J, 3] rad and translation [3] m of a mesh [V, 3] m with expression psi [E].

        Returns:
            Them, and the mean distance that is left, m.

        Raises:
            CaptureError: it is no mesh of this head.
        """
        target = torch.from_numpy(_of_model(mesh, self._count, path)[self._rows])
        coefficients = torch.as_tensor(psi, dtype=torch.float64)
        size = 3 * len(JOINTS) + 3
        unknown = torch.zeros(size, dtype=torch.float64)
        unknown[:3], unknown[-3:] = self._rigid(target, coefficients)
        steps = torch.cat([torch.zeros(1, size), STEP * torch.eye(size)]).double()
        for _ in range(ROUNDS):
            posed = self._posed(unknown + steps, coefficients).flatten(1)  # [1 + U, 3S]
            slopes = (posed[1:] - posed[0]) / STEP  # [U, 3S]
            missed = target.flatten() - posed[0]
            damped = slopes @ slopes.T + 1e-9 * len(missed) * torch.eye(size).double()
            move = torch.linalg.solve(damped, slopes @ missed)
            unknown = unknown + move
            if move.abs().max() < DONE:
                break
        error = (self._posed(unknown[None], coefficients)[0] - target).norm(dim=-1).mean()
        if error > WORST_FRAME:
            raise CaptureError(
                f"The mesh {path} is {1000 * error:.1f} mm away from the head with the frame's "
                "expression.", "Give the head model that the dataset was made with (its year too).",
            )  # fmt: skip
        theta = unknown[:-3].reshape(len(JOINTS), 3).numpy()
        return theta, unknown[-3:].numpy(), float(error)

    def _posed(self, unknowns: Tensor, psi: Tensor) -> Tensor:
        theta = unknowns[:, :-3].unflatten(1, (len(JOINTS), 3))
        return posed_vertices(self._head, psi.expand(len(unknowns), -1), theta, unknowns[:, -3:])

    def _rigid(self, target: Tensor, psi: Tensor) -> tuple[Tensor, Tensor]:
        """Root rotation and translation of the head as a whole (Kabsch)."""
        size = 3 * len(JOINTS) + 3
        rest = self._posed(torch.zeros(1, size).double(), psi)[0].numpy()
        there = target.numpy()
        middle, goal = rest.mean(0), there.mean(0)
        u, _, vt = np.linalg.svd((rest - middle).T @ (there - goal))
        flip = np.diag([1, 1, np.sign(np.linalg.det(vt.T @ u.T))])
        turn = vt.T @ flip @ u.T
        root = self._head.joints[0].numpy()
        moved = goal - (turn @ (middle - root) + root)
        return torch.from_numpy(axis_angle(turn)), torch.from_numpy(moved)


def double(tensors: HeadTensors) -> HeadTensors:
    """The same head in float64."""
    return replace(tensors, **{
        name: value.double() for name, value in vars(tensors).items()
        if value is not None and value.is_floating_point()
    })  # fmt: skip


def _telling_vertices(head: Head) -> np.ndarray:
    """Vertices that follow each joint most, some for each."""
    chosen = []
    for joint in range(len(JOINTS)):
        follows = np.flatnonzero(head.skin_weights[:, joint] > 0.3)
        chosen.append(follows[:: max(len(follows) // PER_JOINT, 1)])
    chosen.append(np.arange(0, len(head.vertices), max(len(head.vertices) // PER_JOINT, 1)))
    return np.unique(np.concatenate(chosen))


def _of_model(mesh: np.ndarray, count: int, path: Path) -> np.ndarray:
    if len(mesh) < count:
        raise CaptureError(
            f"The mesh {path} has {len(mesh)} vertices, the head model {count}.",
            "Give the head model that the dataset was made with.",
        )
    return mesh[:count]
