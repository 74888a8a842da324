# SPDX-License-Identifier: GPL-3.0-or-later
"""What was filmed, frame by frame, measured on the fitted head: views, mouth, lids, brows, gaze.

Everything is told by where landmarks of the posed mesh are, not by expression coefficients, so that
it means the same for any head model. N frames. Angles are degrees. Lengths on the face are shares
of the distance between the outer corners of the eyes, at rest, and are measured with the head held
straight: only expression, jaw and eyes move it.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ...head.model import EYE_LEFT, EYE_RIGHT, JAW, NECK, Head, Landmarks
from ...head.skinning import HeadTensors, posed_vertices, rotation_matrix
from ..folder import Capture
from ..pose import WORLD_AXES

BATCH = 256  # frames posed at once
SMOOTH = 9  # frames over which motion is averaged to tell whether the head rests
REST_SPEED = 5.0  # degrees per second
# iBUG points; "right" and "left" are the subject's.
EYE_CORNERS = (36, 45)
MOUTH_CORNERS = (48, 54)
INNER_LIPS = (62, 66)
LIDS = {"right": ((37, 41), (38, 40)), "left": ((43, 47), (44, 46))}  # upper and lower
BROWS = {"right": (slice(17, 22), slice(36, 42)), "left": (slice(22, 27), slice(42, 48))}


@dataclass(frozen=True)
class Measures:
    """N frames; a face at rest has lids 1, and 0 in what is said to be beyond rest."""

    yaw: np.ndarray  # [N] degrees, towards the subject's left; 0 faces the camera
    pitch: np.ndarray  # [N] degrees, upwards
    roll: np.ndarray  # [N] degrees, head tilted to the subject's left
    lip_gap: np.ndarray  # [N] between the inner lips, beyond rest
    mouth_width: np.ndarray  # [N] over the width at rest
    lid_right: np.ndarray  # [N] opening over that at rest
    lid_left: np.ndarray  # [N]
    brow_right: np.ndarray  # [N] lift beyond rest
    brow_left: np.ndarray  # [N]
    corner_right: np.ndarray  # [N] lift of the mouth's corner beyond rest
    corner_left: np.ndarray  # [N]
    jaw: np.ndarray  # [N] degrees
    gaze_yaw: np.ndarray  # [N] degrees in the head, towards the subject's left
    gaze_pitch: np.ndarray  # [N] degrees, upwards
    rotation_jitter: np.ndarray  # [N] degrees, second difference; NaN at the ends and at gaps
    position_jitter: np.ndarray  # [N] mm
    resting: np.ndarray  # [N] bool, the head stands still


def measure_motion(capture: Capture) -> Measures:
    """Measure every frame of a capture."""
    head, motion = capture.head, capture.motion
    points = head.landmarks68
    rest = _points_at(head, points, np.zeros((1, motion.psi.shape[1]), np.float32),
                      np.zeros((1, *motion.theta.shape[1:]), np.float32))[0]  # fmt: skip
    theta = motion.theta.copy()
    theta[:, [0, NECK]] = 0
    face = _points_at(head, points, motion.psi, theta)  # [N, 68, 3] m
    rotation = _rotations(motion.theta)  # [N, 3, 3] world from head
    eyes = rest[list(EYE_CORNERS)].mean(0)
    place = _carried(head, motion.theta, motion.translation, eyes)  # [N, 3] m
    yaw, pitch, roll = _view_angles(capture.camera.camera_from_world, rotation)
    gaze = np.degrees(motion.theta[:, [EYE_LEFT, EYE_RIGHT]].mean(1))
    turn, shift, resting = _steadiness(rotation, place, frame_numbers(capture), capture.seconds)
    return Measures(
        yaw=yaw, pitch=pitch, roll=roll,
        **_mouth(face, rest), **_eyes(face, rest),
        jaw=np.degrees(motion.theta[:, JAW, 0]),
        gaze_yaw=gaze[:, 1], gaze_pitch=-gaze[:, 0],
        rotation_jitter=turn, position_jitter=shift, resting=resting,
    )  # fmt: skip


def frame_numbers(capture: Capture) -> np.ndarray:
    """The clip's frame numbers [N]; counted from 0 where there was no clip."""
    numbers = np.asarray(capture.source.get("frames", ()), np.int64)
    count = len(capture.motion)
    return numbers if numbers.shape == (count,) else np.arange(count)


