# SPDX-License-Identifier: GPL-3.0-or-later
"""Linear blend skinning with expressions and pose correctives, differentiable, batched.

N frames. The equations are FLAME's (Li et al. 2017, eq. 2-4) as IMavatar writes them (eq. 1-3):
x_posed = sum_j w_j G_j(theta) (x + B(psi, theta)) + translation.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from .model import CANONICAL_JAW, JAW, JOINT_PARENTS, JOINTS, PARTS, Head


@dataclass(frozen=True)
class HeadTensors:
    """A `Head` on a device, in float32."""

    vertices: Tensor  # [V, 3] m
    faces: Tensor  # [F, 3] int32
    expressions: Tensor  # [E, 3V] m
    joints: Tensor  # [J, 3] m
    skin_weights: Tensor  # [V, J]
    correctives: Tensor  # [K, 3V] m
    corrective_index: Tensor  # [K] int64
    part_weights: Tensor  # [V, P], rows sum to 1
    joint_expressions: Tensor | None = None  # [E, 3J] m

    def joints_of(self, psi: Tensor) -> Tensor:
        """The joints where expressions psi [N, (P,) E] put them: [J, 3] or [N, J, 3] m, neutral."""
        if self.joint_expressions is None:
            return self.joints
        whole = psi.mean(1) if psi.ndim == 3 else psi
        return self.joints + (whole @ self.joint_expressions).unflatten(-1, (-1, 3))

    @classmethod
    def of(cls, head: Head, device: torch.device | str = "cpu") -> "HeadTensors":
        """The head's arrays on the device."""
        return cls._of(head, head.faces, np.arange(len(head.vertices)), device)

    @classmethod
    def in_regions(
        cls, head: Head, regions: tuple[str, ...], device: torch.device | str = "cpu"
    ) -> tuple["HeadTensors", np.ndarray]:
        """Some regions alone, renumbered, and the head's own numbers [V'] of their vertices."""
        rows, faces = np.unique(head.faces_in(*regions), return_inverse=True)
        return cls._of(head, faces.reshape(-1, 3), rows, device), rows

    @classmethod
    def points_of(cls, head: Head, rows: np.ndarray) -> "HeadTensors":
        """Some vertices [S] alone, without faces or parts: to see where they go."""
        return cls._of(head, np.zeros((0, 3), np.int32), rows, "cpu", parts=False)

    @classmethod
    def _of(
        cls,
        head: Head,
        faces: np.ndarray,
        rows: np.ndarray,
        device: torch.device | str,
        parts: bool = True,
    ) -> "HeadTensors":
        def tensor(array: np.ndarray, kind: torch.dtype = torch.float32) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(array)).to(device=device, dtype=kind)

        return cls(
            vertices=tensor(head.vertices[rows]),
            faces=tensor(faces, torch.int32),
            expressions=tensor(head.expressions[:, rows]).flatten(1),
            joints=tensor(head.joints),
            skin_weights=tensor(head.skin_weights[rows]),
            correctives=tensor(head.correctives[:, rows]).flatten(1),
            corrective_index=tensor(head.corrective_index, torch.int64),
            part_weights=tensor(
                smooth_labels(head, head.vertex_part, len(PARTS))[rows]
                if parts
                else np.zeros((len(rows), len(PARTS)))
            ),
            joint_expressions=None
            if head.joint_expressions is None
            else tensor(head.joint_expressions).flatten(1),
        )


def smooth_labels(head: Head, labels: np.ndarray, count: int, rounds: int = 8) -> np.ndarray:
    """One-hot labels [V] averaged over neighbours, against seams: [V, count], rows sum to 1."""
    weights = np.eye(count, dtype=np.float32)[labels]
    start, end = (head.faces[:, corners].ravel() for corners in ([0, 1, 2], [1, 2, 0]))
    links = csr_matrix((np.ones(len(start), np.float32), (start, end)), [len(weights)] * 2)
    links = links + links.T  # an edge of two faces counts once, as one of a single face does
    links.data[:] = 1
    for _ in range(rounds):
        weights = weights + links @ weights
        weights /= weights.sum(axis=1, keepdims=True)
    return weights


