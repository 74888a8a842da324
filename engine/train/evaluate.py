# SPDX-License-Identifier: GPL-3.0-or-later
"""The `eval` command: an avatar driven by a capture, against the capture's pictures.

Every frame has figures over the full frame, the head box and the face's regions, and its
expression strength, so that the growth of the error can be drawn. Synthetic captures, whose depth
is known, have errors of depth and normals as well.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from ..avatar.model import Avatar
from ..capture.folder import Capture, read_capture
from ..config import Eval
from ..devices import resolve_device
from ..errors import HeadMismatchError, InputError
from ..files import write_atomic, write_text_atomic
from ..head.parts import PART_COLOURS
from ..head.projection import head_box
from ..head.skinning import HeadTensors
from ..jobs import Job
from ..render.camera import Camera
from ..render.frame import Planes, render_frame
from .latents import LatentFit
from .lpips import Lpips
from .metrics import (
    Box,
    Picture,
    compare,
    compare_surfaces,
    expression_strength,
    flip_picture,
    mean_figures,
    on_white,
    region_psnr,
)
from .regions import region_masks, seen_parts, true_vertices

SCHEMA_VERSION = 1


def run(config: Eval, job: Job) -> dict:
    """Measure an avatar on one split of a capture; means, and the number of frames.

    Raises:
        AvatarError, CaptureError: one of the two cannot be used.
        HeadMismatchError: they were made with different head models.
        InputError: the split is empty, or the options do not go together.
        SpaceError: the pictures could not be written.
    """
    started = time.monotonic()
    avatar = Avatar.load(config.avatar, resolve_device(config.device))
    capture = read_capture(config.capture)
    check_same_head(avatar, capture)
    indices = capture.test if config.split == "test" else capture.train
    if not indices:
        raise InputError(
            f"The capture {config.capture} has no {config.split} frames.",
            "Evaluate the other split.",
        )
    camera = capture.camera.of_height(config.size or avatar.file.camera.height)
    head = HeadTensors.of(capture.head)
    latents = LatentFit(avatar, config.optimise_latents) if config.optimise_latents > 0 else None
    lpips = Lpips.read(config.lpips, avatar.device) if config.lpips is not None else None

    figures: dict[int, dict[str, float]] = {}
    boxes: dict[int, Box] = {}
    for step, index in enumerate(indices):
        motion, posed = capture.motion[[index]], true_vertices(capture, index, head)
        truth = true_picture(capture, index, camera)
        box = boxes[index] = head_box(capture.head, posed, camera)
        planes = render_frame(
            avatar, camera, motion.psi[0], motion.theta[0], motion.translation[0],
            quality=config.quality,
            condition=latents.condition(truth, box, camera, motion) if latents else None,
        )  # fmt: skip
        found = on_white(planes.colour, planes.alpha)
        masks = region_masks(seen_parts(capture.head, posed, camera), truth.alpha)
        figures[index] = (
            compare(truth, found, box, lpips)
            | region_psnr(truth, found, masks)
            | surface_figures(capture, index, planes, truth, camera)
            | {"strength": expression_strength(motion.psi[0], motion.theta[0])}
        )
        if config.out is not None:
            write_pictures(config.out, index, truth, found, planes.parts)
        job.update("evaluating", step + 1, len(indices), psnr=figures[index]["psnr"])

    result = {**mean_figures(list(figures.values())), "frames": len(indices), "size": camera.height}
    if latents is not None:
        result["latents_optimised"] = config.optimise_latents
    result["seconds"] = time.monotonic() - started
    if config.out is not None:
        write_figures(config.out, config.split, result, figures, boxes)
    return result


def check_same_head(avatar: Avatar, capture: Capture) -> None:
    """Refuse an avatar and a capture whose expression coefficients mean different things.

    Raises:
        HeadMismatchError: their head models differ.
    """
    ours, theirs = avatar.file.head, capture.head
    if ours.model_fingerprint != theirs.model_fingerprint:
        raise HeadMismatchError(
            f"The avatar was made with another head model ({ours.model_name}) than the capture "
            f"({theirs.model_name}), or with another version of it.",
            "Use the capture that the avatar was trained on, or one made with the same head model.",
        )


def true_picture(capture: Capture, index: int, camera: Camera) -> Picture:
    """A capture's frame on white, the neck cut as its matte says, at the camera's size."""
    size = camera.width, camera.height
    alpha = capture.matte(index).astype(np.float32) / 255
    colour = capture.image(index).astype(np.float32) / 255 * alpha[..., None]
    if alpha.shape != size[::-1]:
        way = cv2.INTER_AREA if camera.height < len(alpha) else cv2.INTER_LINEAR
        colour, alpha = (cv2.resize(p, size, interpolation=way) for p in (colour, alpha))
    return on_white(colour, alpha)


def true_depth(capture: Capture, index: int, camera: Camera) -> np.ndarray | None:
    """A frame's depth [H, W] m at the camera's size, not finite where unsure; None if unknown."""
    depth = capture.depth(index)
    if depth is None or depth.shape == (camera.height, camera.width):
        return depth
    way = cv2.INTER_AREA if camera.height < len(depth) else cv2.INTER_LINEAR
    known = np.where(np.isfinite(depth), depth, np.nan)  # NaN spreads to all that it touches
    return cv2.resize(known, (camera.width, camera.height), interpolation=way)


def surface_figures(
    capture: Capture, index: int, planes: Planes, truth: Picture, camera: Camera
) -> dict[str, float]:
    """`compare_surfaces` of a frame; nothing where its depth is not known."""
    depth = true_depth(capture, index, camera)
    if depth is None:
        return {}
    return compare_surfaces(depth, planes.depth, truth.alpha, planes.alpha, camera)


def head_boxes(capture: Capture, indices: tuple[int, ...], camera: Camera) -> dict[int, Box]:
    """The head box of each frame in the camera's pixels."""
    head = HeadTensors.of(capture.head)
    return {
        index: head_box(capture.head, true_vertices(capture, index, head), camera)
        for index in indices
    }


def write_pictures(
    folder: Path, index: int, truth: Picture, found: Picture, parts: np.ndarray
) -> None:
    """Write truth/, avatar/, error/ (FLIP, dark = equal) and parts/ as NNNNN.png.

    Args:
        folder: of the evaluation.
        index: the frame.
        truth: the capture's picture.
        found: the avatar's.
        parts: [H, W, P] part weights times alpha.
    """
    map_of_parts = on_white(parts @ PART_COLOURS, parts.sum(-1))
    pictures = {
        "truth": truth.colour,
        "avatar": found.colour,
        "error": flip_picture(truth.colour, found.colour),
        "parts": map_of_parts.colour,
    }
    for name, picture in pictures.items():
        levels = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
        data = cv2.imencode(".png", levels[..., ::-1])[1].tobytes()
        write_atomic(
            folder / name / f"{index:05d}.png",
            lambda path, data=data: path.write_bytes(data) and None,
        )


def write_figures(
    folder: Path,
    split: str,
    means: Mapping[str, float],
    figures: Mapping[int, Mapping[str, float]],
    boxes: Mapping[int, Box],
) -> None:
    """Write frames.json: the means, and every frame's figures, strength and head box."""
    frames = [{"frame": index, "head_box": boxes[index], **figures[index]} for index in figures]
    data = {"schema_version": SCHEMA_VERSION, "split": split, "mean": dict(means), "frames": frames}
    write_text_atomic(folder / "frames.json", json.dumps(data, indent=1))
