# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a head ends: the base of its neck, before it widens into the shoulders.

Heights are metres along head space's y above that end, at rest; a vertex keeps its height
wherever the head turns.
"""

import numpy as np

from ..head.model import Head

CHIN = 152  # MediaPipe point
FLARE = 1.25  # the neck ends where it is this much wider than where it is thinnest
STEP = 0.004  # m


def neck_heights(head: Head) -> tuple[np.ndarray, float]:
    """The heights [V] m of the head's vertices above the end of the neck, and that of the chin."""
    chin = float(head.landmarks468.on(head.vertices)[CHIN, 1])
    skin = head.vertices[np.unique(head.skin_faces)]
    bottom = float(_open_edge(head)[:, 1].max())  # everything above it goes all the way round
    end = bottom
    thinnest = np.inf
    for height in np.arange(chin - 2 * STEP, bottom, -STEP):
        slice_ = skin[np.abs(skin[:, 1] - height) < STEP]
        if len(slice_) < 6:
            continue
        width = float(np.ptp(slice_[:, 0]))
        thinnest = min(thinnest, width)
        if width > FLARE * thinnest:
            end = float(height)
            break
    return (head.vertices[:, 1] - end).astype(np.float32), chin - end


def _open_edge(head: Head) -> np.ndarray:
    """The vertices [N, 3] m of the skin's lowest open edge; the lowest vertex where it is closed."""
    faces = head.skin_faces
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    edges, count = np.unique(edges, axis=0, return_counts=True)
    border = head.vertices[np.unique(edges[count == 1])]
    chin = head.landmarks468.on(head.vertices)[CHIN, 1]
    border = border[border[:, 1] < chin - 0.01]  # not the edges of lids and lips
    if not len(border):
        skin = head.vertices[np.unique(faces)]
        return skin[skin[:, 1].argmin()][None]
    return border
