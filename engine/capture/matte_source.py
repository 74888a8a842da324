# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a person's alpha comes from: segmentation with its edges refined, or the user's own mattes.

Mattes of the user's are a folder of pictures, in the order of their names with numbers counted as
numbers, or a video; one for every frame of the clip, or of the range that is captured.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from ..errors import ClipError
from .closed_form import closed_form
from .crop import Crop
from .guided import follow_edges, step
from .image_folder import SUFFIXES, natural_key
from .mediapipe_models import MediaPipeMatte
from .picture_file import read_picture
from .video import open_clip

REFINED: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "guided": lambda picture, mask: step(follow_edges(picture, mask), 0.15, 0.85),
    "closed-form": lambda picture, mask: step(
        closed_form(picture, step(follow_edges(picture, mask), 0.15, 0.85)), 0.05, 0.95
    ),
}
ALPHA_TRIALS = 9  # pictures of a folder that are asked whether they have an alpha
PROPORTIONS = 0.01  # by how much the shape of mattes and clip may differ


class MatteSource(Protocol):
    """Gives the person's alpha: `person` in one frame after the other, `alpha` on any thread."""

    def person(self, number: int, picture: np.ndarray, crop: Crop) -> np.ndarray:
        """Where the person is in the clip's frame `number`, cropped to `picture`, ascending.

        [size, size] float32 in 0…1.
        """
        ...

    def alpha(self, picture: np.ndarray, person: np.ndarray) -> np.ndarray:
        """The alpha made of it [size, size] float32 in 0…1."""
        ...

    def close(self) -> None:
        """Let go of models and files."""
        ...


class SegmentedMatte:
    """Segmentation of the head's crop, its edges refined on the picture."""

    def __init__(self, kind: str) -> None:
        self._refined = REFINED[kind]
        self._model = MediaPipeMatte()

    def person(self, number: int, picture: np.ndarray, crop: Crop) -> np.ndarray:
        """The segmentation [size, size] float32 in 0…1."""
        return self._model.person(picture)

    def alpha(self, picture: np.ndarray, person: np.ndarray) -> np.ndarray:
        """The same with its edges on the picture's."""
        return self._refined(picture, person)

    def close(self) -> None:
        """Let go of the model."""
        self._model.close()


class GivenMatte:
    """The user's own mattes."""

    def __init__(self, pictures: Iterator[np.ndarray], first: int, size: tuple[int, int]) -> None:
        """`pictures` follow the clip's frames from number `first` on; `size` is the clip's."""
        self._pictures = pictures
        self._next = first
        self._size = size

    def person(self, number: int, picture: np.ndarray, crop: Crop) -> np.ndarray:
        """The matte [size, size] float32 in 0…1.

        Raises:
            ClipError: this frame's matte is missing, damaged, or of another shape.
        """
        found = None
        while self._next <= number:
            found = next(self._pictures, None)
            self._next += 1
        if found is None:
            raise ClipError(
                f"There is no matte for frame {number} of the clip, or it cannot be read.",
                "Give one matte for every frame, in the clip's order.",
            )
        check_proportions(found.shape[:2], self._size, f"The matte of frame {number}")
        if found.shape[1::-1] != self._size:
            found = cv2.resize(found, self._size, interpolation=cv2.INTER_AREA)
        three = np.repeat(found[..., None], 3, axis=2)
        return np.ascontiguousarray(crop.picture(three)[..., 0]).astype(np.float32) / 255

    def alpha(self, picture: np.ndarray, person: np.ndarray) -> np.ndarray:
        """The matte as it was given."""
        return person

    def close(self) -> None:
        """Let go of the file."""


def check_proportions(shape: tuple[int, int], size: tuple[int, int], what: str) -> None:
    """Refuse mattes that do not have the clip's shape; their size may differ.

    Raises:
        ClipError: width over height is another.
    """
    (height, width), (clip_width, clip_height) = shape, size
    if abs(width / height / (clip_width / clip_height) - 1) > PROPORTIONS:
        raise ClipError(
            f"{what} is {width} by {height}, but the clip is {clip_width} by {clip_height}.",
            "Give mattes of the clip's own proportions, upright as the clip is shown.",
        )


