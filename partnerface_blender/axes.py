# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where axes change.

Head space (engine): x to the subject's left, y up, z out of the face. Rig space (Blender): x to the
subject's left, z up, the face looks along -y, so that Numpad 1 shows it from the front. Camera
axes: the engine's are OpenCV's (x right, y down, z forward), Blender's are OpenGL's.
"""

import numpy as np

RIG_FROM_HEAD = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float64)  # [3, 3], a rotation
OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0])  # [3, 3], its own inverse


def to_rig(points: np.ndarray) -> np.ndarray:
    """Head space [..., 3] → rig space [..., 3]."""
    return points @ RIG_FROM_HEAD.T.astype(points.dtype)


def to_head(points: np.ndarray) -> np.ndarray:
    """Rig space [..., 3] → head space [..., 3]."""
    return points @ RIG_FROM_HEAD.astype(points.dtype)


def turn_into(rotations: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Head-space rotations [..., 3, 3] in a bone's rest basis [3, 3] (columns in rig space)."""
    basis_from_head = basis.T @ RIG_FROM_HEAD
    return basis_from_head @ rotations @ basis_from_head.T


def turn_out_of(rotations: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Undo `turn_into`: rotations in a bone's rest basis → head space."""
    basis_from_head = basis.T @ RIG_FROM_HEAD
    return basis_from_head.T @ rotations @ basis_from_head


def affine(linear: np.ndarray, shift: np.ndarray | None = None) -> np.ndarray:
    """A [4, 4] transform of a linear part [3, 3] and a shift [3]."""
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    if shift is not None:
        matrix[:3, 3] = shift
    return matrix
