# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain vertex colours for the generic head: for picture sheets and for trackers."""

import numpy as np

from ..model import REGIONS, Head
from .curves import smoothstep
from .eyes import EYE_RADIUS, IRIS, PUPIL
from .half import Body

SKIN = np.array([0.80, 0.62, 0.52])
LIPS = np.array([0.69, 0.42, 0.39])
BROWS = np.array([0.27, 0.18, 0.14])
WHITE = np.array([0.88, 0.86, 0.84])
IRIS_COLOUR = np.array([0.30, 0.40, 0.44])
BLACK = np.array([0.05, 0.04, 0.04])
TEETH = np.array([0.90, 0.87, 0.80])
GUM = np.array([0.72, 0.40, 0.40])
TONGUE = np.array([0.72, 0.38, 0.38])
CAVITY = np.array([0.36, 0.14, 0.14])


def brow_weight(body: Body) -> np.ndarray:
    """How much brow hair covers each vertex [V]: 0…1."""
    x, y, z = np.abs(body.vertices[:, 0]), body.vertices[:, 1], body.vertices[:, 2]
    middle = np.interp(x, [9, 20, 38, 56], [54.5, 58.0, 60.5, 54.5])
    thick = np.interp(x, [7, 14, 40, 57], [3.2, 3.8, 3.0, 1.6])
    along = smoothstep(6, 12, x) * smoothstep(59, 51, x)
    hair = np.exp(-(((y - middle) / thick) ** 2))
    return hair * along * (z > 40) * body.pieces["skin"]


def base_colours(head: Head) -> np.ndarray:
    """Colours [V, 3] float32 in 0…1, display-referred, for a head of the generic model."""
    from .build import generic_body

    body = generic_body()
    colour = np.tile(SKIN, (len(head.vertices), 1))

    def mix(weight: np.ndarray, paint: np.ndarray) -> None:
        colour[:] += weight[:, None] * (paint - colour)

    x = np.abs(body.vertices[:, 0])
    red = (
        smoothstep(1.08, 0.9, body.tag("lip_red", 9))
        * smoothstep(26.5, 22, x)
        * (body.tag("angle", 9) < 0.9)
    )
    mix(red, LIPS)
    mix(brow_weight(body), BROWS)
    lash = smoothstep(1.2, 0.2, np.abs(body.tag("lid", 9))) * (body.tag("lid_side") > 0)
    lash = lash * (body.tag("angle", 9) < 0.9) * smoothstep(16.5, 18, x) * smoothstep(47, 45, x)
    mix(0.7 * lash, BROWS)
    mix((body.region == REGIONS.index("eye_socket")) * 1.0, 0.5 * (SKIN + GUM))
    ball = body.pieces["eyeball"]
    polar = body.tag("polar", 3.0)
    colour[ball] = WHITE
    iris, pupil = np.arcsin(IRIS / EYE_RADIUS), np.arcsin(PUPIL / EYE_RADIUS)
    mix((ball & (polar < iris)) * 1.0, IRIS_COLOUR)
    mix((ball & (polar < pupil + 0.015)) * 1.0, BLACK)
    teeth = body.region == REGIONS.index("teeth")
    crown = body.tag("crown")
    colour[teeth] = GUM + crown[teeth, None] * (TEETH - GUM)
    mix((body.region == REGIONS.index("tongue")) * 1.0, TONGUE)
    cavity = body.region == REGIONS.index("mouth_cavity")
    mix(cavity * np.clip((body.tag("ring") - 0.5) / 1.5, 0, 1), CAVITY)
    mix(cavity * (body.tag("ring") < 0.5) * 1.0, LIPS)
    return colour.astype(np.float32)
