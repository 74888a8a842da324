# SPDX-License-Identifier: GPL-3.0-or-later
"""VHAP's export, which GaussianAvatars trains on: FLAME parameters in npz files.

    transforms.json, transforms_{train,val,test}.json   cameras, file names
    images/TTTTT_CC.png  fg_masks/TTTTT_CC.png  flame_param/TTTTT.npz

Camera poses are camera-to-world in OpenGL axes; VHAP measures cy from the bottom of the picture
(export_as_nerf_dataset.py and util/camera.py of ShenhanQian/VHAP).
"""

from pathlib import Path

import numpy as np

from ...errors import CaptureError
from ...head.model import HeadModel
from . import nerf_json
from .dataset import (
    Dataset,
    flame_only,
    numbers,
    padded,
    read_arrays,
    same_shape,
    subject,
)
from .options import ReadOptions
from .pictures import picture_size

NAME = "vhap"
LOOKS_FOR = "transforms.json whose frames have a flame_param_path"
POSES = {"rotation": 3, "neck_pose": 3, "jaw_pose": 3, "eyes_pose": 6}  # in the order of JOINTS


def fits(folder: Path) -> bool:
    """Whether the folder holds this format."""
    return "flame_param_path" in nerf_json.first_frame(folder)


def read(folder: Path, model: HeadModel, options: ReadOptions) -> Dataset:
    """The dataset in a folder.

    Raises:
        CaptureError: incomplete, damaged, or without the camera asked for.
    """
    flame_only(model, "VHAP")
    table = nerf_json.read_table(folder)
    frames, said = nerf_json.one_camera(table, options.camera)
    images = [nerf_json.file_of(folder, frame, "file_path") for frame in frames]
    size = picture_size(images[0])
    parameters = []
    for number, frame in enumerate(frames):
        path = nerf_json.file_of(folder, frame, "flame_param_path")
        parameters.append(_parameters(path))
        options.report(number + 1, len(frames))
    offsets = [p["static_offset"] for p in parameters]
    shape = same_shape(model, [p["shape"] for p in parameters])
    head = subject(model, shape, offsets[0])
    if any(p["dynamic"] > 0 for p in parameters):
        said["left_out"] = (
            "dynamic_offset: a capture has no offsets that change from frame to frame"
        )
        said["left_out_mm"] = round(1000 * max(p["dynamic"] for p in parameters), 2)
    if offsets[0] is not None:
        said["offset"] = "static_offset is part of the head"
    train, test = nerf_json.split(folder, frames)
    psi = np.stack([p["expr"] for p in parameters])
    return Dataset(
        format=NAME,
        folder=folder,
        head=head,
        names=tuple(path.stem for path in images),
        images=tuple(images),
        mattes=nerf_json.mattes_of(folder, frames),
        size=size,
        intrinsics=nerf_json.intrinsics(table, frames, size, from_bottom_first=True),
        camera_from_world=nerf_json.cameras(frames),
        psi=padded(psi, len(head.expression_names), "expression"),
        theta=np.stack([p["theta"] for p in parameters]),
        translation=np.stack([p["translation"] for p in parameters]),
        axes="opengl",
        train=train,
        test=test,
        said=said,
    )  # fmt: skip


def _parameters(path: Path) -> dict:
    """One time step's FLAME parameters."""
    arrays = read_arrays(path)
    missing = [key for key in (*POSES, "translation", "shape", "expr") if key not in arrays]
    if missing:
        raise CaptureError(f"{path} lacks {', '.join(missing)}.", "Use an intact dataset.")
    theta = [
        numbers(arrays[key], (count // 3, 3), f"{key} of {path}") for key, count in POSES.items()
    ]
    offset = arrays.get("static_offset")
    dynamic = arrays.get("dynamic_offset")
    return {
        "theta": np.concatenate(theta),
        "translation": numbers(arrays["translation"], (3,), f"translation of {path}"),
        "shape": numbers(arrays["shape"].ravel(), (-1,), f"shape of {path}"),
        "expr": numbers(arrays["expr"].ravel(), (-1,), f"expr of {path}"),
        "static_offset": None
        if offset is None
        else numbers(offset, (offset.size // 3, 3), f"static_offset of {path}"),
        "dynamic": 0.0 if dynamic is None else float(np.abs(dynamic).max(initial=0)),
    }
