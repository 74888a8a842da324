# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered frames as files: PNG as the video looks, or EXR as a compositor wants it."""

import logging
from pathlib import Path

import cv2
import numpy as np

from ..errors import SpaceError
from ..files import write_atomic
from .colour import scene_linear
from .exr import exr_bytes
from .frame import Planes

log = logging.getLogger(__name__)
PREVIEW = 256  # px, the longest side of a preview


def write_planes(
    path: Path, planes: Planes, preview: Path | None = None, depth_scale: float = 1.0
) -> None:
    """Write a frame to `path`, as its suffix says, and a small picture of it to `preview`.

    Args:
        path: a .png or .exr file.
        planes: the frame.
        preview: a .png file that is replaced; None writes none.
        depth_scale: what depths are multiplied with, from metres of the head to a scene's units.

    Raises:
        SpaceError: the frame cannot be written; a preview that cannot is done without.
    """
    if path.suffix == ".exr":
        write_bytes(path, linear_exr(planes, depth_scale))
    else:
        write_bytes(path, straight_png(planes))
    if preview is not None:
        try:
            write_bytes(preview, straight_png(planes, PREVIEW))
        except SpaceError as error:  # on Windows, somebody has it open
            log.warning("no preview: %s", error)


def straight_png(planes: Planes, longest: int = 0) -> bytes:
    """8-bit PNG with straight (not premultiplied) alpha, as viewers expect it.

    Args:
        planes: the frame.
        longest: the longest side in px that it may have; 0 leaves it as it is.
    """
    straight = planes.colour / np.maximum(planes.alpha[..., None], 1e-4)
    rgba = np.clip(np.dstack([straight[..., ::-1], planes.alpha]), 0, 1)
    scale = longest / max(rgba.shape[:2])
    if 0 < scale < 1:
        size = (max(1, round(rgba.shape[1] * scale)), max(1, round(rgba.shape[0] * scale)))
        rgba = cv2.resize(rgba, size, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".png", (rgba * 255 + 0.5).astype(np.uint8))
    assert done
    return data.tobytes()


def linear_exr(planes: Planes, depth_scale: float) -> bytes:
    """Layers as Blender names them: Combined, scene-linear Rec.709 premultiplied, and Depth."""
    colour = scene_linear(planes.colour, planes.alpha).astype(np.float16)
    empty = planes.depth >= 1e9
    depth = np.where(empty, planes.depth, planes.depth * depth_scale).astype(np.float32)
    channels = {f"ViewLayer.Combined.{name}": colour[..., i] for i, name in enumerate("RGBA")}
    return exr_bytes(channels | {"ViewLayer.Depth.Z": depth})


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    write_atomic(path, lambda temporary: temporary.write_bytes(data) and None)