def given_pictures(path: Path) -> list[Path]:
    """The pictures of a folder, in natural order."""
    found = [file for file in path.iterdir() if file.suffix.lower() in SUFFIXES]
    return sorted((file for file in found if not file.name.startswith(".")), key=natural_key)


def alpha_counts(pictures: list[Path]) -> bool:
    """Whether these pictures say the matte in their alpha: it is not solid in all that are tried.

    Asked of the folder and not of each picture, whose subject may fill one frame wholly.
    """
    tried = {round(n) for n in np.linspace(0, len(pictures) - 1, ALPHA_TRIALS)}
    found = (read_picture(pictures[n]) for n in sorted(tried))
    with_alpha = (p[..., 3] for p in found if p is not None and p.ndim == 3 and p.shape[2] == 4)
    return any(
        alpha.dtype.kind == "u" and alpha.min() < np.iinfo(alpha.dtype).max for alpha in with_alpha
    )


def read_matte(path: Path, in_alpha: bool) -> np.ndarray | None:
    """[H, W] uint8: a picture's alpha, or its brightness; None if damaged."""
    picture = read_picture(path)
    if picture is None:
        return None
    if picture.dtype == np.uint16:
        picture = (picture // 257).astype(np.uint8)
    if picture.dtype != np.uint8:
        return None
    if picture.ndim == 2:
        return picture
    if picture.shape[2] == 4 and in_alpha:
        return picture[..., 3]
    return picture[..., 0] if picture.shape[2] < 3 else brightness(picture[..., 2::-1])


def brightness(picture: np.ndarray) -> np.ndarray:
    """[H, W] uint8 of RGB."""
    return cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)


class Mattes:
    """What `--matte` names, checked before any work; opens the source when pictures are made."""

    def __init__(
        self, given: str, size: tuple[int, int], frames: int, wanted: range | None
    ) -> None:
        """Check what was asked for.

        Args:
            given: `guided`, `closed-form`, or the path of a folder or video.
            size: the clip's width and height, px.
            frames: of the clip; 0 where it does not say.
            wanted: the range that is captured; None for all frames.

        Raises:
            ClipError: no such file, another number of frames, or another shape.
        """
        self.given, self._size, self._first = given, size, 0
        if given in REFINED:
            return
        path = Path(given)
        if path.is_dir():
            names = given_pictures(path)
            if not names:
                raise ClipError(f"The folder {path} holds no pictures.",
                                "Give a folder of mattes, one picture for each frame.")  # fmt: skip
            count, first = len(names), read_matte(names[0], in_alpha=False)
            if first is None:
                raise ClipError(
                    f"The matte {names[0]} cannot be read.", "Give 8 or 16 bit pictures."
                )
            shape = first.shape
        elif path.is_file():
            video = open_clip(path)
            count, shape = video.frames, (video.height, video.width)
        else:
            raise ClipError(
                f"There are no mattes at {path}.",
                "Give --matte guided, closed-form, or the path of a folder or video of mattes.",
            )
        check_proportions(shape, size, "The first matte")
        expected = {frames} if wanted is None else {frames, len(wanted)}
        if wanted is not None and count == len(wanted) and count != frames:
            self._first = wanted.start
        elif frames and count and count not in expected:
            said = " or ".join(str(n) for n in sorted(expected))
            raise ClipError(f"{path} holds {count} mattes, but the clip has {said} frames.",
                            "Give one matte for every frame.")  # fmt: skip

    def key(self) -> object:
        """What tells these mattes from others."""
        if self.given in REFINED:
            return self.given
        path = Path(self.given)
        files = given_pictures(path) if path.is_dir() else [path]
        stats = [(file.name, file.stat()) for file in files]
        return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]

    def open(self) -> MatteSource:
        """Start giving alphas."""
        if self.given in REFINED:
            return SegmentedMatte(self.given)
        path = Path(self.given)
        if path.is_dir():
            files = given_pictures(path)
            in_alpha = alpha_counts(files)
            pictures: Iterator = (read_matte(file, in_alpha) for file in files)
        else:
            pictures = (brightness(frame.picture) for frame in open_clip(path).read())
        return GivenMatte(pictures, self._first, self._size)
