# SPDX-License-Identifier: GPL-3.0-or-later
"""Face landmarks of every frame of a clip: a provider behind an interface, and the checks.

Landmarks are MediaPipe's 468 points of the face, in its order, followed by five points of each
iris (468…472 the subject's right eye, 473…477 the left), in pixels of the clip's frames.
"""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from ..errors import Cancelled, ClipError
from ..jobs import Job
from .folder import MIN_FRAMES
from .video import Clip

POINTS = 478
FACE_POINTS = 468
SECOND_FACE_FRAMES = 5  # a second face counts when it is there this many frames running
MAX_SIDE = (
    1280  # px; larger frames are shrunk for detection: the net sees the face at 192 px anyway
)


class LandmarkProvider(Protocol):
    """Finds faces in pictures; pictures come in the clip's order."""

    name: str

    def detect(self, picture: np.ndarray) -> list[np.ndarray]:
        """The faces in a picture [H, W, 3] uint8 RGB: [478, 2] px each, the largest first."""
        ...

    def close(self) -> None:
        """Let go of the models."""
        ...


@dataclass
class Track:
    """The landmarks found so far."""

    frames: list[int]  # numbers of the frames that show a face
    points: list[np.ndarray]  # [478, 2] float32 px for each of them
    seen: int = 0  # frames looked at
    next_frame: int = 0  # where to go on
    complete: bool = False

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays as a file holds them."""
        points = np.asarray(self.points, np.float32).reshape(-1, POINTS, 2)
        state = np.array([self.seen, self.next_frame, self.complete], np.int64)
        return {"frames": np.asarray(self.frames, np.int64), "points": points, "state": state}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Track":
        """Undo `to_arrays`; KeyError where one is missing."""
        seen, next_frame, complete = arrays["state"].tolist()
        return cls(
            arrays["frames"].tolist(), list(arrays["points"]), seen, next_frame, bool(complete)
        )


def track_clip(
    clip: Clip, first: int, last: int | None, provider: LandmarkProvider, job: Job, track: Track
) -> None:
    """Fill `track` with the landmarks of the clip's frames `first` to `last`, from where it ended.

    Raises:
        ClipError: no face, two faces, or fewer than 20 frames with a face.
        Cancelled: `track` holds what was found until then.
    """
    end = clip.frames - 1 if last is None else min(last, max(clip.frames - 1, 0) or last)
    total = max(end - first + 1, 1)
    run_start, run = 0, 0  # of frames that show a second face
    for number, picture in clip.read(max(first, track.next_frame), last):
        faces = _detect(provider, picture)
        run_start, run = (run_start if run else number, run + 1) if len(faces) > 1 else (0, 0)
        if run >= SECOND_FACE_FRAMES:
            raise ClipError(
                f"The clip shows two faces from frame {run_start} on.",
                f"Crop it to one person, or capture other frames with --frames, "
                f"for example {first}-{max(run_start - 1, first)}.",
            )
        if faces:
            track.frames.append(number)
            track.points.append(_nearest(faces, track.points))
        track.seen += 1
        track.next_frame = number + 1
        try:
            job.update(
                "Finding the face", track.seen, max(total, track.seen), found=str(len(track.frames))
            )
        except Cancelled:
            track.complete = False
            raise
    _check_track(track, clip, first)
    track.complete = True


def _check_track(track: Track, clip: Clip, first: int) -> None:
    if track.seen == 0:
        raise ClipError(f"{clip.path} has no frame {first}.", "Choose frames that the clip has.")
    found = len(track.frames)
    if found == 0:
        raise ClipError(
            f"No face was found in {clip.path}.",
            "Film one head, well lit, upright, and filling much of the picture.",
        )
    if found < MIN_FRAMES:
        raise ClipError(
            f"Only {found} of {track.seen} frames show a usable face; "
            f"at least {MIN_FRAMES} are needed.",
            "Use a longer clip or more of its frames, with the face in view.",
        )


def _detect(provider: LandmarkProvider, picture: np.ndarray) -> list[np.ndarray]:
    scale = MAX_SIDE / max(picture.shape[:2])
    if scale < 1:
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        ratio = np.array([picture.shape[1] / small.shape[1], picture.shape[0] / small.shape[0]])
        return [(points * ratio).astype(np.float32) for points in provider.detect(small)]
    return provider.detect(picture)


def _nearest(faces: list[np.ndarray], earlier: list[np.ndarray]) -> np.ndarray:
    """The face that goes on from the last frame; the largest in the first."""
    if not earlier:
        return faces[0]
    return min(faces, key=lambda points: float(np.abs(points - earlier[-1]).mean()))
