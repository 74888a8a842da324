# SPDX-License-Identifier: GPL-3.0-or-later
"""The head moves and the camera stands still, wherever a dataset kept the head's pose."""

import numpy as np
import torch

from ...head.model import JOINTS
from ...head.motion import Motion
from ...head.skinning import HeadTensors
from ..pose import WORLD_AXES
from .conventions import Convention
from .dataset import Dataset
from .rotations import axis_angle, matrix


def hold_still(
    dataset: Dataset, convention: Convention, tensors: HeadTensors
) -> tuple[np.ndarray, Motion]:
    """One camera_from_world [4, 4] for all frames, and the motion as that camera sees it.

    With R, t a frame's camera and R₀, t₀ the dataset's root rotation about the root joint j and
    translation, x_camera = R (R₀ (x - j) + j + t₀) + t. The same is seen by a camera C, c of our
    axes of a head whose root rotation is CᵀR R₀ and whose translation is
    Cᵀ(R (j + t₀) + t - c) - j.
    """
    cameras = convention.cameras(dataset)
    root = root_joints(tensors, dataset.psi)
    seen = _moved(cameras, root + convention.translation(dataset))  # [N, 3] m, camera space
    still = np.eye(4)
    still[:3, :3] = WORLD_AXES
    still[2, 3] = seen[:, 2].mean()
    theta = np.array(dataset.theta, np.float64)
    theta[:, 0] = axis_angle(WORLD_AXES.T @ cameras[:, :3, :3] @ matrix(theta[:, 0]))
    translation = (seen - still[:3, 3]) @ WORLD_AXES - root
    arrays = dataset.psi, theta, translation
    return still, Motion(*(np.ascontiguousarray(array, np.float32) for array in arrays))


def root_joints(tensors: HeadTensors, psi: np.ndarray) -> np.ndarray:
    """The points [N, 3] m about which the root turns the head with expressions psi [N, E]."""
    joints = tensors.joints_of(torch.as_tensor(psi, dtype=torch.float32))
    root = joints.reshape(-1, len(JOINTS), 3)[:, 0]
    return root.expand(len(psi), 3).numpy().astype(np.float64)


def _moved(cameras: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points [N, 3] seen by each frame's camera [N, 4, 4]: [N, 3]."""
    return np.einsum("nab,nb->na", cameras[:, :3, :3], points) + cameras[:, :3, 3]
