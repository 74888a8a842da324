# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that both layouts are made of: pictures, meshes, tables; each whole or not there."""

import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch

from ...errors import CaptureError
from ...files import write_atomic, write_text_atomic
from ...head.model import JAW, JOINTS, Head
from ...head.skinning import HeadTensors, posed_vertices
from ...render.camera import Camera
from ..folder import Capture
from ..readers.checkpoints import LIDS

NOTE = "partnerface_export.json"
SCHEMA_VERSION = 1
TABLE = "transforms.json"


def claim(folder: Path, key: str) -> None:
    """Take a folder for the export of this key.

    Raises:
        CaptureError: other files lie in it.
        SpaceError: it cannot be written.
    """
    note = folder / NOTE
    try:
        same = json.loads(note.read_text(encoding="utf-8")).get("key") == key
    except (OSError, ValueError, AttributeError):
        same = False
    if not same and folder.is_dir() and any(folder.iterdir()):
        raise CaptureError(f"{folder} holds other files.", "Choose an empty folder.")
    if not same:
        write_text_atomic(note, json.dumps({"schema_version": SCHEMA_VERSION, "key": key}))


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write a PNG: [H, W, 3] or [H, W, 4] RGB(A), or [H, W]; uint8 or uint16."""
    if picture.ndim == 3:
        order = [2, 1, 0, 3][: picture.shape[2]]
        picture = np.ascontiguousarray(picture[..., order])
    done, buffer = cv2.imencode(".png", picture)
    assert done
    write_atomic(path, lambda temporary: temporary.write_bytes(buffer.tobytes()) and None)


def write_obj(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Write a mesh [V, 3] m, [F, 3]."""
    lines = [f"v {x:.8f} {y:.8f} {z:.8f}" for x, y, z in vertices.tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (faces + 1).tolist()]
    write_text_atomic(path, "\n".join(lines) + "\n")


def write_numbers(path: Path, row: np.ndarray) -> None:
    """Write numbers, one a line."""
    write_text_atomic(path, "".join(f"{value:.8f}\n" for value in np.ravel(row).tolist()))


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write plain arrays."""
    write_atomic(path, lambda temporary: np.savez(temporary, **arrays))


def write_tables(
    folder: Path, table: Mapping, frames: Mapping[str, list[dict]], *, indent: int = 4
) -> None:
    """Write the splits' tables, and the one of all frames last: it makes the dataset whole."""
    for name in (*(name for name in frames if name), ""):
        path = folder / (f"transforms_{name}.json" if name else TABLE)
        text = json.dumps({**table, "frames": frames[name]}, indent=indent, sort_keys=True)
        write_text_atomic(path, text)


def lens(camera: Camera) -> dict[str, float]:
    """A camera's intrinsics under the names that both layouts use, px and rad."""
    return {
        "w": camera.width, "h": camera.height, "fl_x": camera.fx, "fl_y": camera.fy,
        "cx": camera.cx, "cy": camera.cy,
        "camera_angle_x": float(2 * np.arctan(camera.width / (2 * camera.fx))),
        "camera_angle_y": float(2 * np.arctan(camera.height / (2 * camera.fy))),
    }  # fmt: skip


def is_flame(capture: Capture) -> bool:
    """Whether FLAME's own parameters, and a static offset, say everything about the head."""
    known = "offset" not in capture.source or capture.head.static_offset is not None
    return capture.head.model_name.startswith("flame") and known


def flame_psi(capture: Capture, count: int = 100) -> np.ndarray:
    """FLAME's expressions [N, count]; a tracker's own eyelids are left out."""
    lids = {name for name, _ in LIDS}
    names = capture.head.expression_names
    own = [n for n, name in enumerate(names) if name not in lids][:count]
    psi = np.zeros((len(capture.motion), count), np.float32)
    psi[:, : len(own)] = capture.motion.psi[:, own]
    return psi


def left_out(capture: Capture) -> dict:
    """What FLAME's own parameters cannot say of the capture, for the result."""
    lids = {name for name, _ in LIDS} & set(capture.head.expression_names)
    return {"left_out": "a tracker's eyelids, which FLAME lacks"} if lids else {}


def flame_shape(head: Head, count: int = 300) -> np.ndarray:
    """FLAME's shape coefficients [count]."""
    shape = np.zeros(count, np.float32)
    shape[: len(head.beta)] = head.beta[:count]
    return shape


def mesh_of(
    tensors: HeadTensors, psi: np.ndarray, theta: np.ndarray, translation: np.ndarray
) -> np.ndarray:
    """The vertices [V, 3] m of psi [E], theta [J, 3], translation [3]."""
    arrays = (torch.as_tensor(np.asarray(a, np.float32))[None] for a in (psi, theta, translation))
    with torch.no_grad():
        return posed_vertices(tensors, *arrays)[0].numpy()


def canonical_mesh(tensors: HeadTensors, jaw: float) -> np.ndarray:
    """The neutral head's vertices [V, 3] m with the jaw open by `jaw` rad."""
    theta = np.zeros((len(JOINTS), 3))
    theta[JAW, 0] = jaw
    return mesh_of(tensors, np.zeros(len(tensors.expressions)), theta, np.zeros(3))
