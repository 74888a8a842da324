# SPDX-License-Identifier: GPL-3.0-or-later
"""What a dataset's numbers mean: found by laying the posed mesh over the matte, never assumed.

Candidates are all axes a camera may have, and what the format leaves open about its intrinsics and
its unit. Where several explain the pictures alike, the documented one is taken.
"""

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
import torch

from ...errors import CaptureError
from ...head.skinning import HeadTensors, posed_vertices
from ...render.camera import Camera
from ..matte import NeckCut
from .dataset import Dataset
from .pictures import PictureReader
from .rotations import matrix

# Camera axes → the signs that turn them into ours (x right, y down, z forward).
AXES = {
    "opencv": (1.0, 1.0, 1.0),  # x right, y down, z forward
    "opengl": (1.0, -1.0, -1.0),  # x right, y up, z backward
    "pytorch3d": (-1.0, -1.0, 1.0),  # x left, y up, z forward
    "x-left-z-back": (-1.0, 1.0, -1.0),  # x left, y down, z backward
}
LOOKED_AT = 8  # frames
SIDE = 96  # px
MARGIN = 0.02  # of overlap by which another reading must beat the documented one
LEAST_OVERLAP = 0.55  # hair is in the matte and not in the mesh
LEAST_INSIDE = 0.8  # but the skull lies within the matte
AWAY, UPSIDE_DOWN = 0.34, 0.5  # cosines beyond which a face looks away, a head stands on its crown


@dataclass(frozen=True)
class Convention:
    """One reading of a dataset's numbers."""

    axes: str  # into AXES
    intrinsics: str  # into Dataset.intrinsics
    unit: float  # m

    def cameras(self, dataset: Dataset) -> np.ndarray:
        """The frames' camera_from_world [N, 4, 4], OpenCV axes, m."""
        poses = np.array(dataset.camera_from_world, np.float64)
        poses[:, :3, 3] *= self.unit
        poses[:, :3] *= np.array(AXES[self.axes])[:, None]
        return poses

    def translation(self, dataset: Dataset) -> np.ndarray:
        """The head's translation [N, 3] m, the dataset's world."""
        return dataset.translation * self.unit

    def __str__(self) -> str:
        """In words."""
        unit = "" if self.unit == 1 else f", unit {self.unit:g} m"
        return f"{self.axes} axes, intrinsics {self.intrinsics}{unit}"


@dataclass(frozen=True)
class Found:
    """The reading that fits, and how well."""

    convention: Convention
    overlap: float  # intersection over union of mesh and matte, head region, median over frames
    inside: float  # share of the mesh that lies in the matte, median over frames
    next_best: tuple[str, float] | None  # another reading, and its overlap

    def to_json(self) -> dict:
        """As capture.json's source tells it."""
        told = {"axes": self.convention.axes, "intrinsics": self.convention.intrinsics,
                "unit_m": self.convention.unit, "overlap": round(self.overlap, 4),
                "inside": round(self.inside, 4)}  # fmt: skip
        if self.next_best is not None:
            told["next_best"] = {
                "reading": self.next_best[0],
                "overlap": round(self.next_best[1], 4),
            }
        return told


def detect(dataset: Dataset, reader: PictureReader, tensors: HeadTensors) -> Found:
    """The reading under which the mesh lies where the matte is; `tensors` are the dataset's head.

    Raises:
        CaptureError: no reading does.
    """
    chosen = np.unique(
        np.linspace(0, len(dataset.names) - 1, min(LOOKED_AT, len(dataset.names))).round()
    ).astype(int)
    mattes = [_small(reader.matte(dataset, int(index))) for index in chosen]
    view = _MeshOverMatte(dataset, tensors, chosen, mattes)
    scores = {candidate: view.score(candidate) for candidate in candidates(dataset)}
    documented = next(iter(scores))
    best = max(scores, key=lambda c: scores[c][0] + (MARGIN if c == documented else 0))
    overlap, inside = scores[best]
    others = sorted(
        ((s[0], str(c)) for c, s in scores.items() if c != best and s[0] > 0), reverse=True
    )
    next_best = (others[0][1], others[0][0]) if others else None
    if overlap < LEAST_OVERLAP or inside < LEAST_INSIDE:
        raise CaptureError(
            f"The head does not lie over the pictures' matte in any known reading of "
            f"{dataset.folder}: the best, {best}, overlaps by {overlap:.2f} "
            f"(at least {LEAST_OVERLAP} is needed) with {inside:.2f} of it inside "
            f"(at least {LEAST_INSIDE}).",
            "Check that pictures, parameters and the head model belong together, or track the "
            "clip itself with `capture`.",
        )
    return Found(best, overlap, inside, next_best)


