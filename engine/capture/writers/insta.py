# SPDX-License-Identifier: GPL-3.0-or-later
"""A capture in INSTA's layout: the head stands still and the camera moves, OpenCV axes.

Meshes, expressions, jaw and eyes are written for every head model; shape for FLAME alone.
"""

from pathlib import Path

import numpy as np

from ...head.model import EYE_LEFT, JAW, Head
from ...head.skinning import HeadTensors
from ...jobs import Job
from ...render.camera import Camera
from ...render.mesh import view_mesh
from ..folder import Capture
from ..readers.rotations import matrix, to_6d
from ..readers.still_camera import root_joints
from . import sheets

CANONICAL_JAW = np.radians(12.0)
VALIDATION = 20  # frames
MILLIMETRE = 1e-3  # m, the depth pictures' unit


def write(capture: Capture, folder: Path, job: Job) -> dict:
    """Write the dataset; what to say about it."""
    head, motion = capture.head, capture.motion
    tensors, flame = HeadTensors.of(head), sheets.is_flame(capture)
    psi = sheets.flame_psi(capture) if flame else motion.psi
    theta = motion.theta.copy()
    theta[:, 0] = 0
    poses = camera_poses(
        tensors, motion.psi, motion.theta[:, 0], motion.translation, capture.camera
    )
    sheets.write_obj(
        folder / "canonical.obj", sheets.canonical_mesh(tensors, CANONICAL_JAW), head.faces
    )
    frames = []
    for index in range(len(motion)):
        name = f"{index:05d}"
        rows = {"exp": psi[index], "jaw": to_6d(theta[index, JAW]),
                "eyes": to_6d(theta[index, EYE_LEFT:])}  # fmt: skip
        if flame:
            rows["shape"] = sheets.flame_shape(head)
        frame = {
            "transform_matrix": np.linalg.inv(poses[index]).tolist(),
            "file_path": f"images/{name}.png", "mesh_path": f"meshes/{name}.obj",
            "depth_path": f"depth/{name}.png",
            **{f"{kind}_path": f"flame/{kind}/{name}.txt" for kind in rows},
        }  # fmt: skip
        if not all((folder / path).is_file() for key, path in frame.items() if "_path" in key):
            for kind, row in rows.items():
                sheets.write_numbers(folder / frame[f"{kind}_path"], row)
            mesh = sheets.mesh_of(tensors, motion.psi[index], theta[index], np.zeros(3))
            sheets.write_obj(folder / frame["mesh_path"], mesh, head.faces)
            _write_depth(folder / frame["depth_path"], mesh, head, capture.camera, poses[index])
            picture = np.dstack([capture.image(index), capture.matte(index)])
            sheets.write_picture(folder / frame["file_path"], picture)
        frames.append(frame)
        job.update("Writing frames", index + 1, len(motion))
    entries = sheets.lens(capture.camera)
    table = {
        **{key: float(value) for key, value in entries.items()},
        "x_fov": float(np.degrees(entries["camera_angle_x"])),
        "y_fov": float(np.degrees(entries["camera_angle_y"])),
        "integer_depth_scale": MILLIMETRE,
    }
    splits = {"train": [frames[n] for n in capture.train],
              "test": [frames[n] for n in capture.test], "val": frames[-VALIDATION:]}  # fmt: skip
    sheets.write_tables(folder, table, {**splits, "": frames})
    return {
        "parameters": "meshes/*.obj, flame/*/*.txt",
        "for": "programs that deform by meshes or read FLAME's parameters" if flame else
               "programs that deform by meshes; expressions are the head model's, not FLAME's",
    }  # fmt: skip


def camera_poses(
    tensors: HeadTensors, psi: np.ndarray, root: np.ndarray, translation: np.ndarray, camera: Camera
) -> np.ndarray:
    """camera_from_head [N, 4, 4], m, when the head's pose goes into the camera.

    Args:
        tensors: the head, whose root joint the rotations turn about.
        psi: [N, E].
        root: [N, 3] rad, the root's rotation.
        translation: [N, 3] m.
        camera: the one that stands still.
    """
    joint = root_joints(tensors, psi)  # [N, 3] m
    moved = np.tile(np.eye(4), (len(root), 1, 1))
    moved[:, :3, :3] = matrix(root)
    moved[:, :3, 3] = joint + translation - np.einsum("nab,nb->na", moved[:, :3, :3], joint)
    return camera.camera_from_world @ moved


def _write_depth(
    path: Path, mesh: np.ndarray, head: Head, camera: Camera, pose: np.ndarray
) -> None:
    """The mesh's depth in millimetres, 0 where it is not."""
    view = view_mesh(mesh, head.faces, Camera(camera.width, camera.height, camera.fx, camera.fy,
                                              camera.cx, camera.cy, pose))  # fmt: skip
    depth = np.where(view.hit, view.depth, 0) / MILLIMETRE
    sheets.write_picture(path, np.clip(depth + 0.5, 0, 65535).astype(np.uint16))
