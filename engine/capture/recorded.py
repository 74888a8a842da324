# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmarks that somebody else has found, read from a file.

A file holds frame numbers, ascending from 0 as the clip counts them, and for each the 468 points
of MediaPipe's face mesh or its 478 with irises, either as `points` in pixels of the clip's frames
(after rotation) or as `uv` from 0 to 1 of its width and height:

    .npz    arrays `frames` [N] and `points` or `uv` [N, 468 or 478, 2]
    .json   an object with the same names, lists for arrays
    .csv    a header `frame,x0,y0,x1,y1,…` (or `frame,u0,v0,…`), then one line per frame

Frames that the file does not name show no face.
"""

import csv
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..errors import ClipError
from .landmarks import POINTS
from .marks import FACE_POINTS, Mark

SUFFIXES = (".npz", ".json", ".csv")
FAR = 1.0  # picture sizes beyond the picture's edge where no face's landmarks are
HINT = (
    "It needs frames [N] and points [N, 478, 2] px (npz or json), or a CSV file with a first line "
    "frame,x0,y0,x1,y1 and so on."
)


class RecordedLandmarks:
    """Landmarks by frame number. It remembers nothing from frame to frame."""

    def __init__(self, frames: np.ndarray, points: np.ndarray) -> None:
        self._at = dict(zip(frames.tolist(), points, strict=True))

    def look(self, number: int, picture: np.ndarray) -> tuple[np.ndarray | None, Mark]:
        """Landmarks [478, 2] px of frame `number`, if the file names it."""
        points = self._at.get(number)
        return points, Mark.NO_FACE if points is None else Mark.OK

    def forget(self) -> None:
        """There is nothing to forget."""

    def state(self) -> np.ndarray:
        """Nothing: [0]."""
        return np.zeros(0)

    def restore(self, state: np.ndarray) -> None:
        """There is nothing to restore."""


def read_landmarks(path: Path, width: int, height: int) -> RecordedLandmarks:
    """The landmarks in a file for a clip whose frames are `width` by `height` px.

    Raises:
        ClipError: missing, damaged, or not in this format.
    """
    read = {".npz": _read_npz, ".json": _read_json, ".csv": _read_csv}[path.suffix.lower()]
    try:
        found = read(path)
    except FileNotFoundError as error:
        raise ClipError(f"There is no landmark file {path}.", HINT) from error
    except (OSError, ValueError, KeyError, EOFError, csv.Error, zipfile.BadZipFile,
            zlib.error) as error:  # fmt: skip
        raise ClipError(f"The landmark file {path} cannot be read ({error}).", HINT) from error
    frames, points = _checked(path, found, width, height)
    missing = np.full((len(points), POINTS - points.shape[1], 2), np.nan, np.float32)
    return RecordedLandmarks(frames, np.concatenate([points, missing], 1))


def _read_npz(path: Path) -> dict[str, object]:
    file = np.load(path, allow_pickle=False)
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise ValueError("it holds one array without a name")
    with file:
        return {name: file[name] for name in file.files}


def _read_json(path: Path) -> dict[str, object]:
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise ValueError("it holds no object")
    return data


def _read_csv(path: Path) -> dict[str, object]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file)
        header = [word.strip() for word in next(lines, [])]
        rows = [row for row in lines if row]
    count = (len(header) - 1) // 2
    names = {
        ("frame", *(f"{letter}{n}" for n in range(count) for letter in letters)): name
        for letters, name in (("xy", "points"), ("uv", "uv"))
    }
    if tuple(header) not in names:
        raise ValueError("its first line is not frame,x0,y0,x1,y1,…")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise ValueError(f"line {number} has {len(row)} values instead of {len(header)}")
    values = np.array(rows, np.float64).reshape(len(rows), len(header))
    return {
        "frames": values[:, 0],
        names[tuple(header)]: values[:, 1:].reshape(len(rows), count, 2),
    }


def _checked(
    path: Path, found: dict[str, object], width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Frame numbers [N] int64 and points [N, L, 2] float32 px."""

    def refuse(what: str) -> ClipError:
        return ClipError(f"The landmark file {path} {what}.", HINT)

    if "frames" not in found or ("points" in found) == ("uv" in found):
        raise refuse("does not hold `frames` and one of `points` (pixels) and `uv` (0 to 1)")
    try:
        frames = np.asarray(found["frames"], np.float64)
        points = np.asarray(found["points" if "points" in found else "uv"], np.float64)
    except (ValueError, TypeError) as error:
        raise refuse("holds something else than numbers, or rows of different lengths") from error
    if points.ndim != 3 or points.shape[1] not in (FACE_POINTS, POINTS) or points.shape[2] != 2:
        shape = " by ".join(str(length) for length in points.shape)
        raise refuse(f"holds an array of {shape} where N by {FACE_POINTS} or {POINTS} by 2 is due")
    if frames.shape != points.shape[:1] or not len(frames):
        raise refuse(f"names {frames.size} frames for the landmarks of {len(points)}")
    if not np.isfinite(frames).all() or (frames != np.floor(frames)).any() or frames.min() < 0:
        raise refuse("has frame numbers that are not whole numbers from 0 on")
    if (np.diff(frames) <= 0).any():
        raise refuse("does not name its frames in ascending order, each once")
    if not np.isfinite(points).all():
        raise refuse("has landmarks that are not finite; leave frames without a face out")
    size = np.array([width, height])
    if "uv" in found:
        points = points * size
    elif np.abs(points).max() <= 2:
        raise refuse("has all landmarks within 2 pixels; name them `uv` if they go from 0 to 1")
    if ((points < -FAR * size) | (points > (1 + FAR) * size)).any():
        raise refuse(f"has landmarks far outside the clip's {width} by {height} pixels")
    return frames.astype(np.int64), points.astype(np.float32)
