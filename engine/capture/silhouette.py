# SPDX-License-Identifier: GPL-3.0-or-later
"""How well the fitted head fills the matte: the overlap of two silhouettes.

Compared are, in one frame and within the head's region,
    mesh    the pixels in which a ray meets the skin of the fitted head,
    matte   the pixels that the matte covers by half or more.

The head's region is where the head may be at all: above the end of the neck and, beside the neck,
next to it (`matte.NeckCut`), so that the two are cut at the same place whether the matte has been
cut already or not. A head fitted to a clip wears its hair (`hair`), others are bald, and the hair
that the matte has beyond them counts as a miss in `iou`. `bare_iou` leaves out the pixels, of both,
whose nearest point of the mesh is scalp: what stays is face, ears and neck. `outside` needs no such
care: no skin lies beyond the matte of a head that is fitted well, hair or none.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ..cores import in_order, shared_out
from ..head.model import Head
from ..head.skinning import HeadTensors
from ..render.camera import Camera
from .folder import Capture
from .matte import NeckCut
from .posed import posed_frame

SIDE = 256  # px of the longer side that silhouettes are compared at
MOST_FRAMES = 60  # a clip is measured in this many frames, evenly spread
COVERED = 128  # of 255


@dataclass(frozen=True)
class Silhouettes:
    """The overlap in one frame, or in many: each a share in 0…1, arrays [N] for N frames."""

    iou: np.ndarray  # intersection over union of mesh and matte
    bare_iou: np.ndarray  # the same away from the scalp
    outside: np.ndarray  # of the mesh's pixels, those beyond the matte


@dataclass(frozen=True)
class Silhouette:
    """Measures frames of one subject."""

    cut: NeckCut
    scalp: np.ndarray  # [V, 1] float32, one on the scalp

    @classmethod
    def of(cls, head: Head) -> "Silhouette":
        """For a subject's head."""
        scalp = np.zeros((len(head.vertices), 1), np.float32)
        scalp[head.vertices_in("scalp")] = 1
        return cls(NeckCut.of(head), scalp)

    def compare(self, posed: np.ndarray, camera: Camera, matte: np.ndarray) -> Silhouettes:
        """The overlap in one frame; NaN where the head is not in the picture.

        Args:
            posed: [V, 3] m, world space.
            camera: the view.
            matte: [H, W] uint8, of the camera's proportions.
        """
        scale = min(SIDE / max(camera.width, camera.height), 1)
        small = camera.resized(round(camera.width * scale), round(camera.height * scale))
        ends = self.cut.ends(posed, small)
        if ends is None:
            return Silhouettes(*np.full((3, 1), np.nan))
        view = ends.view
        region = ends.keep >= 0.5
        mesh = view.hit & region
        size = (small.width, small.height)
        covered = cv2.resize(matte, size, interpolation=cv2.INTER_AREA) >= COVERED
        filled = region & covered
        on_scalp = view.interpolate(self.scalp, self.cut.faces)[..., 0] >= 0.5
        bare = ~ends.carried(on_scalp)
        outside = (mesh & ~covered).sum() / max(mesh.sum(), 1)
        return Silhouettes(*np.array([[_iou(mesh, filled)],
                                      [_iou(mesh & bare, filled & bare)], [outside]]))  # fmt: skip


def measure_silhouettes(capture: Capture) -> tuple[np.ndarray, Silhouettes]:
    """Frame numbers [K] and their overlaps [K], evenly spread over a capture.

    Raises:
        CaptureError: a matte is missing or damaged.
    """
    count = len(capture.motion)
    frames = np.unique(np.linspace(0, count - 1, min(count, MOST_FRAMES)).round().astype(int))
    tensors, silhouette = HeadTensors.of(capture.head), Silhouette.of(capture.head)

    def compared(index: int) -> Silhouettes:
        posed = posed_frame(tensors, capture.motion, index)
        return silhouette.compare(posed, capture.camera, capture.matte(index))

    with shared_out():
        found = list(in_order(compared, frames))
    return frames, Silhouettes(*(np.concatenate([getattr(one, name) for one in found])
                                 for name in ("iou", "bare_iou", "outside")))  # fmt: skip


def silhouette_figures(overlaps: Silhouettes) -> dict[str, float]:
    """The means over the frames that show the head, as capture.json holds them."""
    return {
        "silhouette_iou": _mean(overlaps.iou),
        "silhouette_iou_bare": _mean(overlaps.bare_iou),
        "silhouette_outside": _mean(overlaps.outside),
    }


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def _mean(values: np.ndarray) -> float:
    seen = values[np.isfinite(values)]
    return float(seen.mean()) if len(seen) else float("nan")
