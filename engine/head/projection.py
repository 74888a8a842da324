# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the head lies in the picture."""

import numpy as np

from ..render.camera import Camera
from .model import Head

MARGIN = 0.1  # of the box's width and height, on each side


def head_box(head: Head, posed: np.ndarray, camera: Camera) -> tuple[int, int, int, int]:
    """The projected head without neck, with a margin, clipped to the picture.

    Args:
        head: says which vertices are face, scalp and ears.
        posed: [V, 3] m, world space.
        camera: the view.

    Returns:
        x0, y0, x1, y1 in pixels, x1 and y1 exclusive, never empty: a head out of the picture, or
        behind the camera, gives the whole picture.
    """
    pixels, depth = camera.project(posed[head.vertices_in("face", "scalp", "ear")])
    pixels = pixels[depth > 0]
    whole = (0, 0, camera.width, camera.height)
    if not len(pixels):
        return whole
    low, high = pixels.min(0), pixels.max(0)
    margin = MARGIN * (high - low)
    x0, y0 = np.floor(low - margin).astype(int)
    x1, y1 = np.ceil(high + margin).astype(int)
    box = (
        max(int(x0), 0),
        max(int(y0), 0),
        min(int(x1), camera.width),
        min(int(y1), camera.height),
    )
    return box if box[0] < box[2] and box[1] < box[3] else whole
