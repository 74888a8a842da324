# SPDX-License-Identifier: GPL-3.0-or-later
"""What is unknown about a filmed head: a few things that all frames share, and each frame's own.

N frames, L landmarks, E expressions, B identity modes. The frame's own unknowns are a vector of
U = 9 + E: three of rotation, two of the head's place in the picture, one of its size there, three
of the jaw, and the expressions.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..head.skinning import rotation_matrix

ROTATION, PLACE, SIZE, JAW_TURN = slice(0, 3), slice(3, 5), 5, slice(6, 9)
RIGID = slice(0, 6)  # those of a rigid head
OWN = 9  # columns before the expressions


@dataclass(frozen=True)
class Subject:
    """What all frames share."""

    beta: Tensor  # [B]
    log_focal: Tensor  # [] log of the focal length in px of the clip
    offset: Tensor  # [L, 3] m, the subject's correspondence offsets, beyond the model's

    @property
    def focal(self) -> Tensor:
        """Focal length, px of the clip."""
        return self.log_focal.exp()


@dataclass(frozen=True)
class Frames:
    """Each frame's own.

    The head's middle is seen `place` px beside the principal point, at a depth of focal length
    times exp(`size`): what the picture shows of it hardly changes with the focal length.
    """

    rotation: Tensor  # [N, 3, 3] world from head
    place: Tensor  # [N, 2] px
    size: Tensor  # [N] log of m per px at the head
    jaw: Tensor  # [N, 3] rad
    psi: Tensor  # [N, E]

    def __len__(self) -> int:
        """How many frames."""
        return len(self.psi)

    def __getitem__(self, chosen: object) -> "Frames":
        """Some of the frames, by a slice or an index array."""
        return Frames(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def put(self, start: int, part: "Frames") -> "Frames":
        """The same with the frames from `start` on replaced by those of `part`."""
        values = {field.name: getattr(self, field.name).clone() for field in fields(self)}
        for name, value in values.items():
            value[start : start + len(part)] = getattr(part, name)
        return Frames(**values)

    def moved(self, step: Tensor) -> "Frames":
        """The frames after a step [N, U]; its rotation turns the head in the world."""
        return Frames(
            rotation=rotation_matrix(step[:, ROTATION]) @ self.rotation,
            place=self.place + step[:, PLACE],
            size=self.size + step[:, SIZE],
            jaw=self.jaw + step[:, JAW_TURN],
            psi=self.psi + step[:, OWN:],
        )


def turn_between(a: Tensor, b: Tensor) -> Tensor:
    """The rotation vectors [..., 3] rad of b · a⁻¹, for rotations [..., 3, 3] less than π apart."""
    return rotation_vectors(b @ a.transpose(-1, -2))


def rotation_vectors(matrix: Tensor) -> Tensor:
    """Axis-angle [..., 3] rad of rotations [..., 3, 3] by less than π."""
    axis = torch.stack(
        [
            matrix[..., 2, 1] - matrix[..., 1, 2],
            matrix[..., 0, 2] - matrix[..., 2, 0],
            matrix[..., 1, 0] - matrix[..., 0, 1],
        ],
        -1,
    )  # [..., 3] 2 sin(angle) · axis
    cosine = (matrix.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
    sine = axis.norm(dim=-1) / 2
    angle = torch.atan2(sine, cosine)
    scale = torch.where(sine > 1e-7, angle / sine.clamp(min=1e-7), torch.ones_like(sine)) / 2
    return axis * scale[..., None]
