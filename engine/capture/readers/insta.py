# SPDX-License-Identifier: GPL-3.0-or-later
"""INSTA's layout, and VHAP's mesh mode, which has the same keys in other axes.

    transforms.json, transforms_{train,val,test}.json   canonical.obj
    images/00000.png (RGBA)  meshes/00000.obj  flame/exp/00000.txt  flame/eyes/00000.txt
    checkpoint/00000.frame (some redistributions)

INSTA's camera poses are camera-to-world in OpenCV axes and its meshes do not turn; VHAP's are in
OpenGL axes and its meshes do. Released files have neither shape nor jaw: where there are no
checkpoints, the head comes from canonical.obj and the pose from each frame's mesh
(scripts/transforms.py of Zielon/INSTA).
"""

from pathlib import Path

import numpy as np

from ...errors import CaptureError
from ...head.model import EYE_LEFT, JAW, JOINTS, Head, HeadModel
from . import nerf_json
from .checkpoints import FOLDER, read_checkpoints, with_eyelids
from .dataset import (
    Dataset,
    flame_only,
    need_file,
    numbers,
    padded,
    read_numbers,
    same_shape,
    subject,
)
from .mesh_pose import MeshPoser, head_of_mesh, read_obj_vertices
from .options import ReadOptions
from .pictures import picture_size
from .rotations import from_6d

NAME = "insta"
LOOKS_FOR = "transforms.json whose frames have a mesh_path or an exp_path"
CANONICAL = "canonical.obj"
NOTABLE = 1e-4  # m

Parameters = tuple[Head, np.ndarray, np.ndarray, np.ndarray, dict]  # psi, theta, translation, said


def fits(folder: Path) -> bool:
    """Whether the folder holds this format."""
    return bool({"mesh_path", "exp_path"} & nerf_json.first_frame(folder).keys())


def read(folder: Path, model: HeadModel, options: ReadOptions) -> Dataset:
    """The dataset in a folder.

    Raises:
        CaptureError: incomplete or damaged, or its meshes are not the head model's.
    """
    table = nerf_json.read_table(folder)
    frames, chosen = nerf_json.one_camera(table, options.camera)
    images = [nerf_json.file_of(folder, frame, "file_path") for frame in frames]
    size = picture_size(images[0])
    checkpoints = [folder / FOLDER / f"{path.stem}.frame" for path in images]
    if all(path.is_file() for path in checkpoints):
        found = _from_checkpoints(folder, model, checkpoints, options)
    elif all("mesh_path" in frame for frame in frames):
        found = _from_meshes(folder, model, frames, options)
    else:
        found = _from_text(folder, model, frames)
    head, psi, theta, translation, said = found
    train, test = nerf_json.split(folder, frames)
    vhap = "timestep_index" in frames[0]
    return Dataset(
        format=NAME,
        folder=folder,
        head=head,
        names=tuple(path.stem for path in images),
        images=tuple(images),
        mattes=nerf_json.mattes_of(folder, frames),
        size=size,
        intrinsics=nerf_json.intrinsics(table, frames, size, from_bottom_first=vhap),
        camera_from_world=nerf_json.cameras(frames),
        psi=psi,
        theta=theta,
        translation=translation,
        axes="opengl" if vhap else "opencv",
        train=train,
        test=test,
        said={**chosen, **said},
    )  # fmt: skip


def _from_checkpoints(
    folder: Path, model: HeadModel, files: list[Path], options: ReadOptions
) -> Parameters:
    flame_only(model, "INSTA")
    frames = read_checkpoints(files, options)
    head = subject(model, same_shape(model, [frame.shape for frame in frames]))
    psi = padded(np.stack([f.psi for f in frames]), len(head.expression_names), "expression")
    head, psi, said = with_eyelids(head, frames, psi, folder, options)
    theta = np.stack([frame.theta for frame in frames])
    return head, psi, theta, np.zeros((len(frames), 3)), {"parameters": "checkpoints", **said}


def _from_meshes(
    folder: Path, model: HeadModel, frames: list[dict], options: ReadOptions
) -> Parameters:
    canonical = need_file(folder / CANONICAL)
    head, missed = head_of_mesh(model, read_obj_vertices(canonical), canonical)
    psi = padded(_expressions(folder, frames), len(head.expression_names), "expression")
    poser = MeshPoser(head)
    theta, translation, errors = [], [], []
    for number, frame in enumerate(frames):
        path = nerf_json.file_of(folder, frame, "mesh_path")
        turns, moved, error = poser.pose(read_obj_vertices(path), psi[number], path)
        theta.append(turns)
        translation.append(moved)
        errors.append(error)
        options.report(number + 1, len(frames))
    said = {"parameters": "shape from canonical.obj, pose from meshes",
            "canonical_mm": round(1000 * missed, 3),
            "mesh_mm": round(1000 * float(np.mean(errors)), 3)}  # fmt: skip
    if missed > NOTABLE:
        said["offset"] = "what the model's identities miss of canonical.obj is part of the head"
    return head, psi, np.stack(theta), np.stack(translation), said


def _from_text(folder: Path, model: HeadModel, frames: list[dict]) -> Parameters:
    """From flame/exp, and flame/{shape,jaw,eyes} where they are there."""
    flame_only(model, "INSTA")
    first = Path(frames[0]["exp_path"]).name if "exp_path" in frames[0] else ""
    said = {"parameters": "flame/*.txt"}
    if (folder / CANONICAL).is_file():
        canonical = folder / CANONICAL
        head, _ = head_of_mesh(model, read_obj_vertices(canonical), canonical)
    elif (folder / "flame" / "shape" / first).is_file():
        head = subject(model, read_numbers(folder / "flame" / "shape" / first, "shape"))
    else:
        raise CaptureError(
            f"{folder} says nothing about the head's shape: neither {CANONICAL}, nor meshes, nor "
            "flame/shape.", "Use the complete dataset.",
        )  # fmt: skip
    theta = np.zeros((len(frames), len(JOINTS), 3))
    for number, frame in enumerate(frames):
        name = Path(frame.get("exp_path", "")).name
        for joint, kind, count in ((JAW, "jaw", 1), (EYE_LEFT, "eyes", 2)):
            path = folder / "flame" / kind / name
            if path.is_file():
                six = numbers(read_numbers(path, kind), (6 * count,), f"{path}")
                theta[number, joint : joint + count] = from_6d(six.reshape(count, 6))
    if not (folder / "flame" / "jaw" / first).is_file():
        said["jaw"] = "left closed: the dataset has it in meshes alone, and they are missing"
    psi = padded(_expressions(folder, frames), len(head.expression_names), "expression")
    return head, psi, theta, np.zeros((len(frames), 3)), said


def _expressions(folder: Path, frames: list[dict]) -> np.ndarray:
    rows = [read_numbers(nerf_json.file_of(folder, frame, "exp_path"), "expression")
            for frame in frames]  # fmt: skip
    if len({len(row) for row in rows}) != 1:
        raise CaptureError(
            f"The expressions in {folder} differ in length.", "Use an intact dataset."
        )
    return np.stack(rows)
