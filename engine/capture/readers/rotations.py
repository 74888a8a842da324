# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations as the datasets write them."""

import numpy as np
from scipy.spatial.transform import Rotation


def from_6d(six: np.ndarray) -> np.ndarray:
    """Axis-angle [..., 3] rad of 6D rotations [..., 6]: the matrix's first two rows (Zhou 2019)."""
    flat = np.asarray(six, np.float64).reshape(-1, 6)
    first = flat[:, :3] / np.linalg.norm(flat[:, :3], axis=1, keepdims=True)
    second = flat[:, 3:] - (first * flat[:, 3:]).sum(1, keepdims=True) * first
    second /= np.linalg.norm(second, axis=1, keepdims=True)
    rows = np.stack([first, second, np.cross(first, second)], 1)  # [n, 3, 3]
    return axis_angle(rows).reshape(*np.shape(six)[:-1], 3)


def to_6d(turn: np.ndarray) -> np.ndarray:
    """Undo `from_6d`: axis-angle [..., 3] rad → [..., 6]."""
    return matrix(turn)[..., :2, :].reshape(*np.shape(turn)[:-1], 6)


def axis_angle(rotation: np.ndarray) -> np.ndarray:
    """Matrices [..., 3, 3] → axis-angle [..., 3] rad."""
    flat = np.asarray(rotation, np.float64).reshape(-1, 3, 3)
    return Rotation.from_matrix(flat).as_rotvec().reshape(*np.shape(rotation)[:-2], 3)


def matrix(turn: np.ndarray) -> np.ndarray:
    """Axis-angle [..., 3] rad → matrices [..., 3, 3]."""
    flat = np.asarray(turn, np.float64).reshape(-1, 3)
    return Rotation.from_rotvec(flat).as_matrix().reshape(*np.shape(turn)[:-1], 3, 3)
