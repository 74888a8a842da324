# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of pictures as a clip: one picture a frame, in the natural order of their names."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import ClipError
from .picture_file import read_picture
from .video import Frame, check_size

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
FPS = 25.0  # 1/s, where nobody says otherwise
_ORIENTATION, _LYING = 274, (5, 6, 7, 8)  # EXIF's tag, and its values that swap width and height
_DIGEST_BYTES = 1 << 16


@dataclass(frozen=True)
class ImageFolder:
    """Pictures of one size; the headers of all have been read once."""

    path: Path
    pictures: tuple[Path, ...]
    fps: float  # 1/s
    width: int  # px, after rotation
    height: int

    @property
    def frames(self) -> int:
        """How many pictures there are."""
        return len(self.pictures)

    def read(self, first: int = 0, last: int | None = None, stride: int = 1) -> Iterator[Frame]:
        """Every `stride`-th picture from `first` to `last`, both included.

        Raises:
            ClipError: a picture is damaged.
        """
        end = len(self.pictures) if last is None else min(last + 1, len(self.pictures))
        for number in range(first, end, stride):
            yield Frame(number, number / self.fps, self._picture(self.pictures[number]))

    def read_only(self, numbers: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """The pictures with these numbers, in ascending order."""
        for number in sorted(set(numbers)):
            if number < len(self.pictures):
                yield number, self._picture(self.pictures[number])

    def digest(self) -> str:
        """What tells this folder's content from another's: names, sizes, first and last picture."""
        digest = hashlib.sha256(f"{self.fps}".encode())
        for picture in self.pictures:
            digest.update(f"{picture.name} {picture.stat().st_size}\n".encode())
        for picture in (self.pictures[0], self.pictures[-1]):
            with picture.open("rb") as file:
                digest.update(file.read(_DIGEST_BYTES))
        return digest.hexdigest()

    def _picture(self, path: Path) -> np.ndarray:
        picture = read_picture(path, cv2.IMREAD_COLOR)
        if picture is None or picture.shape[:2] != (self.height, self.width):
            raise ClipError(
                f"The picture {path} cannot be read.", "Replace it, or take it out of the folder."
            )
        return np.ascontiguousarray(picture[..., ::-1])


def open_image_folder(path: Path, fps: float = FPS) -> ImageFolder:
    """Look into a folder of pictures.

    Raises:
        ClipError: no pictures, of several sizes, or one that is none.
    """
    pictures = sorted(
        (
            entry
            for entry in path.iterdir()
            if entry.suffix.lower() in SUFFIXES
            and not entry.name.startswith(".")  # macOS leaves such beside pictures
            and entry.is_file()
        ),
        key=natural_key,
    )
    if not pictures:
        raise ClipError(
            f"The folder {path} holds no pictures.",
            f"Give a video file, or a folder of {', '.join(sorted(SUFFIXES))} files.",
        )
    width, height = _size(pictures[0])
    check_size(pictures[0], width, height)
    for picture in pictures:
        if _size(picture) != (width, height):
            other = "{} by {}".format(*_size(picture))
            raise ClipError(
                f"The pictures in {path} differ in size: {pictures[0].name} has {width} by "
                f"{height} pixels, {picture.name} has {other}.",
                "Put pictures of one camera and one size alone into the folder.",
            )
    return ImageFolder(path, tuple(pictures), fps, width, height)


def natural_key(path: Path) -> tuple:
    """Sorts frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name.lower())
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)


def _size(path: Path) -> tuple[int, int]:
    """Width and height, px, after the rotation noted in the file; from its header alone."""
    try:
        with Image.open(path) as image:
            # Of a PNG, Pillow would decode all to look for a tag that cameras put into JPEGs; of a
            # TIFF file it tells the size as it is after the rotation.
            tags = {} if image.format in ("PNG", "TIFF") else image.getexif()
            lying = tags.get(_ORIENTATION) in _LYING
            return image.size[::-1] if lying else image.size
    except Image.DecompressionBombError as error:
        raise ClipError(
            f"The picture {path} is too large.", "Scale the pictures down to at most 8K."
        ) from error
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as error:
        raise ClipError(
            f"The picture {path} cannot be read.", "Replace it, or take it out of the folder."
        ) from error
