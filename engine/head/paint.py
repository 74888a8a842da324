# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain vertex colours for any head model, by its regions and landmarks, for people to look at."""

import numpy as np

from .model import EYE_LEFT, EYE_RIGHT, REGIONS, Head

SKIN = (0.80, 0.62, 0.52)
COLOURS = {
    "eyeball": (0.93, 0.91, 0.89), "eye_socket": (0.72, 0.50, 0.44), "teeth": (0.90, 0.87, 0.80),
    "mouth_cavity": (0.45, 0.20, 0.20), "tongue": (0.72, 0.38, 0.38),
}  # fmt: skip
LIPS, IRIS, PUPIL = np.array([0.68, 0.36, 0.35]), (0.30, 0.40, 0.44), (0.05, 0.04, 0.04)
IRIS_TURN, PUPIL_TURN = 0.48, 0.19  # rad off the eye's axis
LIP_FADE = 0.03  # of the eyes' distance, over which red turns to skin


def head_colours(head: Head) -> np.ndarray:
    """Colours [V, 3] float32 in 0…1, display-referred."""
    if head.model_name == "generic":
        from .generic.paint import base_colours

        return base_colours(head)
    colour = np.tile(np.array(SKIN), (len(head.vertices), 1))
    for region, paint in COLOURS.items():
        colour[head.vertex_region == REGIONS.index(region)] = paint
    if len(head.landmarks68.vertices) == 68:
        red = _lip_weight(head)[:, None]
        colour += red * (LIPS - colour)
    for joint in (EYE_LEFT, EYE_RIGHT):
        ball = np.flatnonzero(
            (head.skin_weights[:, joint] > 0.5) & (head.vertex_region == REGIONS.index("eyeball"))
        )
        arm = head.vertices[ball] - head.joints[joint]
        turn = np.arctan2(np.hypot(arm[:, 0], arm[:, 1]), arm[:, 2])
        colour[ball[turn < IRIS_TURN]] = IRIS
        colour[ball[turn < PUPIL_TURN]] = PUPIL
    return colour.astype(np.float32)


def _lip_weight(head: Head) -> np.ndarray:
    """How red each vertex is [V]: inside the lips' outline, seen from the front."""
    points = head.landmarks68.on(head.vertices)[48:60, :2]
    eyes = np.linalg.norm(head.joints[EYE_LEFT] - head.joints[EYE_RIGHT])
    weight = np.zeros(len(head.vertices))
    deep = head.landmarks68.on(head.vertices)[48:60, 2].min() - 0.15 * eyes
    chosen = head.vertices_in("face")
    chosen = chosen[head.vertices[chosen, 2] > deep]
    place = head.vertices[chosen, :2]
    ends = np.roll(points, -1, axis=0)
    inside = np.zeros(len(place), bool)
    distance = np.full(len(place), np.inf)
    for a, b in zip(points, ends, strict=True):
        crosses = (a[1] > place[:, 1]) != (b[1] > place[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            x = a[0] + (place[:, 1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
        inside ^= crosses & (place[:, 0] < x)
        along = np.clip((place - a) @ (b - a) / max((b - a) @ (b - a), 1e-12), 0, 1)
        distance = np.minimum(
            distance, np.linalg.norm(place - a - along[:, None] * (b - a), axis=1)
        )
    signed = np.where(inside, distance, -distance) / (LIP_FADE * eyes)
    weight[chosen] = np.clip(0.5 + signed, 0, 1)
    return weight
