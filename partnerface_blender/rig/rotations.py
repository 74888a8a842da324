# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations in the three notations that meet here: axis-angle, matrices, and Blender's XYZ Euler.

All functions take any leading shape; angles in radians.
"""

import numpy as np


def matrix_of_axis_angle(axis_angle: np.ndarray) -> np.ndarray:
    """Rodrigues' formula: [..., 3] → [..., 3, 3] float64."""
    vector = np.asarray(axis_angle, np.float64)
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vector, -1, 0)
    zero = np.zeros_like(x)
    skew = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*vector.shape[:-1], 3, 3)
    sine = np.sinc(angle / np.pi)  # sin(a) / a, fine at zero
    cosine = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2  # (1 - cos(a)) / a²
    return np.eye(3) + sine * skew + cosine * (skew @ skew)


def axis_angle_of_matrix(matrix: np.ndarray) -> np.ndarray:
    """[..., 3, 3] → [..., 3], the shorter way round; exact up to half a turn."""
    # By the quaternion, taken from the largest diagonal entry: good for every angle.
    m = np.asarray(matrix, np.float64)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    candidates = np.stack([
        np.stack([1 + xx + yy + zz, m[..., 2, 1] - m[..., 1, 2],
                  m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]], -1),
        np.stack([m[..., 2, 1] - m[..., 1, 2], 1 + xx - yy - zz,
                  m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0]], -1),
        np.stack([m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] + m[..., 0, 1],
                  1 - xx + yy - zz, m[..., 2, 1] + m[..., 1, 2]], -1),
        np.stack([m[..., 1, 0] - m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0],
                  m[..., 2, 1] + m[..., 1, 2], 1 - xx - yy + zz], -1),
    ], -2)  # fmt: skip  # [..., 4, 4], each row a multiple of the same quaternion
    best = np.argmax(np.abs(np.einsum("...ii->...i", candidates)), -1)
    quaternion = np.take_along_axis(candidates, best[..., None, None], -2)[..., 0, :]
    quaternion = quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)
    quaternion = np.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    sine = np.linalg.norm(quaternion[..., 1:], axis=-1, keepdims=True)
    half = np.arctan2(sine, quaternion[..., :1])
    # 2 · half / sin(half) → 2 as the angle vanishes
    return quaternion[..., 1:] * np.where(sine > 1e-9, 2 * half / np.maximum(sine, 1e-9), 2.0)


def euler_of_matrix(matrix: np.ndarray) -> np.ndarray:
    """[N, 3, 3] → XYZ Euler angles [N, 3] as Blender means them, without jumps from row to row."""
    m = np.asarray(matrix, np.float64)
    y = -np.arcsin(np.clip(m[:, 2, 0], -1, 1))
    x = np.arctan2(m[:, 2, 1], m[:, 2, 2])
    z = np.arctan2(m[:, 1, 0], m[:, 0, 0])
    return np.unwrap(np.stack([x, y, z], -1), axis=0)


def inverse(affine: np.ndarray) -> np.ndarray:
    """The inverse of one affine [4, 4], by cofactors.

    LAPACK would wake its threads for it, which takes a hundred times as long on a busy machine.
    """
    a, b, c = affine[:3, 0], affine[:3, 1], affine[:3, 2]
    rows = np.array([np.cross(b, c), np.cross(c, a), np.cross(a, b)])
    found = np.eye(4)
    found[:3, :3] = rows / (a @ rows[0])
    found[:3, 3] = -found[:3, :3] @ affine[:3, 3]
    return found


def nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """The rotation [..., 3, 3] closest to a matrix that may carry scale or shear."""
    u, _, vt = np.linalg.svd(np.asarray(matrix, np.float64))
    sign = np.sign(np.linalg.det(u @ vt))
    u[..., :, 2] *= sign[..., None]
    return u @ vt
