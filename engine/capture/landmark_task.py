# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's own `.task` file, MediaPipe's Face Landmarker, as a landmark provider.

Such a bundle is a zip file of networks. It is read by MediaPipe's native code, which is as safe as
whoever made the file; PartNerFace ships none and fetches none.
"""

import zipfile
from pathlib import Path

import numpy as np

from ..errors import ClipError, DependencyError
from .landmarks import POINTS, distinct
from .mediapipe_models import FaceFinder, quiet

PARTS = ("face_detector.tflite", "face_landmarks_detector.tflite")
STEP_MS = 40  # between pictures; the landmarker only wants time to go forward


class TaskFaces:
    """MediaPipe's Face Landmarker with the user's networks."""

    def __init__(self, path: Path) -> None:
        """Load the bundle.

        Raises:
            ClipError: it is missing or no face landmarker.
            DependencyError: mediapipe is missing or has no tasks.
        """
        self.name = f"mediapipe {path.name}"
        _check_bundle(path)
        self._finder = FaceFinder()
        self._data = path.read_bytes()
        self._time = 0
        try:
            self._start()
        except (RuntimeError, ValueError) as error:
            self._finder.close()
            reason = str(error).strip().splitlines()[0][:200]
            raise ClipError(
                f"MediaPipe refuses the landmark model {path} ({reason}).",
                "Use a face_landmarker.task made for MediaPipe 0.10, or leave --landmarks out.",
            ) from error

    def find(self, picture: np.ndarray) -> np.ndarray:
        """Boxes [F, 4] px (left, top, right, bottom) of faces in a picture, the largest first."""
        return self._finder.find(picture)

    def follow(self, picture: np.ndarray) -> list[np.ndarray]:
        """The faces in a picture [H, W, 3] uint8 RGB: [478, 2] px each, the largest first."""
        import mediapipe

        self._time += STEP_MS
        image = mediapipe.Image(
            image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(picture)
        )
        found = self._landmarker.detect_for_video(image, self._time).face_landmarks
        size = np.array([picture.shape[1], picture.shape[0]], np.float32)
        faces = [np.array([(p.x, p.y) for p in face], np.float32) * size for face in found]
        return distinct([face for face in faces if len(face) == POINTS])

    def restart(self) -> None:
        """Forget where faces were."""
        self._landmarker.close()
        self._start()

    def close(self) -> None:
        """Let go of the models."""
        self._finder.close()
        self._landmarker.close()

    def _start(self) -> None:
        try:
            from mediapipe.tasks.python import BaseOptions, vision
        except ImportError as error:
            raise DependencyError(
                f"mediapipe cannot read .task files here ({error}).",
                "Set the engine's environment up again, with mediapipe 0.10.21.",
            ) from error
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=self._data),
            running_mode=vision.RunningMode.VIDEO,
            num_faces=2,
        )
        with quiet():
            self._landmarker = vision.FaceLandmarker.create_from_options(options)


def _check_bundle(path: Path) -> None:
    hint = "Give the path of a face_landmarker.task file, or leave --landmarks out."
    if not path.is_file():
        raise ClipError(f"There is no landmark model {path}.", hint)
    try:
        with zipfile.ZipFile(path) as bundle:
            missing = set(PARTS) - set(bundle.namelist())
    except (OSError, zipfile.BadZipFile) as error:
        raise ClipError(f"{path} is no MediaPipe .task file.", hint) from error
    if missing:
        raise ClipError(
            f"{path} is no face landmarker: it lacks {' and '.join(sorted(missing))}.", hint
        )
