# SPDX-License-Identifier: GPL-3.0-or-later
"""One person's face through a clip, seen through a window that stands still as long as it can.

A whole frame tells where faces are; their landmarks are then looked for in a square around the
person's face, at the frame's full detail. The square is moved only when the face comes near its
border or changes size, and the provider starts anew whenever it is: what it remembers of the last
picture would be wrong in the next.
"""

import cv2
import numpy as np

from ..errors import ClipError
from .crop import Crop, head_boxes
from .landmarks import SAME, LandmarkProvider, overlap
from .marks import FACE_POINTS, Mark
from .person import Person

WINDOW = 2.6  # the square's side in longer sides of the face's box
DETAIL = 384  # px of the square's picture; the nets see a face at 192 px
DRIFT = 0.12  # of the square's side that the face may be off its middle
GROWTH = 1.3  # times larger or smaller that the face may become
WHOLE = 1280  # px of the longer side that whole frames are searched at
QUARTER = 0.6  # of width and height: quarters overlap, so that none cuts a face in two
REACH = 1.0  # face sizes from where it is expected within which a face is the same person's
CROWD = 5  # a second face counts when it is there this many frames running


class Follower:
    """Follows one face. Its state between two frames is a handful of numbers.

    Args:
        provider: finds faces.
        width: of the frames, px.
        height: of the frames, px.
        person: whom to follow; None where the clip shows one person alone.
    """

    def __init__(
        self, provider: LandmarkProvider, width: int, height: int, person: Person | None
    ) -> None:
        self.provider, self.person = provider, person
        self.width, self.height = width, height
        self.square: Crop | None = None
        self.place: np.ndarray | None = None  # x, y, size of the face last seen, px
        self.speed = np.zeros(2)  # px a frame
        self.crowd = 0  # frames running that show a second face
        self._fresh = True  # the provider knows nothing of the square
        self._searched = False  # the whole of this frame was looked at

    def look(self, number: int, picture: np.ndarray) -> tuple[np.ndarray | None, Mark]:
        """The person's landmarks [478, 2] px in the next frame, if they are there.

        Raises:
            ClipError: a second face has been there for some frames, and nobody said whom to follow.
        """
        others, continued = 0, self.square is not None
        if self.square is None or self.crowd:
            others = self._search(picture)
        faces = self._faces(picture)
        if not faces and self.square is not None and not self._searched:
            others = self._search(picture)
            faces = self._faces(picture)
        mine = self._mine(faces)
        others = max(others, len(faces) - 1 if mine is not None else 0)
        self._count(others, number)
        if mine is None:
            self.square, self.speed = None, np.zeros(2)
            return None, Mark.NO_FACE
        self._went_to(mine, continued)
        beside = [face for face in faces if face is not mine]
        near = self.person is not None and any(_within_reach(mine, face) for face in beside)
        return mine, Mark.SECOND_PERSON if near else Mark.OK

    def forget(self) -> None:
        """Let the provider start anew, so that what follows depends on `state` alone."""
        self._fresh = True

    def state(self) -> np.ndarray:
        """What is needed to go on in another process: [9] float64."""
        square = self.square or Crop(0, 0, 0, 0)
        place = np.full(3, np.nan) if self.place is None else self.place
        return np.array(
            [square.left, square.top, square.side, *place, *self.speed, self.crowd], np.float64
        )

    def restore(self, state: np.ndarray) -> None:
        """Undo `state`."""
        left, top, side = state[:3].astype(int).tolist()
        self.square = _square(left, top, side) if side else None
        self.place = state[3:6].copy() if np.isfinite(state[3:6]).all() else None
        self.speed, self.crowd = state[6:8].copy(), int(state[8])
        self._fresh = True

    def _search(self, picture: np.ndarray) -> int:
        """Put the square around the person in a whole frame; how many other people there are."""
        self._searched = True
        boxes = self._boxes(picture)
        if len(boxes) > 1:
            boxes = np.array([box for box in boxes if self._is_face(picture, box)]).reshape(-1, 4)
        if not len(boxes):
            self.square = None
            return 0
        if self.place is not None:  # the person last seen, not whoever else is there now
            away = np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - self.place[:2], axis=1)
            chosen = int(away.argmin())
            if self.person is not None and away[chosen] > REACH * self.place[2]:
                self.square = None
                return 0
        else:
            chosen = (self.person or Person("largest")).choose(boxes, self.width, self.height)
        self._put_square(*_place(boxes[chosen]))
        return len(boxes) - 1

    def _boxes(self, picture: np.ndarray) -> np.ndarray:
        """Faces [F, 4] px; in a large frame that seems to have none, in its quarters too."""
        boxes = self._find(picture)
        height, width = picture.shape[:2]
        if len(boxes) or max(height, width) <= WHOLE:
            return boxes
        down, right = round(QUARTER * height), round(QUARTER * width)
        for top in (0, height - down):
            for left in (0, width - right):
                part = np.ascontiguousarray(picture[top : top + down, left : left + right])
                for box in self._find(part) + np.array([left, top, left, top]):
                    if all(overlap(box.reshape(2, 2), b.reshape(2, 2)) <= SAME for b in boxes):
                        boxes = np.concatenate([boxes, box[None]])
        return boxes

    def _find(self, picture: np.ndarray) -> np.ndarray:
        scale = min(WHOLE / max(picture.shape[:2]), 1.0)
        small = picture
        if scale < 1:
            small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return self.provider.find(small) * (picture.shape[1] / small.shape[1])

    def _is_face(self, picture: np.ndarray, box: np.ndarray) -> bool:
        self._put_square(*_place(box))
        return bool(self._faces(picture))

    def _faces(self, picture: np.ndarray) -> list[np.ndarray]:
        if self.square is None:
            return []
        window = self.square.picture(picture)
        if self._fresh:
            self._fresh = False
            self.provider.restart()
            if not self.provider.follow(window):
                return []
            # Seen again, the face is followed from its landmarks, which is steadier.
        found = self.provider.follow(window)
        return [self.square.clip_points(face).astype(np.float32) for face in found]

    def _mine(self, faces: list[np.ndarray]) -> np.ndarray | None:
        """The face that goes on from where the person was going."""
        if not faces or self.square is None:
            return None
        if self.place is None or self._searched:
            expected = np.array([self.square.left, self.square.top]) + self.square.side / 2
        else:
            expected = self.place[:2] + self.speed
        size = self.square.side / WINDOW
        places = np.array([_middle(face)[:2] for face in faces])
        away = np.linalg.norm(places - expected, axis=1)
        return faces[int(away.argmin())] if away.min() <= REACH * size else None

    def _count(self, others: int, number: int) -> None:
        self._searched = False
        self.crowd = self.crowd + 1 if others and self.person is None else 0
        if self.crowd >= CROWD:
            begin = number - CROWD + 1
            raise ClipError(
                f"The clip shows two faces from frame {begin} on.",
                "Say whom to follow with --person (largest, left, right, middle, or a point X,Y "
                "of the first frame), or capture other frames with --frames; Blender's panel has "
                "neither: choose a clip of one person there.",
            )

    def _went_to(self, face: np.ndarray, continued: bool) -> None:
        place = _middle(face)
        moved = continued and self.place is not None
        self.speed = 0.5 * (place[:2] - self.place[:2]) if moved else np.zeros(2)
        self.place = place
        assert self.square is not None
        middle = np.array([self.square.left, self.square.top]) + self.square.side / 2
        off = np.abs(place[:2] - middle).max() / self.square.side
        growth = place[2] * WINDOW / self.square.side
        if off > DRIFT or not 1 / GROWTH < growth < GROWTH:
            self._put_square(*place)

    def _put_square(self, x: float, y: float, size: float) -> None:
        side = max(round(size * WINDOW), 16)
        self.square = _square(round(x - side / 2), round(y - side / 2), side)
        self._fresh = True


def _square(left: int, top: int, side: int) -> Crop:
    return Crop(left, top, side, min(side, DETAIL))


def _middle(face: np.ndarray) -> np.ndarray:
    """Middle and longer side of a face's box: x, y, size px."""
    low, high = face[:FACE_POINTS].min(0), face[:FACE_POINTS].max(0)
    return np.array([*(low + high) / 2, (high - low).max()], np.float64)


def _place(box: np.ndarray) -> tuple[float, float, float]:
    left, top, right, bottom = box.tolist()
    return (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top)


def _within_reach(mine: np.ndarray, other: np.ndarray) -> bool:
    """Whether another face is so near that it may be in the matte of this head."""
    low, high = head_boxes(mine[None, :FACE_POINTS])
    face = other[:FACE_POINTS]
    return bool((face.max(0) > low[0]).all() and (face.min(0) < high[0]).all())
