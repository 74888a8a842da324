# SPDX-License-Identifier: GPL-3.0-or-later
"""How the head is divided among the local nets.

The head model's own parts have names that artists know (`PARTS`). The local nets may be as many, or
fewer (parts joined, by sides and neighbours) or more (the parts that move most, split in two). H
names the artists' parts, P the local nets.
"""

from dataclasses import dataclass

import numpy as np

from ..head.model import PARTS, Head
from ..head.skinning import smooth_labels

# Which of the artists' parts are joined where there are fewer nets than names.
JOINED = {
    1: (0, 0, 0, 0, 0, 0, 0, 0),
    2: (0, 0, 0, 0, 0, 0, 0, 1),
    4: (0, 0, 0, 1, 1, 1, 2, 3),
}
STILL = 1e-4  # m, motion that every vertex is credited with, so that still parts are split last


@dataclass(frozen=True)
class Partition:
    """P patches of the head's vertices."""

    labels: np.ndarray  # [V] int64, 0…P−1
    weights: np.ndarray  # [V, P] float32, labels blended at the seams, rows sum to 1
    share: np.ndarray  # [P, H] float32, of which artists' parts a patch is made; rows sum to 1

    def __len__(self) -> int:
        """P."""
        return self.share.shape[0]


def divide(head: Head, parts: int) -> Partition:
    """Divide a head's vertices among `parts` local nets.

    Raises:
        ValueError: fewer parts than names, but no rule to join them (1, 2 and 4 have one).
    """
    labels = head.vertex_part.astype(np.int64)
    if parts < len(PARTS):
        if parts not in JOINED:
            raise ValueError(f"The head cannot be divided into {parts} parts: 1, 2, 4 or 8 and up.")
        labels = np.array(JOINED[parts])[labels]
    motion = np.sqrt((head.expressions.astype(np.float32) ** 2).sum((0, 2)))  # [V] m
    while labels.max() + 1 < parts:
        labels = _split_one(labels, head.vertices, motion + STILL)
    share = np.zeros((parts, len(PARTS)), np.float32)
    np.add.at(share, (labels, head.vertex_part.astype(np.int64)), 1)
    share[share.sum(1) == 0] = 1  # a head model without this part
    return Partition(labels, smooth_labels(head, labels, parts), share / share.sum(1)[:, None])


def _split_one(labels: np.ndarray, vertices: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Split the patch of the largest moving extent at its middle, across its longest axis."""
    count = labels.max() + 1
    extents = []
    for p in range(count):
        inside = labels == p
        spread = vertices[inside] - vertices[inside].mean(0) if inside.any() else np.zeros((1, 3))
        extents.append(float((motion[inside].mean() if inside.any() else 0) * spread.std()))
    inside = np.flatnonzero(labels == int(np.argmax(extents)))
    spread = vertices[inside] - vertices[inside].mean(0)
    axis = np.linalg.svd(spread, full_matrices=False)[2][0]
    along = spread @ axis
    divided = labels.copy()
    divided[inside[along > np.median(along)]] = count
    return divided