def rotation_matrix(axis_angle: Tensor) -> Tensor:
    """Rodrigues' formula: [..., 3] rad → [..., 3, 3], smooth and differentiable at zero."""
    square = (axis_angle * axis_angle).sum(-1, keepdim=True)[..., None]  # [..., 1, 1]
    small = square < 1e-8
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    sine = torch.where(small, 1 - square / 6, torch.sin(angle) / angle)
    cosine = torch.where(small, 0.5 - square / 24, (1 - torch.cos(angle)) / (angle * angle))
    x, y, z = axis_angle.unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    return torch.eye(3, device=skew.device, dtype=skew.dtype) + sine * skew + cosine * (skew @ skew)


def joint_transforms(theta: Tensor, translation: Tensor, joints: Tensor) -> Tensor:
    """posed_from_rest for every joint.

    Args:
        theta: [N, J, 3] rad.
        translation: [N, 3] m, of the whole head, after all rotations.
        joints: [J, 3] m, head space, neutral; or each frame's own, [N, J, 3].

    Returns:
        [N, J, 3, 4], rotation and translation.
    """
    joints = joints.expand(len(theta), -1, -1)
    local = rotation_matrix(theta)  # [N, J, 3, 3]
    rotations: list[Tensor] = []
    places: list[Tensor] = []  # posed joint positions [N, 3]
    for j, parent in enumerate(JOINT_PARENTS):
        if parent < 0:
            rotations.append(local[:, j])
            places.append(joints[:, j] + translation)
        else:
            rotations.append(rotations[parent] @ local[:, j])
            arm = (rotations[parent] @ (joints[:, j] - joints[:, parent])[..., None])[..., 0]
            places.append(places[parent] + arm)
    rotation = torch.stack(rotations, 1)
    shift = torch.stack(places, 1) - (rotation @ joints[..., None])[..., 0]
    return torch.cat([rotation, shift[..., None]], -1)


def vertex_offsets(head: HeadTensors, psi: Tensor, theta: Tensor) -> Tensor:
    """B(psi, theta): what expressions and pose correctives add to the neutral vertices.

    Args:
        head: the subject's head.
        psi: [N, E] for the whole head, or [N, P, E] with a value for each part, blended per vertex.
        theta: [N, J, 3] rad.

    Returns:
        [N, V, 3] m, in the rest pose.
    """
    if psi.ndim == 3:
        per_part = (psi @ head.expressions).unflatten(-1, (-1, 3))  # [N, P, V, 3]
        offsets = torch.einsum("npvc,vp->nvc", per_part, head.part_weights)
    else:
        offsets = (psi @ head.expressions).unflatten(-1, (-1, 3))  # [N, V, 3]
    return offsets + corrective_offsets(head, theta)


def corrective_offsets(head: HeadTensors, theta: Tensor) -> Tensor:
    """What pose correctives alone add: theta [N, J, 3] rad → [N, V, 3] m, in the rest pose."""
    bend = rotation_matrix(theta[:, 1:]) - torch.eye(3, device=theta.device, dtype=theta.dtype)
    features = bend.flatten(1)[:, head.corrective_index]  # [N, K]
    return (features @ head.correctives).unflatten(-1, (-1, 3))


def posed_vertices(head: HeadTensors, psi: Tensor, theta: Tensor, translation: Tensor) -> Tensor:
    """The vertices [N, V, 3] m of psi [N, (P,) E], theta [N, J, 3], translation [N, 3]."""
    transforms = joint_transforms(theta, translation, head.joints_of(psi))  # [N, J, 3, 4]
    blended = torch.einsum("vj,njab->nvab", head.skin_weights, transforms)  # [N, V, 3, 4]
    rest = head.vertices + vertex_offsets(head, psi, theta)  # [N, V, 3]
    return (blended[..., :3] @ rest[..., None])[..., 0] + blended[..., 3]


def canonical_theta(device: torch.device | str = "cpu") -> Tensor:
    """The joint rotations [J, 3] of the canonical pose: all zero but the jaw, open by 0.2 rad."""
    theta = torch.zeros(len(JOINTS), 3, device=device)
    theta[JAW, 0] = CANONICAL_JAW
    return theta


def canonical_vertices(head: HeadTensors) -> Tensor:
    """The head's vertices [V, 3] m in the canonical pose."""
    theta = canonical_theta(head.vertices.device)[None]
    psi = theta.new_zeros(1, len(head.expressions))
    return posed_vertices(head, psi, theta, theta.new_zeros(1, 3))[0]
