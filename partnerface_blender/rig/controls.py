# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig's bones beyond the engine's: sliders, gaze target, and what turns as sliders say.

face                    holds the sliders; stands beside the head
drive_jaw, drive_eye.L  turn as sliders say; jaw and eyes hang on them and turn by hand besides
gaze, gaze.L, gaze.R    where the eyes look, when they follow
"""

import numpy as np

from .sliders import FACE

DRIVEN = ("jaw", "eye.L", "eye.R")
DRIVE = "drive_"
GAZE = "gaze"


def control_bones(joints: np.ndarray) -> list[tuple[str, str | None, tuple, np.ndarray, float]]:
    """Name, parent, direction, place and length of each bone beyond the engine's and `drive_…`.

    Args:
        joints: [J, 3] m, head space, in the engine's order.
    """
    left, right = joints[3], joints[4]
    middle, apart = (left + right) / 2, float(np.linalg.norm(left - right))
    ahead = np.array([0.0, 0.0, 6.0]) * apart
    return [
        (FACE, "neck", (0.0, 1.0, 0.0), middle + np.array([2.6, 0.0, 0.0]) * apart, 0.6 * apart),
        (GAZE, None, (0.0, 0.0, 1.0), middle + ahead, 0.5 * apart),
        (f"{GAZE}.L", GAZE, (0.0, 0.0, 1.0), left + ahead, 0.25 * apart),
        (f"{GAZE}.R", GAZE, (0.0, 0.0, 1.0), right + ahead, 0.25 * apart),
    ]
