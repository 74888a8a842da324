# SPDX-License-Identifier: GPL-3.0-or-later
"""Where on the face a point of the skin lies: distances and coordinates, from 68 landmarks.

All are functions of a vertex's place on the subject's neutral head, in metres unless said
otherwise. Distances are kept, not masks: a distance interpolates well across a triangle, so that a
picture can draw an edge finer than the mesh.
"""

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

NOSE_TIP, CHIN = 30, 8
CURVE_STEP = 0.0002  # m, how finely curves are sampled


@dataclass(frozen=True)
class Face:
    """Landmarks and measures of one neutral head."""

    landmarks: np.ndarray  # [68, 3] m, iBUG order
    middle: np.ndarray  # [3] m, between the ears
    eye_line: float  # m, y of the eyes
    brow_line: float  # m, y of the brows
    chin: float  # m, y
    third: float  # m, brow to nose base: the canon's third of a face
    half_width: float  # m, half the distance between the ears

    @classmethod
    def of(cls, landmarks: np.ndarray) -> "Face":
        """Measure a face by its landmarks [68, 3]."""
        ears = (landmarks[0] + landmarks[16]) / 2
        brow = landmarks[17:27, 1].mean()
        half_width = abs(landmarks[16, 0] - landmarks[0, 0]) / 2
        return cls(
            landmarks=landmarks,
            middle=np.array([ears[0], ears[1], ears[2] - 0.45 * half_width]),
            eye_line=float(landmarks[36:48, 1].mean()),
            brow_line=float(brow),
            chin=float(landmarks[CHIN, 1]),
            third=float(brow - landmarks[33, 1]),
            half_width=float(half_width),
        )


@dataclass(frozen=True)
class Fields:
    """One value per vertex, [V] float32 each."""

    lip: np.ndarray  # signed distance to the lips' outline seen from the front, negative inside
    seam: np.ndarray  # signed height above the line where the lips meet
    brow: np.ndarray  # distance to the nearer brow's line
    brow_up: np.ndarray  # the same, signed: positive above
    brow_along: np.ndarray  # 0 at the inner end, 1 at the outer
    eye: np.ndarray  # signed distance to the lids' outline seen from the front, negative inside
    lash: np.ndarray  # distance to the upper lid's edge
    forehead: np.ndarray  # height above the brows
    frown: np.ndarray  # distance to the two upright lines between the brows
    crow: np.ndarray  # distance to the three lines at the outer corner of the eye
    fold: np.ndarray  # signed distance to the line from nose to mouth corner, positive outside
    fold_held: np.ndarray  # 0…1, fades to nothing at that line's ends
    outside: np.ndarray  # 0…1, past the corner of the mouth to the side
    bag: np.ndarray  # distance to the groove under the eye
    bunny: np.ndarray  # distance to the lines on the side of the nose's root
    cheek: np.ndarray  # distance to the middle of the cheek
    nose: np.ndarray  # distance to the nose's tip
    chin: np.ndarray  # distance to the chin
    corner: np.ndarray  # distance to the corner of the mouth
    hair: np.ndarray  # signed distance inside the hairline (approximate)
    beard: np.ndarray  # 0…1, where a beard grows
    ear: np.ndarray  # 0…1, on the ears

    def stacked(self) -> np.ndarray:
        """[V, C] float32 in the order of `field_names`."""
        return np.stack([getattr(self, name) for name in field_names()], 1).astype(np.float32)


def field_names() -> tuple[str, ...]:
    """The names of the fields, in order."""
    return tuple(field.name for field in fields(Fields))


