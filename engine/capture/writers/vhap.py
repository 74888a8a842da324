# SPDX-License-Identifier: GPL-3.0-or-later
"""A capture in VHAP's layout, as GaussianAvatars and its kin read it.

A FLAME capture is written with FLAME's parameters, another one in VHAP's mesh mode. Consumers take
the lens' axis to meet the middle of the picture, so pictures are widened until it does.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ...head.model import EYE_LEFT, JAW, NECK
from ...head.skinning import HeadTensors
from ...jobs import Job
from ...render.camera import Camera
from ..folder import Capture
from . import sheets

CANONICAL_JAW = 0.3  # rad
OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
WHITE = 255


def write(capture: Capture, folder: Path, job: Job) -> dict:
    """Write the dataset; what to say about it."""
    tensors, flame = HeadTensors.of(capture.head), sheets.is_flame(capture)
    camera, pads = centred(capture.camera)
    pose = (camera.world_from_camera @ OPENGL_FROM_OPENCV).tolist()
    entries = {**sheets.lens(camera), "cy": camera.height - camera.cy}  # from the bottom
    psi = sheets.flame_psi(capture) if flame else capture.motion.psi
    _write_canonical(capture, folder, tensors, flame)
    frames = []
    for index in range(len(capture.motion)):
        name = f"{index:05d}"
        frame = {
            **entries, "transform_matrix": pose, "timestep_index": index,
            "timestep_index_original": index, "timestep_id": name, "camera_index": 0,
            "camera_id": "0", "file_path": f"images/{name}_00.png",
            "fg_mask_path": f"fg_masks/{name}_00.png",
        }  # fmt: skip
        if flame:
            frame["flame_param_path"] = f"flame_param/{name}.npz"
        else:
            frame |= {"mesh_path": f"meshes/{name}.obj", "exp_path": f"flame/exp/{name}.txt"}
        if not all((folder / path).is_file() for key, path in frame.items() if "_path" in key):
            _write_pictures(capture, index, folder, frame, pads)
            if flame:
                parameters = flame_parameters(capture, psi, index)
                sheets.write_npz(folder / frame["flame_param_path"], parameters)
            else:
                mesh = sheets.mesh_of(tensors, capture.motion.psi[index],
                                      capture.motion.theta[index],
                                      capture.motion.translation[index])  # fmt: skip
                sheets.write_obj(folder / frame["mesh_path"], mesh, capture.head.faces)
                sheets.write_numbers(folder / frame["exp_path"], psi[index])
        frames.append(frame)
        job.update("Writing frames", index + 1, len(capture.motion))
    table = {**entries, "timestep_indices": list(range(len(frames))), "camera_indices": [0]}
    splits = {"train": [frames[n] for n in capture.train], "val": [],
              "test": [frames[n] for n in capture.test]}  # fmt: skip
    sheets.write_tables(folder, table, {"backup": frames, **splits, "": frames})
    return {
        "parameters": "flame_param/*.npz" if flame else "meshes/*.obj and flame/exp/*.txt",
        "for": "programs that read VHAP's FLAME parameters" if flame else
               "programs that deform by meshes; the head model is not FLAME, so that those that "
               "need FLAME's parameters cannot use it",
        **(sheets.left_out(capture) if flame else {}),
        "widened_by_px": [camera.width - capture.camera.width,
                          camera.height - capture.camera.height],
    }  # fmt: skip


def centred(camera: Camera) -> tuple[Camera, tuple[int, int, int, int]]:
    """The camera of a picture widened until its axis meets the middle, to half a pixel.

    Returns:
        It, and the pixels to add: top, bottom, left, right.
    """
    x, y = (round(2 * at - side) for at, side in
            ((camera.cx, camera.width), (camera.cy, camera.height)))  # fmt: skip
    top, bottom, left, right = max(-y, 0), max(y, 0), max(-x, 0), max(x, 0)
    wider = replace(camera, width=camera.width + left + right, height=camera.height + top + bottom,
                    cx=camera.cx + left, cy=camera.cy + top)  # fmt: skip
    return wider, (top, bottom, left, right)


def flame_parameters(capture: Capture, psi: np.ndarray, index: int) -> dict[str, np.ndarray]:
    """One frame's entry of VHAP's npz files; psi [N, 100]."""
    theta, offset = capture.motion.theta[index].astype(np.float32), capture.head.static_offset
    return {
        "translation": capture.motion.translation[index][None].astype(np.float32),
        "rotation": theta[:1],
        "neck_pose": theta[NECK][None],
        "jaw_pose": theta[JAW][None],
        "eyes_pose": theta[EYE_LEFT:].reshape(1, 6),
        "shape": sheets.flame_shape(capture.head),
        "expr": psi[index][None],
        **({} if offset is None else {"static_offset": offset[None].astype(np.float32)}),
    }


def _write_canonical(capture: Capture, folder: Path, tensors: HeadTensors, flame: bool) -> None:
    if not flame:
        mesh = sheets.canonical_mesh(tensors, CANONICAL_JAW)
        sheets.write_obj(folder / "canonical.obj", mesh, capture.head.faces)
        return
    zero = np.zeros((1, 3), np.float32)
    sheets.write_npz(folder / "canonical_flame_param.npz", {
        "translation": zero, "rotation": zero, "neck_pose": zero,
        "jaw_pose": np.array([[CANONICAL_JAW, 0, 0]], np.float32),
        "eyes_pose": np.zeros((1, 6), np.float32), "shape": sheets.flame_shape(capture.head),
        "expr": np.zeros((1, 100), np.float32),
    })  # fmt: skip


def _write_pictures(
    capture: Capture, index: int, folder: Path, frame: dict, pads: tuple[int, int, int, int]
) -> None:
    top, bottom, left, right = pads
    matte = np.pad(capture.matte(index), ((top, bottom), (left, right)))
    image = np.pad(capture.image(index), ((top, bottom), (left, right), (0, 0)), mode="edge")
    alpha = matte[..., None] / 255
    on_white = (image * alpha + WHITE * (1 - alpha) + 0.5).astype(np.uint8)
    sheets.write_picture(folder / frame["file_path"], on_white)
    sheets.write_picture(folder / frame["fg_mask_path"], matte)