def _points_at(head: Head, points: Landmarks, psi: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Landmarks [N, 68, 3] m without translation."""
    rows, places = np.unique(points.vertices, return_inverse=True)
    few = _tensors_at(head, rows)
    local = replace(points, vertices=places.reshape(points.vertices.shape).astype(np.int32))
    found = []
    for first in range(0, len(psi), BATCH):
        part = slice(first, first + BATCH)
        some = torch.as_tensor(psi[part]), torch.as_tensor(theta[part])
        posed = posed_vertices(few, *some, torch.zeros(len(some[0]), 3))
        found.append(local.on(posed.numpy()))
    return np.concatenate(found)


def _tensors_at(head: Head, rows: np.ndarray) -> HeadTensors:
    """The head cut down to some of its vertices, without faces or parts."""

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32))

    return HeadTensors(
        vertices=tensor(head.vertices[rows]),
        faces=torch.zeros(0, 3, dtype=torch.int32),
        expressions=tensor(head.expressions[:, rows]).flatten(1),
        joints=tensor(head.joints),
        skin_weights=tensor(head.skin_weights[rows]),
        correctives=tensor(head.correctives[:, rows]).flatten(1),
        corrective_index=torch.from_numpy(head.corrective_index.astype(np.int64)),
        part_weights=torch.zeros(len(rows), 0),
    )


def _rotations(theta: np.ndarray) -> np.ndarray:
    """World from head [N, 3, 3]: root, then neck."""
    both = rotation_matrix(torch.as_tensor(theta[:, [0, NECK]], dtype=torch.float64)).numpy()
    return both[:, 0] @ both[:, 1]


def _carried(head: Head, theta: np.ndarray, translation: np.ndarray, point: np.ndarray
             ) -> np.ndarray:  # fmt: skip
    """Where a point [3] of the head is in the world: [N, 3] m."""
    both = rotation_matrix(torch.as_tensor(theta[:, [0, NECK]], dtype=torch.float64)).numpy()
    root, neck = head.joints[0], head.joints[NECK]
    by_neck = both[:, 1] @ (point - neck) + neck
    return np.einsum("nab,nb->na", both[:, 0], by_neck - root) + root + translation


def _view_angles(
    camera_from_world: np.ndarray, rotation: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Yaw, pitch and roll [N] in degrees of heads [N, 3, 3] as the camera sees them."""
    seen = WORLD_AXES @ camera_from_world[:3, :3] @ rotation  # upright before the camera: identity
    ahead, up = seen[..., 2], seen[..., 1]
    yaw = np.arctan2(ahead[:, 0], ahead[:, 2])
    pitch = np.arcsin(np.clip(ahead[:, 1], -1, 1))
    level = np.stack([np.cos(yaw), np.zeros_like(yaw), -np.sin(yaw)], 1)
    roll = np.arcsin(np.clip((up * level).sum(1), -1, 1))
    return np.degrees(yaw), np.degrees(pitch), np.degrees(roll)


def _mouth(face: np.ndarray, rest: np.ndarray) -> dict[str, np.ndarray]:
    eyes = _apart(rest, *EYE_CORNERS)
    lift = {}
    for side, corner in zip(("right", "left"), MOUTH_CORNERS, strict=True):
        height = [points[..., corner, 1] - points[..., list(EYE_CORNERS), 1].mean(-1)
                  for points in (face, rest)]  # fmt: skip
        lift[f"corner_{side}"] = (height[0] - height[1]) / eyes
    return {
        "lip_gap": (_apart(face, *INNER_LIPS) - _apart(rest, *INNER_LIPS)) / eyes,
        "mouth_width": _apart(face, *MOUTH_CORNERS) / _apart(rest, *MOUTH_CORNERS),
        **lift,
    }


def _eyes(face: np.ndarray, rest: np.ndarray) -> dict[str, np.ndarray]:
    eyes, found = _apart(rest, *EYE_CORNERS), {}
    for side, (outer, inner) in LIDS.items():
        opening, still = (_apart(p, *outer) + _apart(p, *inner) for p in (face, rest))
        found[f"lid_{side}"] = opening / np.maximum(still, 1e-6)
    for side, (brow, eye) in BROWS.items():
        above, still = (p[..., brow, 1].mean(-1) - p[..., eye, 1].mean(-1) for p in (face, rest))
        found[f"brow_{side}"] = (above - still) / eyes
    return found


def _apart(points: np.ndarray, a: int, b: int) -> np.ndarray:
    return np.linalg.norm(points[..., a, :] - points[..., b, :], axis=-1)


def _steadiness(
    rotation: np.ndarray, place: np.ndarray, numbers: np.ndarray, seconds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Second differences of turn [N] degrees and place [N] mm, and where the head rests [N]."""
    count = len(rotation)
    turn, shift = np.full(count, np.nan), np.full(count, np.nan)
    resting = np.zeros(count, bool)
    if count < 3:
        return turn, shift, resting
    step = np.swapaxes(rotation[:-1], 1, 2) @ rotation[1:]  # [N-1, 3, 3]
    axis = np.stack([step[:, 2, 1] - step[:, 1, 2], step[:, 0, 2] - step[:, 2, 0],
                     step[:, 1, 0] - step[:, 0, 1]], 1) / 2  # fmt: skip
    spin = np.degrees(axis)  # [N-1, 3], small angles
    usual = np.median(np.diff(numbers))
    even = (np.diff(numbers)[1:] == usual) & (np.diff(numbers)[:-1] == usual)
    turn[1:-1] = np.where(even, np.linalg.norm(np.diff(spin, axis=0), axis=1), np.nan)
    bend = np.linalg.norm(place[2:] - 2 * place[1:-1] + place[:-2], axis=1) * 1000
    shift[1:-1] = np.where(even, bend, np.nan)
    window = np.ones(min(SMOOTH, len(spin))) / min(SMOOTH, len(spin))
    slow = np.stack([np.convolve(column, window, mode="same") for column in spin.T], 1)
    resting[1:] = np.linalg.norm(slow, axis=1) / np.median(np.diff(seconds)) < REST_SPEED
    return turn, shift, resting
