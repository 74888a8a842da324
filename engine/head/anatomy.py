# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies where on a human head, for models that do not say it themselves.

Everything is measured in the distance between the eye joints, which varies little between adults
(63 mm), so that no model's own scale or origin matters.
"""

import numpy as np

from .model import EYE_LEFT, EYE_RIGHT, REGIONS, Landmarks


def eye_frame(joints: np.ndarray) -> tuple[np.ndarray, float]:
    """The point between the eye joints [3] m, and their distance in metres; joints [J, 3] m."""
    middle = (joints[EYE_LEFT] + joints[EYE_RIGHT]) / 2
    return middle, float(np.linalg.norm(joints[EYE_LEFT] - joints[EYE_RIGHT]))


def skin_regions(vertices: np.ndarray, joints: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Face, scalp, ear or neck for every vertex, by planes that hang on eyes, brows and chin.

    Args:
        vertices: [V, 3] m, neutral.
        joints: [J, 3] m.
        landmarks: [68, 3] m.

    Returns:
        [V] uint8 into REGIONS; meaningful for outer skin alone.
    """
    middle, scale = eye_frame(joints)
    x, y, z = ((vertices - middle) / scale).T
    chin = (landmarks[8] - middle) / scale
    brow = (landmarks[17:27].max(0) - middle) / scale

    # The neck begins under the chin and rises backwards, below the jaw angle, to the nape.
    neck = y < chin[1] - 0.14 + 0.36 * (chin[2] - 0.2 - z)
    ear_z = -1.23 - 0.3 * (y + 0.41)  # the ear leans back
    ear = (np.abs(x) > 0.85) & (((z - ear_z) / 0.33) ** 2 + ((y + 0.41) / 0.46) ** 2 < 1)
    hairline = brow[1] + 0.8 + 0.75 * (z - brow[2])  # falls from the forehead to the ear's top
    face = (y < hairline) & (z > -1.1)

    region = np.full(len(vertices), REGIONS.index("scalp"), np.uint8)
    region[face] = REGIONS.index("face")
    region[ear] = REGIONS.index("ear")
    region[neck & ~ear] = REGIONS.index("neck")
    return region


def usual_landmarks(vertices: np.ndarray, joints: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Where the 68 iBUG landmarks usually are, for a model without any: [68, 3] m.

    Anthropometric means around the eyes, laid on the frontmost skin there; good to some mm.

    Args:
        vertices: [V, 3] m, neutral.
        joints: [J, 3] m.
        skin: [V] bool, outer skin.
    """
    middle, scale = eye_frame(joints)
    plane = _usual_plane() * (scale / 0.063) + middle[:2]
    candidates = vertices[skin & (vertices[:, 2] > middle[2] - 0.9 * scale)]
    if not len(candidates):
        candidates = vertices
    points = np.empty((68, 3))
    for i, point in enumerate(plane):
        distance = np.linalg.norm(candidates[:, :2] - point, axis=1)
        near = candidates[distance <= max(0.06 * scale, distance.min() * 1.001)]
        points[i] = (*point, near[:, 2].max())
    return points


def _usual_plane() -> np.ndarray:
    """The landmarks of an adult with the eyes' centres 63 mm apart: [68, 2] m from their middle."""
    turn = np.linspace(np.pi, 2 * np.pi, 17)
    contour = np.stack([70 * np.cos(turn), 2 + 112 * np.sin(turn)], 1)
    brow_x = np.array([-58, -49, -37, -24, -12.0])
    brow = np.stack([brow_x, [15, 23, 26, 25, 22]], 1)
    bridge = np.array([[0, 0], [0, -11], [0, -21], [0, -32.0]])
    base = np.array([[-14, -46], [-7, -47], [0, -49], [7, -47], [14, -46.0]])
    eye = np.array([[-45, -1], [-38, 4], [-26, 4], [-17, -2], [-26, -5], [-38, -5.0]])
    lips = [[-26, -70], [-16, -64], [-6, -61], [0, -62], [6, -61], [16, -64], [26, -70],
            [17, -77], [8, -80], [0, -80], [-8, -80], [-17, -77]]  # fmt: skip
    inner = [[-22, -70], [-9, -69], [0, -69], [9, -69], [22, -70], [9, -71], [0, -71], [-9, -71]]

    def mirrored(points: np.ndarray, order: list[int]) -> np.ndarray:
        return (points * (-1, 1))[order]

    parts = (contour, brow, mirrored(brow, [4, 3, 2, 1, 0]), bridge, base,
             eye, mirrored(eye, [3, 2, 1, 0, 5, 4]), np.array(lips), np.array(inner))  # fmt: skip
    return np.concatenate(parts) * 1e-3


def vertex_landmarks(indices: np.ndarray) -> Landmarks:
    """Landmarks that are vertices: indices [L]."""
    count = len(indices)
    weights = np.zeros((count, 3), np.float32)
    weights[:, 0] = 1
    vertices = np.repeat(np.asarray(indices, np.int32)[:, None], 3, axis=1)
    return Landmarks(vertices, weights, np.zeros((count, 3), np.float32))


def nearest_vertices(points: np.ndarray, vertices: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """The index of the allowed [V] bool vertex [V, 3] nearest to each point [L, 3]."""
    indices = np.flatnonzero(allowed)
    distance = np.linalg.norm(points[:, None] - vertices[indices][None], axis=-1)  # [L, A]
    return indices[distance.argmin(1)]


def affine_mean(points: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The most even weights [n] that sum to one and bring points [n, 3] m to a place [3] m."""
    conditions = np.concatenate([np.ones((1, len(points))), 10 * points.T])  # [4, n]
    even = np.full(len(points), 1 / len(points))
    lacks = np.concatenate([[1], 10 * place]) - conditions @ even
    return even + np.linalg.lstsq(conditions, lacks, rcond=None)[0]
