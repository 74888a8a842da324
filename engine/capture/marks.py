# SPDX-License-Identifier: GPL-3.0-or-later
"""What each frame is good for: measures taken while tracking, and the marks that follow from them.

Sharpness is the slope of a picture's fine detail over that of its coarse detail, minus one, in the
direction where it is least: it does not depend on light or contrast, and falls towards zero as the
picture blurs. A face's colours are
those of a slightly smoothed picture at its landmarks. Both are judged against the clip's own
median, so a clip that is blurred or covered throughout is not noticed.
"""

from enum import IntEnum

import cv2
import numpy as np
from scipy.spatial import Delaunay

from .crop import Crop

FACE_POINTS = 468
SIDE = 256  # px at most of the square that sharpness is measured in
COLOUR_SIDE = 64  # px of the square that colours are read from
OUTSIDE = 0.03  # of the face's landmarks, beyond the picture
BLURRED = 0.6  # of the clip's median sharpness
STRANGE, SPREADS = 12.0, 4.0  # Lab units and robust deviations from a landmark's usual colour
COVERED = 0.12  # of the visible landmarks whose colour is strange
VISIBLE = 0.2  # of a triangle's usual area, below which its corners are turned away
ENOUGH = 0.3  # of the landmarks must be visible for their colours to be judged
FEATURELESS = 3.0  # times the clip's median sharpness: noise alone, as on a hand or a wall
CLOSER = (0.4, 2.5)  # a face's height over the clip's median within which its sharpness is compared


class Mark(IntEnum):
    """What a frame is good for."""

    OK = 0
    NO_FACE = 1
    BLURRED = 2
    COVERED = 3
    OUTSIDE = 4  # cut by the picture's edge
    SECOND_PERSON = 5  # so near that it would be in the pictures
    NOT_FITTED = 6  # the head model does not follow the landmarks

    @property
    def key(self) -> str:
        """The name as files hold it."""
        return self.name.lower()


def measure(picture: np.ndarray, points: np.ndarray) -> tuple[float, np.ndarray]:
    """Sharpness of a face, and its colours [468, 3] uint8 RGB.

    Args:
        picture: [H, W, 3] uint8 RGB.
        points: [478, 2] px.
    """
    face = points[:FACE_POINTS]
    low, high = face.min(0), face.max(0)
    if (high <= 0).any() or (low >= picture.shape[1::-1]).any():  # wholly beyond the picture
        return 0.0, np.zeros((FACE_POINTS, 3), np.uint8)
    side = max(int(np.ceil((high - low).max() * 1.1)), 8)
    left, top = np.floor((low + high - side) / 2).astype(int)
    crop = Crop(int(left), int(top), side, min(side, SIDE))
    square = crop.picture(picture)
    small = cv2.resize(square, (COLOUR_SIDE, COLOUR_SIDE), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 1.0)
    at = ((face - (left, top)) * (COLOUR_SIDE / side)).astype(int).clip(0, COLOUR_SIDE - 1)
    inside = np.zeros(square.shape[:2], np.uint8)
    hull = cv2.convexHull(np.round(crop.points(face)).astype(np.int32))
    cv2.fillConvexPoly(inside, hull, 1)
    return _sharpness(square, inside > 0), small[at[:, 1], at[:, 0]]


