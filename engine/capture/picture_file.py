# SPDX-License-Identifier: GPL-3.0-or-later
"""One picture file in, pixels out."""

from pathlib import Path

import cv2
import numpy as np


def read_picture(path: Path, flags: int = cv2.IMREAD_UNCHANGED) -> np.ndarray | None:
    """The pixels as OpenCV gives them (BGR) under its `flags`; None if missing or unreadable."""
    # Through memory, because OpenCV opens no path with letters of other alphabets on Windows.
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return None
    try:
        return cv2.imdecode(data, flags) if data.size else None
    except cv2.error:
        return None
