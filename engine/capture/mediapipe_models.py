# SPDX-License-Identifier: GPL-3.0-or-later
"""The models inside the mediapipe package: face detector, face mesh with irises, person's matte.

All come with the wheel; nothing is downloaded. MediaPipe's native code writes to the standard
error whatever it is told, so that stream is closed off while a model starts.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np

from ..errors import DependencyError
from .landmarks import POINTS, distinct

_BLANK = np.zeros((64, 64, 3), np.uint8)  # a model says all it has to say at its first picture
FOUND = 0.5  # how sure the detector must be


class FaceFinder:
    """MediaPipe's full-range face detector: where faces are, small ones too."""

    def __init__(self) -> None:
        solutions = mediapipe_solutions()
        with quiet():
            self._model = solutions.face_detection.FaceDetection(
                model_selection=1, min_detection_confidence=FOUND
            )
            self._model.process(_BLANK)
        self._silent = True  # it has one more thing to say when it first sees a face

    def find(self, picture: np.ndarray) -> np.ndarray:
        """Boxes [F, 4] px (left, top, right, bottom) of faces in a picture, the largest first."""
        with quiet() if self._silent else contextlib.nullcontext():
            found = self._model.process(np.ascontiguousarray(picture)).detections or []
        self._silent = self._silent and not found
        boxes = [detection.location_data.relative_bounding_box for detection in found]
        corners = np.array(
            [(b.xmin, b.ymin, b.xmin + b.width, b.ymin + b.height) for b in boxes], np.float64
        ).reshape(-1, 4)
        corners *= (picture.shape[1], picture.shape[0]) * 2
        area = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
        return corners[np.argsort(-area, kind="stable")]

    def close(self) -> None:
        """Let go of the model."""
        self._model.close()


class MediaPipeFaces:
    """MediaPipe's face mesh as a landmark provider."""

    name = "mediapipe face_mesh"

    def __init__(self) -> None:
        solutions = mediapipe_solutions()
        self._finder = FaceFinder()
        with quiet():
            self._mesh = solutions.face_mesh.FaceMesh(max_num_faces=2, refine_landmarks=True)
            self._mesh.process(_BLANK)
        self._silent = True  # it has one more thing to say when it first sees a face

    def find(self, picture: np.ndarray) -> np.ndarray:
        """Boxes [F, 4] px (left, top, right, bottom) of faces in a picture, the largest first."""
        return self._finder.find(picture)

    def follow(self, picture: np.ndarray) -> list[np.ndarray]:
        """The faces in a picture [H, W, 3] uint8 RGB: [478, 2] px each, the largest first."""
        with quiet() if self._silent else contextlib.nullcontext():
            found = self._mesh.process(picture).multi_face_landmarks or []
        self._silent = self._silent and not found
        size = np.array([picture.shape[1], picture.shape[0]], np.float32)
        faces = [np.array([(p.x, p.y) for p in face.landmark], np.float32) * size for face in found]
        return distinct([face for face in faces if len(face) == POINTS])

    def restart(self) -> None:
        """Forget where faces were."""
        with quiet():
            self._mesh.reset()
            self._mesh.process(_BLANK)
        self._silent = True

    def close(self) -> None:
        """Let go of the models."""
        self._finder.close()
        self._mesh.close()


class MediaPipeMatte:
    """MediaPipe's selfie segmentation: a soft mask of the person."""

    def __init__(self) -> None:
        solutions = mediapipe_solutions()
        with quiet():
            self._model = solutions.selfie_segmentation.SelfieSegmentation(model_selection=0)
            self._model.process(_BLANK)

    def person(self, picture: np.ndarray) -> np.ndarray:
        """Where in a picture [H, W, 3] uint8 RGB the person is: [H, W] float32 in 0…1."""
        mask = self._model.process(np.ascontiguousarray(picture)).segmentation_mask
        return np.asarray(mask, np.float32)

    def close(self) -> None:
        """Let go of the model."""
        self._model.close()


def mediapipe_solutions() -> ModuleType:
    """`mediapipe.solutions`, where the models are.

    Raises:
        DependencyError: mediapipe is missing, broken, or a version without them.
    """
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    hint = "Set the engine's environment up again, with mediapipe 0.10.21."
    try:
        with quiet():
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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
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
