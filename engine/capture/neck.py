# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a head ends: the base of its neck, before it widens into the shoulders.

Heights are metres above that end, at rest, along a direction that leans with the edge in which the
model ends (necks end lower at the throat than at the nape); a vertex keeps its height wherever the
head turns.
"""

import numpy as np

from ..head.anatomy import usual_landmarks
from ..head.model import Head

CHIN = 152  # MediaPipe point
CHIN_68 = 8  # iBUG point
FLARE = 1.7  # the neck ends where it is this much wider than where it is thinnest
STEP = 0.004  # m
BRIM = 0.006  # m from the model's edge that is not the head's: what lies beyond it must fade out
MOST_LEAN = 0.4
BESIDE = 0.015  # m that the neck may be wider than where it is thinnest


def neck_heights(head: Head) -> tuple[np.ndarray, float]:
    """The heights [V] m of the head's vertices above the end of the neck, and that of the chin."""
    chin = _chin(head)
    edge = _open_edge(head, chin)
    lean = 0.0
    if np.ptp(edge[:, 2]) > 0.02:
        lean = float(np.clip(np.polyfit(edge[:, 2], edge[:, 1], 1)[0], -MOST_LEAN, MOST_LEAN))

    def level(points: np.ndarray) -> np.ndarray:
        return points[:, 1] - lean * (points[:, 2] - chin[2])

    skin = head.vertices[np.unique(head.skin_faces)]
    levels, thinnest = level(skin), np.inf
    end = float(level(edge).max()) + BRIM  # everything above it goes all the way round
    for height in np.arange(chin[1] - 2 * STEP, end, -STEP):
        around = skin[np.abs(levels - height) < STEP]
        if len(around) < 6:
            continue
        width = float(np.ptp(around[:, 0]))
        thinnest = min(thinnest, width)
        if width > FLARE * thinnest:
            end = float(height)
            break
    heights = level(head.vertices) - end
    # What reaches out sideways below the chin is shoulder, however high it lies.
    excess = np.abs(head.vertices[:, 0]) - (0.5 * thinnest + BESIDE)
    shoulder = (level(head.vertices) < chin[1]) & (excess > 0)
    heights = np.where(shoulder, np.minimum(heights, -excess), heights)
    return heights.astype(np.float32), float(chin[1] - end)


def _chin(head: Head) -> np.ndarray:
    """The chin's tip [3] m: a landmark where the head has it, else where chins usually are."""
    points = head.landmarks468
    if len(points.weights) > CHIN and points.weights[CHIN].any():
        return points.on(head.vertices)[CHIN]
    if len(head.landmarks68.weights) > CHIN_68:
        return head.landmarks68.on(head.vertices)[CHIN_68]
    skin = np.zeros(len(head.vertices), bool)
    skin[np.unique(head.skin_faces)] = True
    return usual_landmarks(head.vertices, head.joints, skin)[CHIN_68]


def _open_edge(head: Head, chin: np.ndarray) -> np.ndarray:
    """The vertices [N, 3] m of the skin's lowest open edge, or its lowest vertex."""
    faces = head.skin_faces
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    edges, count = np.unique(edges, axis=0, return_counts=True)
    border = head.vertices[np.unique(edges[count == 1])]
    border = border[border[:, 1] < chin[1] - 0.01]  # not the edges of lids and lips
    if not len(border):
        skin = head.vertices[np.unique(faces)]
        return skin[skin[:, 1].argmin()][None]
    return border
