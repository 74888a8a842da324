# SPDX-License-Identifier: GPL-3.0-or-later
"""How MediaPipe's points slide over a face that turns away from the camera.

The points on the outline stay on the outline, the others follow a turn less than the skin does:
taken for fixed points of the head they make every turn too small. How far each point slides was
measured on synthetic people (`engine/synthetic/measure_slide.py`): its place on the head is a
polynomial in where the camera stands, seen from the head.
"""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FILE = Path(__file__).with_name("slide468.npz")
TERMS = 5  # x, y, x², y², xy of the direction to the camera
EYE_DISTANCE = 0.09  # m between the outer corners of the eyes that the file's slides belong to


@cache
def measured_slide() -> np.ndarray:
    """[468, 5, 3] m in head space, per term; on a head of `EYE_DISTANCE`."""
    with np.load(FILE, allow_pickle=False) as file:
        return file["slide"]


def toward_camera(rotation: Tensor, across: Tensor) -> Tensor:
    """The unit direction [N, 3], head space, from the head to the camera.

    Args:
        rotation: [N, 3, 3] world from head.
        across: [N, 2] where the head is seen, beside the principal point, in focal lengths.
    """
    toward = torch.cat([-across[:, :1], across[:, 1:], torch.ones_like(across[:, :1])], 1)
    toward = toward / toward.norm(dim=1, keepdim=True)
    return (rotation.transpose(1, 2) @ toward[..., None])[..., 0]


def terms_of(toward: Tensor) -> Tensor:
    """The polynomial's terms [N, 5] for directions [N, 3]; all 0 from the front."""
    x, y = toward[:, 0], toward[:, 1]
    return torch.stack([x, y, x * x, y * y, x * y], 1)


def slopes_of(toward: Tensor) -> Tensor:
    """The terms by the direction's x and y: [N, 5, 2]."""
    x, y = toward[:, 0], toward[:, 1]
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    return torch.stack(
        [
            torch.stack([one, zero, 2 * x, zero, y], 1),
            torch.stack([zero, one, zero, 2 * y, x], 1),
        ],
        -1,
    )
