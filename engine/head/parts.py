# SPDX-License-Identifier: GPL-3.0-or-later
"""Part labels for a head model that has none: the patches the local nets are responsible for.

Each part owns a few curves through the 68 landmarks. A vertex of the face belongs to the part whose
curves are nearest once that part's reach is taken off. The back of the head is `rest`.
"""

from itertools import pairwise

import numpy as np

from .anatomy import eye_frame
from .model import PARTS, REGIONS

# For part maps that people look at: [P, 3], display-referred, in the order of PARTS.
PART_COLOURS = np.array(
    [
        [0.93, 0.58, 0.20],
        [0.26, 0.55, 0.92],
        [0.20, 0.72, 0.50],
        [0.92, 0.82, 0.27],
        [0.88, 0.42, 0.52],
        [0.56, 0.38, 0.80],
        [0.82, 0.20, 0.20],
        [0.62, 0.65, 0.68],
    ],
    np.float32,
)
SAMPLES = 9  # points along each piece of a curve


def part_labels(
    vertices: np.ndarray, joints: np.ndarray, regions: np.ndarray, landmarks: np.ndarray
) -> np.ndarray:
    """What each vertex belongs to for the part-based deformation field.

    Args:
        vertices: [V, 3] m, neutral.
        joints: [J, 3] m.
        regions: [V] uint8 into REGIONS.
        landmarks: [68, 3] m, on the neutral.

    Returns:
        [V] uint8 into PARTS.
    """
    middle, scale = eye_frame(joints)
    labels = np.full(len(vertices), PARTS.index("rest"), np.uint8)

    curves = part_curves(landmarks, scale)
    names = list(curves)
    face = np.flatnonzero(regions == REGIONS.index("face"))
    excess = np.stack([
        np.linalg.norm(vertices[face][:, None] - points[None], axis=-1).min(1) - reach * scale
        for points, reach in curves.values()
    ])  # fmt: skip
    labels[face] = np.array([PARTS.index(name) for name in names], np.uint8)[excess.argmin(0)]

    left = vertices[:, 0] > middle[0]
    eyes = np.isin(regions, [REGIONS.index("eyeball"), REGIONS.index("eye_socket")])
    labels[eyes & left] = PARTS.index("eye_left")
    labels[eyes & ~left] = PARTS.index("eye_right")
    inside = [REGIONS.index(name) for name in ("mouth_cavity", "teeth", "tongue")]
    labels[np.isin(regions, inside)] = PARTS.index("mouth")
    return labels


def part_curves(landmarks: np.ndarray, scale: float) -> dict[str, tuple[np.ndarray, float]]:
    """For every part points on its curves [N, 3] m, and its reach in eye distances.

    Args:
        landmarks: [68, 3] m; iBUG counts from the subject's right.
        scale: distance of the eye joints, m.
    """
    at = landmarks
    up = np.array([0, scale, 0])
    back = np.array([0, 0, scale])

    def curve(*points: np.ndarray) -> np.ndarray:
        steps = np.linspace(0, 1, SAMPLES)[:, None]
        return np.concatenate([a + steps * (b - a) for a, b in pairwise(points)])

    def eye(first: int) -> np.ndarray:
        ring = at[first : first + 6]
        return np.concatenate([curve(*ring, ring[0]), curve(ring[0], ring.mean(0), ring[3])])

    def cheek(
        contour: np.ndarray, eye_below: np.ndarray, wing: np.ndarray, corner: np.ndarray
    ) -> np.ndarray:
        high, low = contour[2], contour[4]
        apple = eye_below * 0.3 + wing * 0.5 + high * 0.2  # the round of the cheek, beside the nose
        bone = eye_below * 0.45 + wing * 0.1 + high * 0.45
        hollow = corner * 0.6 + (high + low) / 2 * 0.4
        return np.concatenate(
            [curve(apple, bone, high), curve(apple, hollow, low), curve(high, low)]
        )

    brow = curve(*at[17:27])
    forehead = [brow + amount * up - amount**2 * 0.3 * back for amount in (0.0, 0.3, 0.6, 0.9)]
    lips = np.concatenate([curve(*at[48:60], at[48]), curve(*at[60:68])])
    chin = np.concatenate(
        [curve(*at[6:11]), curve(at[57], at[8]), curve(at[59], at[6]), curve(at[55], at[10])]
    )
    temples = np.concatenate([curve(*at[0:2]), curve(*at[15:17]), at[[0, 16]] + 0.4 * up])
    return {
        "brows": (np.concatenate(forehead), 0.04),
        "eye_left": (eye(42), 0.1),
        "eye_right": (eye(36), 0.1),
        "nose": (
            np.concatenate([curve(*at[27:31]), curve(*at[31:36]), curve(at[31], at[30], at[35])]),
            0.05,
        ),
        "cheek_left": (cheek(at[16:7:-1], at[46], at[35], at[54]), 0.0),
        "cheek_right": (cheek(at[0:9], at[41], at[31], at[48]), 0.0),
        "mouth": (np.concatenate([lips, chin]), 0.08),
        "rest": (temples, -0.05),
    }
