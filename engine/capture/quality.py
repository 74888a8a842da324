# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured in each frame while capturing: quality.safetensors in the capture folder.

A capture that nobody tracked, synthetic or imported, has no such file; then what can be measured
afterwards is.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import read_tensors, write_tensors
from .folder import Capture
from .silhouette import Silhouettes, measure_silhouettes

SCHEMA_VERSION = 1
FILE_NAME = "quality.safetensors"


@dataclass(frozen=True)
class Quality:
    """N frames of a capture; K of them with silhouettes."""

    error: np.ndarray  # [N, 2] px of the clip: mean over landmarks without, with correspondences
    eye_distance: np.ndarray  # [N] px of the clip, between the outer corners; empty if not tracked
    frames: np.ndarray  # [K] which frames have silhouettes
    silhouettes: np.ndarray  # [3, K] as `Silhouettes`: iou, bare_iou, outside

    @property
    def tracked(self) -> bool:
        """Whether landmarks were found and fitted."""
        return len(self.eye_distance) > 0

    @property
    def error_share(self) -> np.ndarray:
        """The error [N, 2] as a share of the outer-eye distance, as in capture.json."""
        eyes = np.maximum(self.eye_distance, 0.5 * np.median(self.eye_distance))
        return self.error / eyes[:, None]


def measure_quality(
    capture: Capture, error: np.ndarray | None = None, eye_distance: np.ndarray | None = None
) -> Quality:
    """What a fit left behind, and the silhouettes of a capture's pictures.

    Raises:
        CaptureError: a matte is missing or damaged.
    """
    frames, found = measure_silhouettes(capture)
    stacked = np.stack([getattr(found, field.name) for field in fields(Silhouettes)])
    return Quality(
        error=np.zeros((0, 2), np.float32) if error is None else error,
        eye_distance=np.zeros(0, np.float32) if eye_distance is None else eye_distance,
        frames=frames.astype(np.int64),
        silhouettes=stacked.astype(np.float32),
    )


def write_quality(folder: Path, quality: Quality) -> None:
    """Write quality.safetensors.

    Raises:
        SpaceError: it could not be written.
    """
    header = {"kind": "quality", "schema_version": SCHEMA_VERSION}
    write_tensors(folder / FILE_NAME, header, vars(quality))


def read_quality(capture: Capture) -> Quality:
    """What was measured while capturing, or what can be measured now.

    Raises:
        CaptureError: a matte is missing or damaged.
    """
    count = len(capture.motion)
    try:
        _, arrays = read_tensors(capture.path / FILE_NAME, "quality", SCHEMA_VERSION)
        quality = Quality(**{field.name: arrays[field.name] for field in fields(Quality)})
    except (InputError, KeyError):
        return measure_quality(capture)
    if len(quality.eye_distance) not in (0, count) or quality.frames.max(initial=-1) >= count:
        return measure_quality(capture)  # it belongs to an earlier capture in this folder
    return quality
