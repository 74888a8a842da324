# SPDX-License-Identifier: GPL-3.0-or-later
"""A recording of a face by ARKit's names, and where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...engine.errors import PartNerFaceError

LARGEST_BYTES = 1 << 29


class RecordingError(PartNerFaceError):
    """A file of recorded motion that cannot be read."""

    code = "bad_recording"


@dataclass(frozen=True)
class Recording:
    """N frames; frames in which no face was seen are left out."""

    seconds: np.ndarray  # [N] float64, rising, from the file's first frame on
    weights: Mapping[str, np.ndarray]  # ARKit name → [N]
    angles: Mapping[str, np.ndarray]  # of `arkit_names.ANGLES` → [N] rad; may be empty

    @property
    def fps(self) -> float:
        """How many frames a second it was recorded with, as a rule."""
        return float(1 / np.median(np.diff(self.seconds))) if len(self.seconds) > 1 else 0.0


def read_recording(path: Path, rate: float = 0.0) -> Recording:
    """The recording in a Live Link Face take, another CSV, or a JSON file with ARKit's names.

    Args:
        path: the file.
        rate: frames a second that its frame numbers count; 0 finds out, and takes 60 or what the
            file says where there is nothing to find.

    Raises:
        RecordingError: the file is not there, or a line of it cannot be read.
    """
    from .arkit_csv import read_csv
    from .arkit_json import read_json

    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise RecordingError(f"{path.name} is too large.", "Cut it into shorter takes.")
        text = path.read_text(encoding="utf-8-sig")
    except IsADirectoryError as error:
        raise RecordingError(
            f"{path.name} is a folder.", "Choose the .csv file in the take's folder."
        ) from error
    except OSError as error:
        raise RecordingError(f"There is no file {path}.", "Choose another file.") from error
    except UnicodeDecodeError as error:
        raise RecordingError(
            f"{path.name} is no text file.", "Choose a .csv or .json file."
        ) from error
    looks_like_json = text.lstrip()[:1] in ("{", "[")
    return (read_json if looks_like_json else read_csv)(text, path.name, rate)


def make_recording(name: str, seconds: np.ndarray, columns: Mapping[str, np.ndarray]) -> Recording:
    """The recording of columns [N] by ARKit's names; degrees become radians.

    Raises:
        RecordingError: there is no expression among them, or no frame.
    """
    from .arkit_names import ANGLES

    weights = {key: values for key, values in columns.items() if key not in ANGLES}
    angles = {key: values for key, values in columns.items() if key in ANGLES}
    if not weights:
        raise RecordingError(
            f"No column of {name} has one of ARKit's names.",
            "Its first line must name them: eyeBlinkLeft, jawOpen …",
        )
    if len(seconds) == 0:
        raise RecordingError(f"{name} shows no face in any frame.", "Choose another take.")
    # Live Link Face writes radians, some converters degrees; nobody's head turns by three radians.
    largest = max((float(np.abs(values).max()) for values in angles.values()), default=0.0)
    if largest > np.pi:
        angles = {key: np.radians(values) for key, values in angles.items()}
    return Recording(np.asarray(seconds, np.float64), weights, angles)