def _sharpness(square: np.ndarray, inside: np.ndarray) -> float:
    grey = cv2.cvtColor(square, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine, coarse = (_slopes(cv2.GaussianBlur(grey, (0, 0), sigma), inside) for sigma in (0.8, 3.2))
    if fine.size == 0 or coarse.min() < 1e-3:
        return 0.0
    return max(float((fine / coarse).min()) - 1, 0.0)


def _slopes(grey: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Mean steepness [4] along x, y and both diagonals: motion blurs along one of them."""
    if not inside.any():
        return np.zeros(0)
    x, y = (cv2.Sobel(grey, cv2.CV_32F, *way)[inside] for way in ((1, 0), (0, 1)))
    return np.array([np.abs(way).mean() for way in (x, y, (x + y) / 2**0.5, (x - y) / 2**0.5)])


def judge(
    marks: np.ndarray, points: np.ndarray, sharpness: np.ndarray, colours: np.ndarray,
    width: int, height: int,
) -> np.ndarray:  # fmt: skip
    """The marks [M] of all frames, from those given while tracking and from the measures.

    Args:
        marks: [M] `Mark` values; what is not OK stays as it is.
        points: [M, 478, 2] px; any number where there is no face.
        sharpness: [M].
        colours: [M, 468, 3] uint8 RGB.
        width: of the clip's pictures, px.
        height: of the clip's pictures, px.
    """
    marks = marks.copy()
    face = points[:, :FACE_POINTS]
    beyond = ((face < 0) | (face > (width, height))).any(-1).mean(1)
    _set(marks, beyond > OUTSIDE, Mark.OUTSIDE)
    good = np.flatnonzero(marks == Mark.OK)
    if not len(good):
        return marks
    size = np.ptp(face[..., 1], axis=1) / np.median(np.ptp(face[good][..., 1], axis=1))
    usual = np.median(sharpness[good])
    alike = (size > CLOSER[0]) & (size < CLOSER[1])
    blurred = alike & (sharpness < BLURRED * usual)
    _set(marks, sharpness > FEATURELESS * usual, Mark.COVERED)
    strange = strange_colours(face[good], colours[good], ~blurred[good]) > COVERED
    _set(marks, np.isin(np.arange(len(marks)), good[strange]), Mark.COVERED)
    _set(marks, blurred, Mark.BLURRED)
    return marks


def _set(marks: np.ndarray, where: np.ndarray, mark: Mark) -> None:
    marks[where & (marks == Mark.OK)] = mark


def strange_colours(face: np.ndarray, colours: np.ndarray, sharp: np.ndarray) -> np.ndarray:
    """Share [N] of the visible landmarks whose colour is not the one they have in the clip.

    Brighter or darker light on the whole face is no strange colour.

    Args:
        face: [N, 468, 2] px.
        colours: [N, 468, 3] uint8 RGB.
        sharp: [N] bool, frames to take the usual colours from if they are not strange themselves.
    """
    lab = cv2.cvtColor(colours.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    seen = _facing(face)
    trusted = sharp if sharp.any() else np.ones(len(face), bool)
    share = np.zeros(len(face))
    for _ in range(2):
        shift = lab - np.median(lab[trusted], axis=0)
        shift -= np.median(shift, axis=1, keepdims=True)
        away = np.linalg.norm(shift, axis=-1)  # [N, 468]
        limit = np.maximum(STRANGE, SPREADS * 1.4826 * np.median(away[trusted], axis=0))
        share = ((away > limit) & seen).sum(1) / np.maximum(seen.sum(1), 1)
        sound = trusted & (share < COVERED / 2)
        trusted = sound if sound.any() else trusted
    return np.where(seen.mean(1) >= ENOUGH, share, 0.0)


def _facing(face: np.ndarray) -> np.ndarray:
    """[N, 468] bool: landmarks about which the face is turned to the camera as in most frames."""
    middle = face.mean(1, keepdims=True)
    size = np.sqrt(((face - middle) ** 2).sum(-1).mean(1))[:, None, None]
    shapes = (face - middle) / np.maximum(size, 1e-6)
    usual = np.median(shapes, axis=0)
    triangles = Delaunay(usual).simplices
    areas = _areas(shapes, triangles) / _areas(usual[None], triangles)  # [N, T]
    most = np.full((len(face), face.shape[1]), -np.inf)
    for corner in triangles.T:
        np.maximum.at(most, (slice(None), corner), areas)
    return most > VISIBLE


def _areas(shapes: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Twice the signed areas [N, T]."""
    a, b, c = (shapes[:, triangles[:, i]] for i in range(3))
    u, v = b - a, c - a
    area = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    return np.where(np.abs(area) < 1e-9, 1e-9, area)


def runs(numbers: np.ndarray, marks: np.ndarray) -> dict[str, list[list[int]]]:
    """Mark → runs [first, last] of frame numbers, both included, that end where marks change."""
    found: dict[str, list[list[int]]] = {}
    edges = np.flatnonzero(np.diff(marks)) + 1
    for part in np.split(np.arange(len(marks)), edges):
        if len(part):
            ends = [int(numbers[part[0]]), int(numbers[part[-1]])]
            found.setdefault(Mark(int(marks[part[0]])).key, []).append(ends)
    return found