def measure_fields(points: np.ndarray, face: Face, ear: np.ndarray) -> Fields:
    """The fields of the vertices [V, 3] of a neutral head; `ear` [V] bool."""
    marks = face.landmarks
    front = points[:, 2] > face.middle[2]
    snap = cKDTree(points)

    def near(curve: np.ndarray) -> np.ndarray:
        on_skin = snap.data[snap.query(curve)[1]]
        return gaussian_filter1d(on_skin, 3.0, axis=0, mode="nearest")  # no steps of the mesh

    def both(curve: np.ndarray) -> list[np.ndarray]:
        return [curve, curve * (-1, 1, 1)]

    lips = smooth_curve(marks[48:60], closed=True)
    seam = smooth_curve((marks[[48, 61, 62, 63, 54]] + marks[[48, 67, 66, 65, 54]]) / 2)
    brows = [smooth_curve(marks[[21, 20, 19, 18, 17]]), smooth_curve(marks[22:27])]
    found = [closest_on_curve(points, curve) for curve in brows]
    left = points[:, 0] > 0
    brow, along, foot = (np.where(_like(left, b), b, a) for a, b in zip(*found, strict=True))
    upper = [marks[36:40], marks[42:46]]
    lids = [marks[36:42], marks[42:48]]
    folds = [near(curve) for curve in _fold_lines(marks)]
    fold = [closest_on_curve(points, curve) for curve in folds]
    fold_distance, fold_along, fold_foot = (
        np.where(_like(left, b), b, a) for a, b in zip(*fold, strict=True)
    )
    outside = np.sign(
        np.abs(points[:, 0]) - np.abs(fold_foot[:, 0]) + 0.3 * (points[:, 1] - fold_foot[:, 1])
    )
    far = np.where(front, 0.0, 0.2)  # what is seen from the front only

    def to_curves(curves: list[np.ndarray]) -> np.ndarray:
        return np.min([closest_on_curve(points, near(curve))[0] for curve in curves], 0)

    frown_x = 0.55 * (abs(marks[21, 0]) + abs(marks[22, 0])) / 2
    root = marks[27]
    frown = np.array(
        [
            [frown_x, face.brow_line - 0.006, root[2]],
            [frown_x * 0.9, face.brow_line + 0.012, root[2]],
        ]
    )
    bunny = root + np.array([[0.006, -0.004, 0.0], [0.012, -0.010, -0.01]])
    return Fields(
        lip=signed_polygon(points[:, :2], lips[:, :2]) + far,
        seam=points[:, 1] - np.interp(np.abs(points[:, 0]), *_seam_profile(seam)),
        brow=brow + far,
        brow_up=points[:, 1] - foot[:, 1],
        brow_along=along,
        eye=np.minimum(
            *[signed_polygon(points[:, :2], smooth_curve(lid, closed=True)[:, :2]) for lid in lids]
        )
        + far,
        lash=np.min([closest_on_curve(points, smooth_curve(lid))[0] for lid in upper], 0),
        forehead=points[:, 1] - face.brow_line - far,
        frown=np.min([_tapered(points, near(curve)) for curve in both(smooth_curve(frown))], 0),
        crow=to_curves([line for side in (36, 45) for line in _crow_lines(marks[side])]),
        fold=fold_distance * outside,
        fold_held=_step(fold_along, 0.02, 0.25) * _step(fold_along, 1.0, 0.65),
        outside=_step(np.abs(points[:, 0]) - abs(marks[54, 0]), -0.003, 0.012),
        bag=to_curves([_bag_line(marks[36:42]), _bag_line(marks[42:48])]),
        bunny=np.min([_tapered(points, near(curve)) for curve in both(smooth_curve(bunny))], 0),
        cheek=_to_points(points, snap.data[snap.query(_cheeks(marks))[1]]),
        nose=_to_points(points, marks[[NOSE_TIP]]),
        chin=_to_points(points, marks[[CHIN]] + (0, 0.012, 0)),
        corner=_to_points(points, marks[[48, 54]]),
        hair=hairline(points, face),
        beard=_beard(points, face),
        ear=ear.astype(np.float32),
    )


def smooth_curve(points: np.ndarray, closed: bool = False, steps: int = 8) -> np.ndarray:
    """A spline [N, 3] through the points [n, 3], `steps` pieces for each of theirs."""
    if closed:
        points = np.concatenate([points, points[:1]])
    knots = np.arange(len(points))
    spline = CubicSpline(knots, points, bc_type="periodic" if closed else "natural")
    return spline(np.linspace(0, len(points) - 1, (len(points) - 1) * steps + 1))


