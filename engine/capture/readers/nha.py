# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout of neural-head-avatars: a folder a frame, and one npz file of the tracking.

    frame_0000/image_0000.png  seg_0000.png …   tracked_flame_params*.npz (there or below)

K is [f, cx, cy] as shares of the picture, or a 3 by 3 matrix in pixels; RT is world to camera; a
JSON file with lists `train` and `val` of frame numbers tells the splits (nha/data/real.py and
models/tracking.py of philgras/neural-head-avatars).
"""

from pathlib import Path

import numpy as np

from ...errors import CaptureError
from ...head.model import JOINTS, HeadModel
from .dataset import (
    Dataset,
    flame_only,
    last_eighth,
    need_file,
    numbers,
    padded,
    read_arrays,
    read_json,
    same_shape,
    subject,
)
from .options import ReadOptions
from .pictures import picture_size

NAME = "nha"
LOOKS_FOR = "frame_*/image_0000.png"
PICTURE, LABELS, ALPHA = "image_0000.png", "seg_0000.png", "mask_0000.png"
POSES = ("rotation", "neck_pose", "jaw_pose", "eyes_pose")  # in the order of JOINTS
NEEDED = ("expr", "shape", *POSES, "translation", "frame", "K", "RT", "image_size")


def fits(folder: Path) -> bool:
    """Whether the folder holds this format."""
    return next(folder.glob(f"frame_*/{PICTURE}"), None) is not None


def read(folder: Path, model: HeadModel, options: ReadOptions) -> Dataset:
    """The dataset in a folder.

    Raises:
        CaptureError: incomplete or damaged.
    """
    flame_only(model, "neural-head-avatars")
    path = _tracking(folder)
    arrays = read_arrays(path)
    missing = [key for key in NEEDED if key not in arrays]
    if missing:
        raise CaptureError(f"{path} lacks {', '.join(missing)}.", "Use an intact dataset.")
    ids = numbers(arrays["frame"].ravel(), (-1,), f"frame of {path}").astype(np.int64)
    if not len(ids):
        raise CaptureError(f"{path} lists no frames.", "Use the complete dataset.")
    images = [need_file(folder / f"frame_{n:04d}" / PICTURE) for n in ids]
    count, size = len(images), picture_size(images[0])
    options.report(count, count)
    mattes = [next((image.with_name(name) for name in (LABELS, ALPHA)
                    if image.with_name(name).is_file()), None) for image in images]  # fmt: skip
    shape = np.asarray(arrays["shape"], np.float64)
    head = subject(model, same_shape(model, list(shape.reshape(-1, shape.shape[-1]))))
    theta = [
        numbers(arrays[key], (count, 3 * (1 + (key == "eyes_pose"))), f"{key} of {path}")
        for key in POSES
    ]
    expression = numbers(arrays["expr"], (count, arrays["expr"].size // count), f"expr of {path}")
    train, test = _split(folder, ids)
    return Dataset(
        format=NAME,
        folder=folder,
        head=head,
        names=tuple(f"frame_{n:04d}" for n in ids),
        images=tuple(images),
        mattes=tuple(mattes),
        size=size,
        intrinsics=_intrinsics(arrays, path, size, count),
        camera_from_world=_cameras(arrays["RT"], path, count),
        psi=padded(expression, len(head.expression_names), "expression"),
        theta=np.concatenate(theta, 1).reshape(count, len(JOINTS), 3),
        translation=numbers(arrays["translation"], (count, 3), f"translation of {path}"),
        axes="opengl",
        train=train,
        test=test,
        matte_labels=any(matte is not None and matte.name == LABELS for matte in mattes),
        said={"parameters": str(path)},
    )  # fmt: skip


def _tracking(folder: Path) -> Path:
    """The newest file of tracked parameters."""
    found = [p for pattern in ("*.npz", "*/*.npz") for p in folder.glob(pattern)
             if "flame" in p.name and not p.parent.name.startswith("frame_")]  # fmt: skip
    if not found:
        raise CaptureError(
            f"There is no tracked_flame_params.npz in {folder} or a folder below.",
            "Copy the tracking's npz file into the dataset.",
        )
    return max(found, key=lambda path: (len(path.name), str(path)))


def _cameras(value: np.ndarray, path: Path, count: int) -> np.ndarray:
    """RT, shared or each frame's: [N, 4, 4]."""
    poses = np.tile(np.eye(4), (count, 1, 1))
    rows = np.asarray(value, np.float64)
    rows = rows.reshape(-1, *rows.shape[-2:])[:, :3]
    if rows.shape[1:] != (3, 4) or len(rows) not in (1, count):
        raise CaptureError(f"RT of {path} is no camera pose.", "Use an intact dataset.")
    poses[:, :3] = rows
    return poses


def _intrinsics(
    arrays: dict[str, np.ndarray], path: Path, size: tuple[int, int], count: int
) -> dict[str, np.ndarray]:
    """What K may mean: cy from the picture's top or bottom."""
    height, width = numbers(np.ravel(arrays["image_size"]), (2,), f"image_size of {path}")
    scale = np.tile([size[0] / width, size[1] / height], 2)
    value = np.asarray(arrays["K"], np.float64)
    if value.size == 3:
        f, cx, cy = value.ravel()
        lens = np.array([f * max(height, width), f * max(height, width), cx * width, cy * height])
    else:
        matrix = numbers(value, (3, 3), f"K of {path}")
        lens = np.array([matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]])
    top = np.tile(np.abs(lens) * scale, (count, 1))
    bottom = top * [1, 1, 1, -1] + [0, 0, 0, size[1]]
    readings = {"as written": top}
    if np.abs(top - bottom).max() > 1e-6:
        readings["with cy from the bottom"] = bottom
    return readings


def _split(folder: Path, ids: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Splits by frame numbers from a JSON file in the folder."""
    for path in sorted(folder.glob("*.json")):
        table = read_json(path)
        if isinstance(table.get("train"), list) and isinstance(table.get("val"), list):
            train, test = set(table["train"]), set(table["val"]) - set(table["train"])
            if train & set(ids.tolist()) and test & set(ids.tolist()):
                return (tuple(n for n, i in enumerate(ids.tolist()) if i in train),
                        tuple(n for n, i in enumerate(ids.tolist()) if i in test))  # fmt: skip
    return last_eighth(len(ids))
