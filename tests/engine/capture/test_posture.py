# SPDX-License-Identifier: GPL-3.0-or-later
"""Neck and torso share the head's turn without moving the head."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from engine.capture.posture import bend_neck
from engine.head.model import NECK
from engine.head.skinning import HeadTensors, posed_vertices

COUNT = 40


def nodding(head, share):
    """theta and translation of a head whose neck makes `share` of its turn, on a still torso."""
    t = np.linspace(0, 4 * np.pi, COUNT)
    turn = np.stack([0.25 * np.sin(t), 0.4 * np.cos(0.7 * t), 0.05 * np.sin(2 * t)], 1)
    theta = np.zeros((COUNT, len(head.joints), 3), np.float32)
    theta[:, 0], theta[:, NECK] = (1 - share) * turn, share * turn
    return theta, np.zeros((COUNT, 3), np.float32)


def straightened(head, theta, translation):
    """The same head on a straight neck."""
    root, neck = (Rotation.from_rotvec(theta[:, joint]) for joint in (0, NECK))
    arm = head.joints[NECK] - head.joints[0]
    out = theta.copy()
    out[:, 0], out[:, NECK] = (root * neck).as_rotvec(), 0
    nape = root.apply(arm) + translation
    return out, (nape - (root * neck).apply(arm)).astype(np.float32)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_share_is_found_and_the_head_stays(generic_model, share):
    head = generic_model.mean
    theta, translation = straightened(head, *nodding(head, share))
    bent, moved = bend_neck(head, theta, translation)
    true = nodding(head, share)[0]
    neck = [np.linalg.norm(angles[:, NECK], axis=1).mean() for angles in (bent, true)]
    assert neck[0] / neck[1] == pytest.approx(1.0, abs=0.15)
    assert np.linalg.norm(moved - np.median(moved, 0), axis=1).mean() < 0.004
    tensors, psi = HeadTensors.of(head), torch.zeros(COUNT, len(head.expression_names))
    face = head.vertices_in("face")
    face = face[head.skin_weights[face, 0] == 0][::50]
    before, after = (
        posed_vertices(tensors, psi, torch.as_tensor(a), torch.as_tensor(b)).numpy()[:, face]
        for a, b in ((theta, translation), (bent, moved))
    )
    np.testing.assert_allclose(after, before, atol=2e-5)
