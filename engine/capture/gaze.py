# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the eyes look, from the irises.

The ray through an iris meets the eyeball, a sphere about the eye joint; the eye is turned so that
its axis, straight ahead at rest, goes through that point.
"""

import cv2
import numpy as np

from ..head.model import EYE_LEFT, EYE_RIGHT, Head

IRISES = {EYE_RIGHT: 468, EYE_LEFT: 473}  # MediaPipe's centre points
# Corners, upper and lower lid of each eye: MediaPipe points.
LIDS = {EYE_RIGHT: (33, 133, 159, 145), EYE_LEFT: (263, 362, 386, 374)}
SHUT = 0.13  # lid gap over eye width, below which the iris is hidden
MOST_TURN = 0.6  # rad


def eye_rotations(
    head: Head,
    points: np.ndarray,
    root: np.ndarray,
    translation: np.ndarray,
    lens: tuple[float, float],
    centre: tuple[float, float],
) -> dict[int, np.ndarray]:
    """Axis-angle rotations [N, 3] rad of each eye joint, smooth over time.

    Args:
        head: the subject's head.
        points: [N, 478, 2] px of the clip, irises included.
        root: [N, 3] rad, the root joint's rotations; the neck is straight.
        translation: [N, 3] m.
        lens: focal length in px of the clip, and the camera's distance in m.
        centre: the principal point, px.
    """
    angles = {}
    for joint, iris in IRISES.items():
        turn = _turns(head, joint, points[:, iris], root, translation, lens, centre)  # [N, 2]
        angles[joint] = _bridge(turn, _open(points, joint))
    # Eyes that disagree all the time do so because the model's eyeballs are not the subject's.
    apart = np.median(angles[EYE_LEFT] - angles[EYE_RIGHT], axis=0) / 2
    angles[EYE_LEFT] -= apart
    angles[EYE_RIGHT] += apart
    return {joint: np.c_[_smooth(turn), np.zeros(len(turn))].astype(np.float32)
            for joint, turn in angles.items()}  # fmt: skip


def _turns(
    head: Head, joint: int, iris: np.ndarray, root: np.ndarray, translation: np.ndarray,
    lens: tuple[float, float], centre: tuple[float, float],
) -> np.ndarray:  # fmt: skip
    """Rotation about x and y [N, 2] rad that brings +z to the iris."""
    focal, distance = lens
    middle = head.joints[joint].astype(np.float64)
    radius = _eyeball_radius(head, joint)
    turns = np.zeros((len(iris), 2))
    for n, pixel in enumerate(iris.astype(np.float64)):
        from_world = cv2.Rodrigues(root[n].astype(np.float64))[0].T
        across = (pixel - centre) / focal
        ray = from_world @ (across[0], -across[1], -1.0)
        ray /= np.linalg.norm(ray)
        camera = from_world @ ((0, 0, distance) - translation[n] - head.joints[0]) + head.joints[0]
        along = (middle - camera) @ ray
        miss = camera + along * ray - middle  # nearest the ray comes to the centre
        deep = max(radius**2 - miss @ miss, 0.0)
        axis = miss - np.sqrt(deep) * ray
        axis /= max(np.linalg.norm(axis), 1e-9)
        angle = np.arccos(np.clip(axis[2], -1, 1))
        turns[n] = np.array([-axis[1], axis[0]]) * (angle / max(np.hypot(axis[0], axis[1]), 1e-9))
    return np.clip(turns, -MOST_TURN, MOST_TURN)


def _eyeball_radius(head: Head, joint: int) -> float:
    """m; a grown-up's, where the model has no eyeballs."""
    balls = head.vertices[head.vertices_in("eyeball")]
    away = np.linalg.norm(balls - head.joints[joint], axis=1)
    own = away[away < 0.02]
    return float(np.median(own)) if len(own) else 0.012


def _open(points: np.ndarray, joint: int) -> np.ndarray:
    """[N] bool: frames where the lids let the iris be seen."""
    outer, inner, upper, lower = (points[:, index] for index in LIDS[joint])
    width = np.linalg.norm(outer - inner, axis=1)
    return np.linalg.norm(upper - lower, axis=1) > SHUT * width


def _bridge(track: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The track [N, 2] with its invalid frames interpolated."""
    if not valid.any():
        return np.zeros_like(track)
    at = np.arange(len(track))
    return np.stack([np.interp(at, at[valid], column[valid]) for column in track.T], 1)


def _smooth(track: np.ndarray) -> np.ndarray:
    """The track [N, 2], each frame averaged with its neighbours (1, 2, 1)."""
    padded = np.pad(track, ((1, 1), (0, 0)), mode="edge")
    return (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
