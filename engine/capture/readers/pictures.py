# SPDX-License-Identifier: GPL-3.0-or-later
"""A dataset's pictures and mattes, read one by one and brought to the capture's one camera."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...errors import CaptureError
from ...render.camera import Camera
from ..crop import Crop
from ..mediapipe_models import MediaPipeMatte
from ..picture_file import read_picture
from .dataset import Dataset

HAIR = 0.35  # of the head's height in the picture, kept around it in the crop
STILL = 0.05  # px that a pixel may move before pictures of another lens are resampled


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture file, px."""
    height, width = _read(path, cv2.IMREAD_UNCHANGED).shape[:2]
    return width, height


def read_rgb(path: Path) -> np.ndarray:
    """A picture file [H, W, 3] uint8 RGB; its alpha, if any, is left out."""
    return np.ascontiguousarray(_read(path, cv2.IMREAD_COLOR)[..., ::-1])


class PictureReader:
    """Reads pictures and mattes; holds the matte model once a picture needs it."""

    def __init__(self) -> None:
        self._model: MediaPipeMatte | None = None

    def read(self, dataset: Dataset, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Frame `index` as stored [H, W, 3] uint8 RGB, and the dataset's own alpha [H, W] uint8.

        Raises:
            CaptureError: a file is missing, damaged, or of another size than the first picture.
        """
        path = dataset.images[index]
        picture = _eight_bit(_read(path, cv2.IMREAD_UNCHANGED))
        if picture.shape[1::-1] != dataset.size:
            raise CaptureError(
                f"{path} has {picture.shape[1]} by {picture.shape[0]} pixels, other pictures of "
                f"the dataset {dataset.size[0]} by {dataset.size[1]}.", "Use pictures of one size.",
            )  # fmt: skip
        if picture.ndim == 2:
            picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
        image = np.ascontiguousarray(picture[..., 2::-1])
        alpha = picture[..., 3] if picture.shape[2] == 4 else None
        if dataset.mattes[index] is not None:
            alpha = self._alpha(dataset.mattes[index], dataset)
        return image, None if alpha is None else np.ascontiguousarray(alpha)

    def _alpha(self, path: Path, dataset: Dataset) -> np.ndarray:
        alpha = _eight_bit(_read(path, cv2.IMREAD_UNCHANGED))
        if alpha.ndim == 3:
            alpha = alpha[..., -1 if alpha.shape[2] == 4 else 0]
        if dataset.matte_labels:
            alpha = np.where(alpha > 0, 255, 0).astype(np.uint8)
        if alpha.shape[1::-1] != dataset.size:
            alpha = cv2.resize(alpha, dataset.size, interpolation=cv2.INTER_LINEAR)
        return alpha

    def person(self, image: np.ndarray) -> np.ndarray:
        """Where a person is in a picture [H, W, 3] uint8 RGB without a matte: [H, W] in 0…1."""
        if self._model is None:
            self._model = MediaPipeMatte()
        return self._model.person(image)

    def matte(self, dataset: Dataset, index: int) -> np.ndarray:
        """The person's alpha in frame `index`, the dataset's or a computed one: [H, W] uint8."""
        image, alpha = self.read(dataset, index)
        return (self.person(image) * 255).astype(np.uint8) if alpha is None else alpha

    def close(self) -> None:
        """Let go of the model."""
        if self._model is not None:
            self._model.close()


@dataclass(frozen=True)
class Frames:
    """How pictures of a dataset become a capture's: one lens, one square."""

    lens: np.ndarray  # [4] fx, fy, cx, cy px of the dataset's pictures, that all are brought to
    crop: Crop

    def camera(self, camera_from_world: np.ndarray) -> Camera:
        """The stored pictures' camera."""
        fx, fy, cx, cy = self.lens
        x, y = self.crop.points(np.array([cx, cy]))
        scale = self.crop.scale
        return Camera(self.crop.size, self.crop.size, fx * scale, fy * scale, float(x), float(y),
                      camera_from_world)  # fmt: skip

    def picture(self, picture: np.ndarray, lens: np.ndarray) -> np.ndarray:
        """A picture [H, W(, 3)] uint8 filmed through `lens` [4] → [size, size(, 3)]."""
        zoom = self.lens[:2] / lens[:2]
        shift = self.lens[2:] - zoom * lens[2:]
        corner = np.array([picture.shape[1], picture.shape[0]], np.float64)
        if max(np.abs(shift).max(), np.abs((zoom - 1) * corner + shift).max()) > STILL:
            # cv2 counts from the middle of the upper left pixel, cameras from its corner
            moved = np.column_stack([np.diag(zoom), shift + 0.5 * zoom - 0.5])
            picture = cv2.warpAffine(
                picture, moved, (picture.shape[1], picture.shape[0]), flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )  # fmt: skip
        return self.crop.picture(picture)


def square(low: np.ndarray, high: np.ndarray, size: tuple[int, int], wished: int) -> Crop:
    """The square to store: the whole picture if it is one, else one around the head.

    Args:
        low: [2] px, the head's upper left corner over all frames.
        high: [2] px, its lower right one.
        size: of the pictures, px.
        wished: width and height of the stored pictures, px; never more than the square has.
    """
    width, height = size
    if width == height:
        return Crop(0, 0, width, min(wished, width))
    around = HAIR * float((high - low)[1])
    low = np.maximum(low - around, 0)
    high = np.minimum(high + around, (width, height))
    side = int(min(np.ceil((high - low).max()), width, height))
    left, top = np.floor((low + high - side) / 2).astype(int)
    left, top = int(np.clip(left, 0, width - side)), int(np.clip(top, 0, height - side))
    return Crop(left, top, side, min(wished, side))


def _read(path: Path, flags: int) -> np.ndarray:
    picture = read_picture(path, flags)
    if picture is None:
        raise CaptureError(
            f"The picture {path} is missing or damaged.", "Use the complete dataset."
        )
    return picture


def _eight_bit(picture: np.ndarray) -> np.ndarray:
    return (picture >> 8).astype(np.uint8) if picture.dtype == np.uint16 else picture
