# SPDX-License-Identifier: GPL-3.0-or-later
"""Joints of the generic head, what follows them, and how they follow the identity. Millimetres."""

import numpy as np

from ..model import EYE_LEFT, EYE_RIGHT, JAW, JOINTS, NECK
from .curves import smoothstep
from .half import Body
from .sculpt import EYE_CENTRE
from .sheet import MOUTH, MOUTH_CORNER

JOINT_PLACES = np.array([
    (0, -148, -22),  # root: the neck's base
    (0, -24, -16),  # neck: on top of the cervical spine
    (0, -20, 3),  # jaw: below the ears; as the condyles glide forward, it turns about mid-ramus
    EYE_CENTRE,
    EYE_CENTRE * (-1, 1, 1),
])  # fmt: skip


def jaw_weights(body: Body) -> np.ndarray:
    """How far each vertex [V] follows the jaw: 0…1."""
    x, y, z = np.abs(body.vertices[:, 0]), body.vertices[:, 1], body.vertices[:, 2]
    # The border runs from the corners of the mouth up to the hinge.
    forward = np.clip((z - 8) / 90, 0, 1)
    border = -6 + forward * (MOUTH - 1.5 + 6)
    width = 30 - 14 * forward
    skin = smoothstep(1, -1, (y - border) / width)
    lower = body.tag("lip_side") < 0
    corner = 1 - np.clip(1 - (x / (MOUTH_CORNER + 0.5)) ** 2, 0, 1) ** 0.7
    near = smoothstep(60, 88, z)  # the mouth's own split does not reach to the ears
    split = np.where(lower, np.maximum(skin, 1 - corner * (1 - skin)), skin * corner)
    weight = skin * (1 - near) + split * near
    weight *= smoothstep(-25, 45, z) * smoothstep(-124, -80, y + 0.5 * (z - 95))
    weight = np.where(body.pieces["bag"], _bag(body, corner), weight)
    rigid = {"teeth_upper": 0, "teeth_lower": 1, "tongue": 1, "eyeball": 0, "socket": 0, "ear": 0}
    for name, value in rigid.items():
        weight[body.pieces[name]] = value
    return weight


def _bag(body: Body, corner: np.ndarray) -> np.ndarray:
    """Jaw weights of the mouth's bag: as the lips in the middle, half way at the corners."""
    side = body.tag("lip_side")
    return np.clip(0.5 - 0.5 * side * (1 - corner), 0, 1)


def skin_weights(body: Body) -> np.ndarray:
    """[V, J] float32, rows sum to one."""
    y, z = body.vertices[:, 1], body.vertices[:, 2]
    start = np.interp(z, [-70, 50], [-48, -88])  # the skull's lower border, from nape to throat
    root = smoothstep(0, 1, (start - y) / (start + 150))
    jaw = jaw_weights(body) * (1 - root)
    weights = np.zeros((len(y), len(JOINTS)))
    weights[:, 0], weights[:, JAW] = root, jaw
    weights[:, NECK] = 1 - root - jaw
    for joint, side in ((EYE_LEFT, body.vertices[:, 0] > 0), (EYE_RIGHT, body.vertices[:, 0] < 0)):
        weights[body.pieces["eyeball"] & side] = np.eye(len(JOINTS))[joint]
    weights = weights.astype(np.float32)
    return weights / weights.sum(1, keepdims=True)


def joint_regressor(body: Body) -> np.ndarray:
    """[J, V] float32: each joint as a mean of the vertices around it, rows sum to one."""
    points = body.vertices
    skin, ball = body.pieces["skin"], body.pieces["eyeball"]
    sides = np.abs(points[:, 0])
    chosen = (
        skin & (points[:, 1] < -140),
        skin & (np.abs(points[:, 1] + 24) < 14) & (points[:, 2] < 30),
        skin
        & (
            np.linalg.norm(np.stack([sides - 68, points[:, 1] + 20, points[:, 2] - 3]), axis=0) < 26
        ),
        ball & (points[:, 0] > 0),
        ball & (points[:, 0] < 0),
    )
    regressor = np.zeros((len(JOINTS), len(points)))
    for row, joint, mask in zip(regressor, JOINT_PLACES, chosen, strict=True):
        row[mask] = _affine_weights(points[mask], joint)
    return regressor.astype(np.float32)


def _affine_weights(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The most even weights [n] that sum to one and bring points [n, 3] to the target."""
    conditions = np.concatenate([np.ones((1, len(points))), points.T / 100])  # [4, n]
    even = np.full(len(points), 1 / len(points))
    missing = np.concatenate([[1], target / 100]) - conditions @ even
    return even + np.linalg.lstsq(conditions, missing, rcond=None)[0]
