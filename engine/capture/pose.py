# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the head is, roughly, in every frame: a rigid fit of the mean head's landmarks."""

import cv2
import numpy as np

WORLD_AXES = np.diag([1.0, -1.0, -1.0])  # camera axes from world axes, both ways


def rigid_poses(
    points: np.ndarray, rest: np.ndarray, focal: float, centre: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and place of a rigid head that explain each frame's landmarks best.

    Args:
        points: [N, L, 2] px.
        rest: [L, 3] m, the landmarks in head space.
        focal: px.
        centre: the principal point, px.

    Returns:
        World-from-head rotation vectors [N, 3] rad, and where the landmarks' centroid lies in the
        camera [N, 3] m.
    """
    intrinsics = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1.0]])
    middle = rest.mean(0)
    local = np.ascontiguousarray((rest - middle).astype(np.float64))
    rotations, places = [], []
    guess = None
    for frame in points.astype(np.float64, order="C"):
        if guess is None:
            guess = _first_guess(frame, local, focal, centre)
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
            rotation, place = _first_guess(frame, local, focal, centre)
        guess = rotation, place
        matrix = WORLD_AXES @ cv2.Rodrigues(rotation)[0]
        rotations.append(cv2.Rodrigues(matrix)[0][:, 0])
        places.append(place[:, 0])
    return np.array(rotations), np.array(places)


def _first_guess(
    frame: np.ndarray, local: np.ndarray, focal: float, centre: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Upright, facing the camera, at the distance that its height tells."""
    height = np.ptp(frame[:, 1]) / focal
    depth = np.ptp(local[:, 1]) / max(height, 1e-6)
    at = (frame.mean(0) - centre) / focal * depth
    return cv2.Rodrigues(WORLD_AXES)[0], np.array([[at[0]], [at[1]], [depth]])
