# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the head is, roughly, in every frame: a rigid fit of the neutral head's landmarks."""

import cv2
import numpy as np
import torch
from torch import Tensor

from .landmark_head import LandmarkHead
from .landmark_rows import Points
from .unknowns import Frames, Subject

FOCAL_GUESS = 1.6  # in longer sides of the picture: a phone's portrait or an office camera
WORLD_AXES = np.diag([1.0, -1.0, -1.0])  # camera axes from world axes, both ways


def first_subject(head: LandmarkHead, focal: float) -> Subject:
    """The mean head, filmed with a focal length in px."""
    rest = head.mean.vertices
    return Subject(
        rest.new_zeros(len(head.identities)), torch.log(rest.new_tensor(focal)),
        torch.zeros_like(rest),
    )  # fmt: skip


def rigid_frames(points: Points, subject: Subject, seen: Tensor, expressions: int) -> Frames:
    """Frames of a neutral head where the landmarks `seen` [N, L, 2] px have it.

    Pixels count from the principal point.
    """
    known = points.head.known > 0
    rest = points.head.subject(subject.beta, subject.offset).vertices[known].cpu().numpy()
    focal, middle = float(subject.focal), points.middle.cpu().numpy()
    rotations, places = rigid_poses(seen[:, known].cpu().numpy(), rest, focal, middle)
    matrices = np.stack([cv2.Rodrigues(rotation)[0] for rotation in rotations])
    like, count = seen, len(seen)
    return Frames(
        rotation=torch.as_tensor(matrices).to(like),
        place=torch.as_tensor(places[:, :2] / places[:, 2:] * focal).to(like),
        size=torch.as_tensor(np.log(places[:, 2] / focal)).to(like),
        jaw=like.new_zeros(count, 3),
        psi=like.new_zeros(count, expressions),
    )


def rigid_poses(
    points: np.ndarray, rest: np.ndarray, focal: float, middle: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and place of a rigid head that explain each frame's landmarks best.

    Args:
        points: [N, L, 2] px from the principal point.
        rest: [L, 3] m, the landmarks in head space.
        focal: px.
        middle: [3] m, head space, a point of the head.

    Returns:
        World-from-head rotation vectors [N, 3] rad, and where `middle` lies in the camera
        [N, 3] m.
    """
    intrinsics = np.diag([focal, focal, 1.0])
    local = np.ascontiguousarray((rest - middle).astype(np.float64))
    rotations, places = [], []
    guess = None
    for frame in points.astype(np.float64, order="C"):
        if guess is None:
            guess = _first_guess(frame, local, focal)
        rotation, place = guess
        _, rotation, place = cv2.solvePnP(
            local,
            frame,
            intrinsics,
            None,
            rotation.copy(),
            place.copy(),
            True,
            cv2.SOLVEPNP_ITERATIVE,
        )
        if place[2, 0] <= 0:  # behind the camera: a mirrored solution
            rotation, place = _first_guess(frame, local, focal)
        guess = rotation, place
        matrix = WORLD_AXES @ cv2.Rodrigues(rotation)[0]
        rotations.append(cv2.Rodrigues(matrix)[0][:, 0])
        places.append(place[:, 0])
    return np.array(rotations), np.array(places)


def _first_guess(
    frame: np.ndarray, local: np.ndarray, focal: float
) -> tuple[np.ndarray, np.ndarray]:
    """Upright, facing the camera, at the distance that its height tells."""
    height = np.ptp(frame[:, 1]) / focal
    depth = np.ptp(local[:, 1]) / max(height, 1e-6)
    at = frame.mean(0) / focal * depth
    return cv2.Rodrigues(WORLD_AXES)[0], np.array([[at[0]], [at[1]], [depth]])
