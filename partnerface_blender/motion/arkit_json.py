# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON with ARKit's names: a list of frames, or names beside a matrix.

Frames are objects that hold the weights themselves or under `blendshapes`, as an object or as a
list of {categoryName, score} (MediaPipe); their time is `time` or `timestamp`. A matrix has its
names in `facsNames` or `names`, its rows in `weightMat` or `weights`, its rate in `exportFps` or
`fps` (Audio2Face).
"""

import json
from collections.abc import Mapping

import numpy as np

from .arkit_csv import MILLISECONDS, USUAL_RATE
from .arkit_names import arkit_name
from .recording import Recording, RecordingError, make_recording

_FRAMES = ("frames", "data", "results")
_WEIGHTS = ("blendshapes", "blendShapes", "faceBlendshapes", "weights", "coefficients")
_TIMES = {"time": 1.0, "seconds": 1.0, "timestamp": 1.0, "timestampMs": 1e-3, "timestamp_ms": 1e-3}


def read_json(text: str, name: str, rate: float) -> Recording:
    """The recording in JSON text; see `recording.read_recording`."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise RecordingError(
            f"Line {line} of {name} is no JSON.", "Export it again, or choose a .csv file."
        ) from error
    try:
        return _matrix(data, name, rate) or _frames(data, name, rate)
    except (TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
        raise RecordingError(
            f"{name} is not laid out as frames of ARKit's names ({error}).",
            "Export a CSV file instead.",
        ) from error


def _matrix(data: object, name: str, rate: float) -> Recording | None:
    """Names beside a matrix; None where it is not that."""
    if not isinstance(data, Mapping):
        return None
    names = data.get("facsNames") or data.get("names")
    rows = data.get("weightMat") or data.get("weights")
    if not isinstance(names, list) or not isinstance(rows, list):
        return None
    table = np.array(rows, np.float64)
    if table.ndim != 2 or table.shape[1] != len(names) or not np.isfinite(table).all():
        raise ValueError("the matrix does not fit its names")
    columns = {
        found: table[:, n] for n, title in enumerate(names) if (found := arkit_name(str(title)))
    }
    fps = float(rate or data.get("exportFps") or data.get("fps") or USUAL_RATE)
    return make_recording(name, np.arange(len(table)) / fps, columns)


def _frames(data: object, name: str, rate: float) -> Recording:
    fps = rate or USUAL_RATE
    if isinstance(data, Mapping):
        fps = float(rate or data.get("fps") or USUAL_RATE)
        data = next((data[key] for key in _FRAMES if key in data), None)
    if not isinstance(data, list):
        raise ValueError("there is no list of frames")
    weights = [_weights(frame) for frame in data]
    seen = np.array([bool(found) for found in weights], bool)
    titles = sorted(set().union(*weights)) if weights else []
    table = np.array([[found.get(title, 0.0) for title in titles] for found in weights], np.float64)
    if not np.isfinite(table).all():
        raise ValueError("a number is not finite")
    seconds = _seconds(data, fps)
    keep = seen & np.r_[True, np.diff(seconds) > 0][: len(seen)]
    return make_recording(
        name, seconds[keep], {title: table[keep, n] for n, title in enumerate(titles)}
    )


def _weights(frame: object) -> dict[str, float]:
    """ARKit name → value of one frame; empty where no face was seen."""
    if isinstance(frame, Mapping):
        frame = next((frame[key] for key in _WEIGHTS if key in frame), frame)
    if isinstance(
        frame, list
    ):  # MediaPipe: one object for each name, perhaps within a list of faces
        if frame and isinstance(frame[0], list):
            frame = frame[0]
        pairs = [
            (
                entry.get("categoryName", entry.get("name", "")),
                entry.get("score", entry.get("value")),
            )
            for entry in frame
        ]
    else:
        pairs = list((frame or {}).items())
    return {found: float(value) for title, value in pairs if (found := arkit_name(str(title)))}


def _seconds(frames: list, fps: float) -> np.ndarray:
    """Seconds [N] from the first frame on."""
    for key, unit in _TIMES.items():
        if frames and all(isinstance(frame, Mapping) and key in frame for frame in frames):
            seconds = np.array([float(frame[key]) for frame in frames]) * unit
            steps = np.diff(seconds)
            if not np.isfinite(seconds).all() or (steps < 0).any():
                raise ValueError("the frames do not follow each other in time")
            if unit == 1.0 and len(steps) and np.median(steps) > MILLISECONDS:
                seconds = seconds / 1000
            return seconds - seconds[0]
    return np.arange(len(frames)) / fps