def candidates(dataset: Dataset) -> list[Convention]:
    """All readings, the documented one first."""
    axes = [dataset.axes, *(name for name in AXES if name != dataset.axes)]
    readings = product(axes, dataset.intrinsics, dataset.units)
    return [Convention(*reading) for reading in readings]


class _MeshOverMatte:
    """Some frames' posed meshes, and their mattes."""

    def __init__(
        self, dataset: Dataset, tensors: HeadTensors, frames: np.ndarray, mattes: list[np.ndarray]
    ) -> None:
        self._dataset, self._frames, self._mattes = dataset, frames, mattes
        self._cut = NeckCut.of(dataset.head)
        with torch.no_grad():  # translation comes with its unit
            posed = posed_vertices(
                tensors,
                *(torch.as_tensor(array[frames], dtype=torch.float32)
                  for array in (dataset.psi, dataset.theta, np.zeros_like(dataset.translation))),
            )  # fmt: skip
        self._posed = posed.numpy()
        self._turns = matrix(dataset.theta[:, 0]) @ matrix(dataset.theta[:, 1])

    def score(self, convention: Convention) -> tuple[float, float]:
        """Overlap and share inside, medians over the frames; 0 where the head cannot be seen."""
        cameras = convention.cameras(self._dataset)
        turns = cameras[:, :3, :3] @ self._turns
        if np.median(turns[:, 2, 2]) > AWAY or np.median(turns[:, 1, 1]) > UPSIDE_DOWN:
            return 0.0, 0.0
        moved = convention.translation(self._dataset)
        width, height = self._dataset.size
        found = []
        for posed, frame, matte in zip(self._posed, self._frames, self._mattes, strict=True):
            fx, fy, cx, cy = self._dataset.intrinsics[convention.intrinsics][frame]
            camera = Camera(width, height, fx, fy, cx, cy, cameras[frame])
            small = camera.resized(matte.shape[1], matte.shape[0])
            vertices = (posed + moved[frame]).astype(np.float32)
            pixels, depth = small.project(vertices)
            if (depth <= 0).any() or not np.isfinite(pixels).all():
                found.append((0.0, 0.0))
            else:
                found.append(self._over(vertices, small, matte))
        overlap, inside = np.median(found, axis=0)
        return float(overlap), float(inside)

    def _over(self, vertices: np.ndarray, camera: Camera, matte: np.ndarray) -> tuple[float, float]:
        ends = self._cut.ends(vertices, camera)
        if ends is None:
            return 0.0, 0.0
        height = ends.view.interpolate(self._cut.heights, self._cut.faces)[..., 0]
        mesh = ends.view.hit & (height > 0)
        if not mesh.any():
            return 0.0, 0.0
        head = (matte > 0.5) & (ends.keep > 0.5)
        both = float((mesh & head).sum())
        return both / float((mesh | head).sum()), both / float(mesh.sum())


def _small(matte: np.ndarray) -> np.ndarray:
    """A matte [H, W] uint8 as [h, w] float32 in 0…1, its longer side SIDE px at most."""
    scale = min(SIDE / max(matte.shape), 1.0)
    size = max(round(matte.shape[1] * scale), 1), max(round(matte.shape[0] * scale), 1)
    return cv2.resize(matte, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
