# SPDX-License-Identifier: GPL-3.0-or-later
"""The models inside the mediapipe package: face mesh with irises, and the person's matte.

Both come with the wheel; nothing is downloaded. MediaPipe's native code writes to the standard
error whatever it is told, so that stream is closed off while a model starts.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np

from ..errors import DependencyError
from .landmarks import POINTS

_BLANK = np.zeros((64, 64, 3), np.uint8)  # a model says all it has to say at its first picture
_OVERLAP = 0.3  # two detections of one face overlap more than this


class MediaPipeFaces:
    """MediaPipe's face mesh as a landmark provider."""

    name = "mediapipe face_mesh"

    def __init__(self) -> None:
        solutions = _solutions()
        with _quiet():
            self._mesh = solutions.face_mesh.FaceMesh(max_num_faces=2, refine_landmarks=True)
            self._mesh.process(_BLANK)
        self._silent = True  # it has one more thing to say when it first sees a face

    def detect(self, picture: np.ndarray) -> list[np.ndarray]:
        """The faces in a picture [H, W, 3] uint8 RGB: [478, 2] px each, the largest first."""
        with _quiet() if self._silent else contextlib.nullcontext():
            found = self._mesh.process(picture).multi_face_landmarks or []
        self._silent = self._silent and not found
        size = np.array([picture.shape[1], picture.shape[0]], np.float32)
        faces = [np.array([(p.x, p.y) for p in face.landmark], np.float32) * size for face in found]
        faces = [face for face in faces if len(face) == POINTS and np.isfinite(face).all()]
        faces.sort(key=lambda face: -float(np.prod(np.ptp(face, axis=0))))
        if len(faces) == 2 and _overlap(*faces) > _OVERLAP:
            faces.pop()
        return faces

    def close(self) -> None:
        """Let go of the model."""
        self._mesh.close()


class MediaPipeMatte:
    """MediaPipe's selfie segmentation: a soft mask of the person."""

    def __init__(self) -> None:
        solutions = _solutions()
        with _quiet():
            self._model = solutions.selfie_segmentation.SelfieSegmentation(model_selection=0)
            self._model.process(_BLANK)

    def person(self, picture: np.ndarray) -> np.ndarray:
        """Where in a picture [H, W, 3] uint8 RGB the person is: [H, W] float32 in 0…1."""
        mask = self._model.process(np.ascontiguousarray(picture)).segmentation_mask
        return np.asarray(mask, np.float32)

    def close(self) -> None:
        """Let go of the model."""
        self._model.close()


def _solutions() -> ModuleType:
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    hint = "Set the engine's environment up again, with mediapipe 0.10.21."
    try:
        with _quiet():
            import mediapipe
    except Exception as error:  # a broken wheel raises whatever it likes while it loads
        raise DependencyError(
            f"Capture needs the package mediapipe, which does not load ({error}).", hint
        ) from error
    if not hasattr(mediapipe, "solutions"):
        raise DependencyError(
            f"mediapipe {mediapipe.__version__} comes without its models, which capture needs.",
            hint,
        )
    return mediapipe.solutions


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over the smaller box of two point sets [N, 2]."""
    low = np.maximum(a.min(0), b.min(0))
    high = np.minimum(a.max(0), b.max(0))
    shared = float(np.prod(np.clip(high - low, 0, None)))
    return shared / max(
        min(float(np.prod(np.ptp(a, axis=0))), float(np.prod(np.ptp(b, axis=0)))), 1e-6
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send the process's standard error nowhere for a moment, native code included."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # no standard error at all: nothing to silence
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