def closest_on_curve(
    points: np.ndarray, curve: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance [V], place 0…1 along the curve [V], closest point [V, 3] on a polyline [N, 3]."""
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    fine = np.linspace(0, length[-1], max(8, int(length[-1] / CURVE_STEP)))
    dense = np.stack([np.interp(fine, length, curve[:, k]) for k in range(curve.shape[1])], 1)
    distance, index = cKDTree(dense).query(points)
    return distance, fine[index] / length[-1], dense[index]


def signed_polygon(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Signed distance [V] of points [V, 2] to a closed polygon [N, 2], negative inside."""
    distance = closest_on_curve(points, polygon)[0]
    inside = np.zeros(len(points), bool)
    boxed = np.flatnonzero(((points > polygon.min(0)) & (points < polygon.max(0))).all(1))
    x, y = points[boxed].T
    for a, b in pairwise(polygon):
        rise = b[1] - a[1] if abs(b[1] - a[1]) > 1e-12 else 1e-12
        inside[boxed] ^= ((a[1] > y) != (b[1] > y)) & (x < a[0] + (y - a[1]) / rise * (b[0] - a[0]))
    return np.where(inside, -distance, distance)


def hairline(points: np.ndarray, face: Face) -> np.ndarray:
    """How far inside the hairline the points [V, 3] lie (m, about)."""
    from_middle = points - face.middle
    around = np.degrees(np.arctan2(np.abs(from_middle[:, 0]), from_middle[:, 2]))  # 0 = front
    ear, brow, t = face.eye_line, face.brow_line, face.third
    mouth = face.landmarks[48, 1]
    heights = [
        (0, brow + 0.84 * t), (18, brow + 0.86 * t), (34, brow + 0.78 * t),
        (44, brow + 0.45 * t), (54, brow + 0.1 * t),
        (63, ear - 0.2 * t), (70, ear - 0.55 * t), (84, ear - 0.5 * t), (95, ear + 0.1 * t),
        (112, ear - 0.2 * t), (130, mouth + 0.15 * t), (180, mouth - 0.35 * t),
    ]  # fmt: skip
    angle, height = np.array(heights).T
    return points[:, 1] - PchipInterpolator(angle, height)(np.clip(around, 0, 180))


def _tapered(points: np.ndarray, curve: np.ndarray) -> np.ndarray:
    distance, along, _ = closest_on_curve(points, curve)
    return distance + 0.0025 * np.abs(2 * along - 1) ** 3


def _like(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    return mask.reshape(mask.shape + (1,) * (values.ndim - 1))


def _to_points(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.min([np.linalg.norm(points - target, axis=1) for target in targets], 0)


def _seam_profile(seam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    half = seam[seam[:, 0] >= 0]
    order = np.argsort(half[:, 0])
    return half[order, 0], half[order, 1]


def _fold_lines(marks: np.ndarray) -> list[np.ndarray]:
    lines = []
    for wing, corner in ((31, 48), (35, 54)):
        side = np.sign(marks[corner, 0])
        points = np.array([
            marks[wing] + (side * 0.004, 0.006, -0.004),
            0.6 * marks[wing] + 0.4 * marks[corner] + (side * 0.0075, 0.002, -0.003),
            marks[corner] + (side * 0.0095, 0.001, -0.006),
            marks[corner] + (side * 0.0095, -0.012, -0.008),
        ])  # fmt: skip
        lines.append(smooth_curve(points))
    return lines


def _crow_lines(corner: np.ndarray) -> list[np.ndarray]:
    side = np.sign(corner[0])
    lines = []
    for rise in (0.55, 0.02, -0.5):
        start = corner + np.array([side * 0.007, rise * 0.006, -0.003])
        lines.append(start + np.linspace(0, 1, 9)[:, None] * (side * 0.016, rise * 0.018, -0.015))
    return lines


def _bag_line(lid: np.ndarray) -> np.ndarray:
    ends = lid[[0, 5, 4, 3]] if abs(lid[0, 0]) > abs(lid[3, 0]) else lid[[3, 4, 5, 0]]
    drop = np.array([0.004, 0.0085, 0.0095, 0.004])
    return smooth_curve(ends - np.stack([0 * drop, drop, 0 * drop], 1))


def _cheeks(marks: np.ndarray) -> np.ndarray:
    return np.array([
        [marks[k, 0] * 1.02, 0.62 * marks[33, 1] + 0.38 * marks[k, 1], marks[k, 2]]
        for k in (36, 45)
    ])  # fmt: skip


def _beard(points: np.ndarray, face: Face) -> np.ndarray:
    marks = face.landmarks
    around = np.degrees(np.arctan2(np.abs(points[:, 0]), points[:, 2] - face.middle[2]))
    nose, corner = marks[33, 1], marks[48, 1]
    angle = [0, 12, 22, 40, 60, 75, 100]
    top = np.interp(
        around,
        angle,
        [
            nose - 0.002,
            nose - 0.004,
            corner + 0.004,
            corner,
            corner + 0.02,
            face.eye_line,
            face.eye_line,
        ],
    )
    below = _step(top - points[:, 1], -0.003, 0.006)
    above = _step(points[:, 1] - (face.chin - 0.03 - 0.02 * (around > 40)), -0.01, 0.015)
    return below * above * _step(points[:, 2] - face.middle[2], 0.0, 0.02)


def _step(x: np.ndarray, low: float, high: float) -> np.ndarray:
    u = np.clip((x - low) / (high - low), 0, 1)
    return u * u * (3 - 2 * u)
