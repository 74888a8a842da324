# SPDX-License-Identifier: GPL-3.0-or-later
"""A head model cut down to its 468 landmarks, so that a whole clip is fitted in seconds.

A landmark is treated as a vertex of its own: its rest place, its modes and its skinning weights
are those of its three vertices, blended. What `head.skinning` does with vertices then holds for
landmarks, and the correspondence offsets are added where they belong, in the neutral pose.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..head.model import HeadModel, Landmarks
from ..head.skinning import HeadTensors


@dataclass(frozen=True)
class LandmarkHead:
    """The landmarks of a head model as a function of its identity, on a device."""

    mean: HeadTensors  # of the mean head; V = L landmarks
    identities: Tensor  # [B, L, 3] m
    joint_identities: Tensor  # [B, J, 3] m, what an identity does to the joints
    known: Tensor  # [L] 1, or 0 for landmarks that the model lacks

    @classmethod
    def of(cls, model: HeadModel, points: Landmarks, device: torch.device) -> "LandmarkHead":
        """Points of the model, its landmarks or others."""
        head = model.mean

        def tensor(array: np.ndarray) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(array, np.float32), device=device)

        count = len(points.vertices)
        mean = HeadTensors(
            vertices=tensor(points.on(head.vertices) + points.offset),
            faces=torch.zeros(0, 3, dtype=torch.int32, device=device),
            expressions=tensor(_blend(points, head.expressions)).flatten(1),
            joints=tensor(head.joints),
            skin_weights=tensor(
                np.einsum("lkj,lk->lj", head.skin_weights[points.vertices], points.weights)
            ),
            correctives=tensor(_blend(points, head.correctives)).flatten(1),
            corrective_index=torch.as_tensor(head.corrective_index.astype(np.int64), device=device),
            part_weights=torch.zeros(count, 1, device=device),
            joint_expressions=None
            if head.joint_expressions is None
            else tensor(head.joint_expressions).flatten(1),
        )
        joints = np.stack(
            [model.joint_regressor @ mode.astype(np.float32) for mode in model.identities]
        )
        known = tensor(points.weights.any(1))
        return cls(mean, tensor(_blend(points, model.identities)), tensor(joints), known)

    def rows(self, which: Tensor) -> "LandmarkHead":
        """Some of the points."""
        mean = self.mean

        def some(modes: Tensor) -> Tensor:
            return modes.unflatten(1, (-1, 3))[:, which].flatten(1)

        mean = replace(
            mean, vertices=mean.vertices[which], expressions=some(mean.expressions),
            skin_weights=mean.skin_weights[which], correctives=some(mean.correctives),
            part_weights=mean.part_weights[which],
        )  # fmt: skip
        return replace(
            self, mean=mean, identities=self.identities[:, which], known=self.known[which]
        )

    def settled(self, beta: Tensor) -> "LandmarkHead":
        """The points of one identity, which has no identities left to choose from."""
        return replace(self, mean=self.subject(beta), identities=self.identities[:0],
                       joint_identities=self.joint_identities[:0])  # fmt: skip

    def subject(self, beta: Tensor, shift: Tensor | None = None) -> HeadTensors:
        """The landmarks of identity beta [B], differentiable; `shift` [L, 3] m is added at rest."""
        vertices = self.mean.vertices + torch.einsum("b,blc->lc", beta, self.identities)
        if shift is not None:
            vertices = vertices + shift
        mean = self.mean
        return HeadTensors(
            vertices=vertices,
            faces=mean.faces,
            expressions=mean.expressions,
            joints=mean.joints + torch.einsum("b,bjc->jc", beta, self.joint_identities),
            skin_weights=mean.skin_weights,
            correctives=mean.correctives,
            corrective_index=mean.corrective_index,
            part_weights=mean.part_weights,
            joint_expressions=mean.joint_expressions,
        )


def _blend(points: Landmarks, modes: np.ndarray) -> np.ndarray:
    """Modes [M, V, 3] at the landmarks: [M, L, 3] float32."""
    return np.einsum("mlkc,lk->mlc", modes[:, points.vertices].astype(np.float32), points.weights)
