# SPDX-License-Identifier: GPL-3.0-or-later
"""The training pictures, in a memory-mapped file, and rays through their pixels.

The file lies beside the checkpoints, so that memory holds only what the page cache chooses to
keep, however many frames there are. Its name tells which capture it was made from.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ..capture.folder import Capture
from ..errors import CaptureError
from ..files import json_text, space_error
from ..head.model import fingerprint
from ..jobs import Job
from ..render.camera import Camera
from ..render.sampling import Rays

SHOWN = 128  # of 255, coverage that some pixel of some matte must have
BOX_MARGIN = 0.15  # of the posed head's extent, on every side: room for hair


@dataclass(frozen=True)
class TrainingFrames:
    """N training frames of one capture at one size."""

    indices: np.ndarray  # [N] frame numbers in the capture
    pixels: np.ndarray  # [N, H, W, 4] uint8, colour as filmed and matte; memory-mapped
    camera: Camera
    psi: Tensor  # [N, E]
    theta: Tensor  # [N, J, 3]
    translation: Tensor  # [N, 3]

    def __len__(self) -> int:
        """N."""
        return len(self.indices)


def capture_key(capture: Capture) -> str:
    """What tells this capture's training data, pictures and mattes among them, from another's."""
    motion, source = capture.motion, capture.source
    made_from = source.get("key", dict(source)), capture.camera.to_json()
    return fingerprint(
        motion.psi, motion.theta, motion.translation, np.array(capture.train),
        capture.head.vertices, np.frombuffer(json_text(made_from).encode(), np.uint8),
    )  # fmt: skip


def open_frames(
    capture: Capture, folder: Path, size: int, device: torch.device, job: Job
) -> TrainingFrames:
    """Write (or find) the memory-mapped pictures of the training split.

    Args:
        capture: the capture.
        folder: where the file lies.
        size: height of the pictures, px; the width follows.
        device: of the parameters.
        job: told of the progress.

    Raises:
        CaptureError: no training frames, no head in their mattes, or a picture is damaged.
        SpaceError: no room for the file.
    """
    if not capture.train:
        raise CaptureError(f"{capture.path} has no training frames.", "Run the capture again.")
    camera = capture.camera.of_height(size)
    indices = np.array(capture.train)
    path = folder / f"pixels-{camera.width}x{size}-{capture_key(capture)[:12]}.npy"
    shape = (len(indices), size, camera.width, 4)
    pixels = _mapped(path, shape)
    if pixels is None:
        _forget_others(folder)
        _write_pixels(capture, path, shape, job)
        pixels = np.load(path, mmap_mode="r")

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array[indices].astype(np.float32)).to(device)

    motion = capture.motion
    return TrainingFrames(
        indices,
        pixels,
        camera,
        tensor(motion.psi),
        tensor(motion.theta),
        tensor(motion.translation),
    )


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The pictures in a file; None where there is none, or not all of it."""
    try:
        pixels = np.load(path, mmap_mode="r")
    except (OSError, ValueError):
        return None
    return pixels if pixels.shape == shape and pixels.dtype == np.uint8 else None


def _forget_others(folder: Path) -> None:
    """Remove pictures of other captures and sizes, and what a killed run left unfinished."""
    for old in folder.glob("pixels-*"):
        try:
            old.unlink()
        except OSError:  # on Windows, somebody has it open
            pass


def _write_pixels(capture: Capture, path: Path, shape: tuple[int, ...], job: Job) -> None:
    """Write the pictures one after the other: a full disk is an error then, and no signal."""
    unfinished = path.with_suffix(".part")
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    shown = 0
    try:
        with unfinished.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for row, index in enumerate(capture.train):
                job.update("reading pictures", row, shape[0])
                picture = np.dstack([capture.image(index), capture.matte(index)])
                picture = cv2.resize(picture, (shape[2], shape[1]), interpolation=cv2.INTER_AREA)
                shown = max(shown, int(picture[..., 3].max()))
                file.write(picture.tobytes())
        if shown < SHOWN:
            raise CaptureError(
                f"The mattes of {capture.path} show no head in any training frame.",
                "Look at its mattes folder, and make the capture again with other mattes.",
            )
        unfinished.replace(path)
    except OSError as error:
        raise space_error(path, error) from error
    finally:
        unfinished.unlink(missing_ok=True)


def pixel_boxes(vertices: np.ndarray, camera: Camera) -> np.ndarray:
    """The picture's part that may show the head: [N, 4] x0, y0, x1, y1 in whole pixels.

    Args:
        vertices: [N, V, 3] m, posed.
        camera: the camera.
    """
    pixels, _ = camera.project(vertices)
    low, high = pixels.min(1), pixels.max(1)
    margin = BOX_MARGIN * (high - low)
    limit = np.array([camera.width, camera.height])
    low = np.clip(np.floor(low - margin), 0, limit - 1)
    high = np.clip(np.ceil(high + margin), low + 1, limit)
    return np.concatenate([low, high], 1).astype(np.int64)


def random_rays(
    frames: TrainingFrames,
    chosen: np.ndarray,
    boxes: np.ndarray,
    count: int,
    random: np.random.Generator,
) -> tuple[Rays, Tensor]:
    """Rays through random pixels of the chosen frames' boxes, and what those pixels hold.

    Args:
        frames: the training frames.
        chosen: [n] rows of frames.
        boxes: [n, 4] from `pixel_boxes`.
        count: rays in all.
        random: the source of randomness.

    Returns:
        The rays (their frame index counts within `chosen`), and targets [R, 4] in 0…1.
    """
    each = max(count // len(chosen), 1)
    frame = np.repeat(np.arange(len(chosen)), each)
    low, high = boxes[frame, :2], boxes[frame, 2:]
    xy = low + (random.random((len(frame), 2)) * (high - low)).astype(np.int64)  # [R, 2]
    targets = frames.pixels[chosen[frame], xy[:, 1], xy[:, 0]]  # [R, 4] uint8
    origin, directions = frames.camera.rays(xy + 0.5)
    device = frames.psi.device
    rays = Rays(
        origins=torch.from_numpy(np.broadcast_to(origin, directions.shape).copy()).to(device),
        directions=torch.from_numpy(directions).to(device),
        frame=torch.from_numpy(frame.astype(np.int32)).to(device),
        jitter=torch.from_numpy(random.random(len(frame), np.float32)).to(device),
    )
    return rays, torch.from_numpy(targets.astype(np.float32) / 255).to(device)
