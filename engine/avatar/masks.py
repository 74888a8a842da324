# SPDX-License-Identifier: GPL-3.0-or-later
"""Which expressions and joints move which part (Local Deformation Fields §3.3)."""

import numpy as np

from ..head.model import JOINT_PARENTS, JOINTS, Head
from .partition import Partition

JOINT_SHARE = 0.05  # of a part's vertices must follow a joint, and as many must not


def expression_mask(head: Head, partition: Partition, threshold: float) -> np.ndarray:
    """[P, E] bool: where an expression's rms displacement reaches a share of its largest.

    Args:
        head: the subject's head.
        partition: its P patches.
        threshold: share in 0…1.
    """
    squares = (head.expressions.astype(np.float32) ** 2).sum(-1)  # [E, V]
    patches = range(len(partition))
    moved = np.stack([_mean(squares, partition.labels == p) for p in patches])  # [P, E]
    rms = np.sqrt(moved)
    return rms >= threshold * np.maximum(rms.max(axis=0, keepdims=True), 1e-9)


def joint_mask(head: Head, partition: Partition) -> np.ndarray:
    """[P, J−1] bool, root left out: the parts that a joint carries neither wholly nor not at all.

    A joint that carries a part as a whole changes nothing about it in canonical space.
    """
    carried = head.skin_weights.copy()  # [V, J]; a joint carries what its descendants carry
    for j in reversed(range(1, len(JOINTS))):
        carried[:, JOINT_PARENTS[j]] += carried[:, j]
    patches = range(len(partition))
    shares = np.stack([_mean(carried.T, partition.labels == p) for p in patches])  # [P, J]
    return ((shares > JOINT_SHARE) & (shares < 1 - JOINT_SHARE))[:, 1:]


def _mean(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return values[:, chosen].mean(axis=1) if chosen.any() else np.zeros(len(values), np.float32)
