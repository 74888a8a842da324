# SPDX-License-Identifier: GPL-3.0-or-later
"""Small datasets of every format, written of an actor as the formats' own programs write them."""

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.spatial.transform import Rotation

OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
OPENCV = np.eye(4)
INSTA_JAW = np.radians(12)


def write_picture(path: Path, picture: np.ndarray, alpha: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = picture[..., ::-1] if picture.ndim == 3 else picture
    if alpha is not None:
        picture = np.dstack([picture, alpha])
    assert cv2.imwrite(str(path), picture)


def write_json(path: Path, data: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=4, sort_keys=True))


def write_obj(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ["v {:.8f} {:.8f} {:.8f}".format(*v) for v in vertices]
    rows += ["f {} {} {}".format(*(f + 1)) for f in faces]
    path.write_text("\n".join(rows) + "\n")


def six(turn: np.ndarray) -> np.ndarray:
    """Axis-angle [..., 3] → the first two rows of its matrix [..., 6]."""
    rows = Rotation.from_rotvec(np.reshape(turn, (-1, 3))).as_matrix()[:, :2]
    return rows.reshape(*np.shape(turn)[:-1], 6)


def imavatar(actor, folder: Path, *, negative=True, legacy=False, unit=4.0, axes=OPENGL,
             frames=None, masks=True) -> Path:  # fmt: skip
    """One video's folder."""
    camera, width, height = actor.camera, actor.camera.width, actor.camera.height
    lens = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
    lens = lens / [width, height, width, height] * (512 if legacy else 1)
    lens[0] *= -1 if negative else 1
    table = {"intrinsics": lens.tolist(), "shape_params": actor.shape[:100].tolist(), "frames": []}
    for n in range(len(actor)) if frames is None else frames:
        pose = axes @ camera.camera_from_world
        world = np.column_stack([pose[:3, :3], pose[:3, :3] @ actor.translation[n] + pose[:3, 3]])
        world[:, 3] *= unit
        table["frames"].append({
            "file_path": f"./image/{n + 1}", "world_mat": world.tolist(),
            "expression": actor.expression(50)[n].tolist(), "pose": actor.theta[n].ravel().tolist(),
            "bbox": [-0.5, -0.5, 0.5, 0.5],
        })  # fmt: skip
        write_picture(folder / "image" / f"{n + 1}.png", actor.images[n])
        if masks:
            write_picture(folder / "mask" / f"{n + 1}.png", actor.mattes[n])
    write_json(folder / "flame_params.json", table)
    return folder


def checkpoint(actor, n: int, poses: np.ndarray) -> dict:
    """What metrical-tracker saves of a frame."""
    camera = actor.camera
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1.0]])
    return {
        "flame": {
            "exp": actor.expression()[n][None].astype(np.float32),
            "shape": actor.shape[None].astype(np.float32),
            "tex": np.zeros((1, 140), np.float32), "sh": np.zeros((1, 9, 3), np.float32),
            "eyes": six(actor.theta[n, 3:]).reshape(1, 12).astype(np.float32),
            "eyelids": np.zeros((1, 2), np.float32),
            "jaw": six(actor.theta[n, 2])[None].astype(np.float32),
        },
        "camera": {"R": np.zeros((1, 6)), "t": np.zeros((1, 3)), "fl": np.ones((1, 1))},
        "opencv": {"R": poses[n, None, :3, :3], "t": poses[n, None, :3, 3], "K": matrix[None]},
        "img_size": np.array([camera.height, camera.width]),
        "frame_id": f"{n:05d}", "global_step": 10 * n,
    }  # fmt: skip


def checkpoints(
    actor, folder: Path, *, axes=OPENCV, legacy=False, change=lambda data: data
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    poses = axes @ actor.pose_in_camera()
    for n in range(len(actor)):
        torch.save(change(checkpoint(actor, n, poses)), folder / f"{n:05d}.frame",
                   _use_new_zipfile_serialization=not legacy)  # fmt: skip


def metrical(actor, folder: Path, **options) -> Path:
    checkpoints(actor, folder / "checkpoint", **options)
    for n, (image, matte) in enumerate(zip(actor.images, actor.mattes, strict=True)):
        write_picture(folder / "input" / f"{n:05d}.png", image)
        write_picture(folder / "alpha" / f"{n:05d}.png", matte)
    return folder


def flashavatar(actor, root: Path) -> Path:
    """dataset/ID and metrical-tracker/output/ID in a folder; pictures count from one."""
    checkpoints(actor, root / "metrical-tracker" / "output" / "id1" / "checkpoint")
    folder = root / "dataset" / "id1"
    for n, (image, matte) in enumerate(zip(actor.images, actor.mattes, strict=True)):
        write_picture(folder / "imgs" / f"{n + 1:05d}.jpg", image)
        write_picture(folder / "alpha" / f"{n + 1:05d}.jpg", matte)
        write_picture(folder / "parsing" / f"{n + 1:05d}_neckhead.png", matte)
    return folder


def lens_entries(camera, *, from_bottom=False) -> dict:
    return {
        "w": camera.width, "h": camera.height, "fl_x": camera.fx, "fl_y": camera.fy,
        "cx": camera.cx, "cy": camera.height - camera.cy if from_bottom else camera.cy,
        "camera_angle_x": 2 * float(np.arctan(camera.width / 2 / camera.fx)),
    }  # fmt: skip


def split_tables(folder: Path, table: dict, test: int) -> None:
    """transforms.json and the splits': the last `test` frames are the test."""
    frames = table["frames"]
    parts = {"": frames, "_train": frames[:-test], "_test": frames[-test:], "_val": frames[-1:]}
    for name, part in parts.items():
        write_json(folder / f"transforms{name}.json", {**table, "frames": part})


def insta(actor, folder: Path, *, axes=OPENCV, negative=False, meshes=True, eyes=True,
          jaw=INSTA_JAW, test=3) -> Path:  # fmt: skip
    """As INSTA's scripts write it: no shape, no jaw."""
    poses = np.linalg.inv(axes @ actor.pose_in_camera())
    table = {**lens_entries(actor.camera), "integer_depth_scale": 0.001, "frames": []}
    table["fl_x"] *= -1 if negative else 1
    write_obj(folder / "canonical.obj", actor.canonical(jaw), actor.head.faces)
    for n, mesh in enumerate(actor.mesh(moved=False)):
        name = f"{n:05d}"
        write_picture(folder / "images" / f"{name}.png", actor.images[n], actor.mattes[n])
        exp = folder / "flame" / "exp" / f"{name}.txt"
        exp.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(exp, actor.expression()[n], fmt="%.8f")
        frame = {"file_path": f"images/{name}.png", "exp_path": f"flame/exp/{name}.txt",
                 "transform_matrix": poses[n].tolist()}  # fmt: skip
        if meshes:
            write_obj(folder / "meshes" / f"{name}.obj", mesh, actor.head.faces)
            frame["mesh_path"] = f"meshes/{name}.obj"
        if eyes:
            frame["eyes_path"] = f"flame/eyes/{name}.txt"
            (folder / "flame" / "eyes").mkdir(exist_ok=True)
            np.savetxt(folder / frame["eyes_path"], six(actor.theta[n, 3:]).ravel(), fmt="%.8f")
        table["frames"].append(frame)
    split_tables(folder, table, test)
    return folder


def vhap(actor, folder: Path, *, axes=OPENGL, from_bottom=True, cameras=1, mesh_mode=False,
         offset=None, test=3) -> Path:  # fmt: skip
    """As VHAP exports it; cameras beyond the first see nothing."""
    pose = np.linalg.inv(axes @ actor.camera.camera_from_world)
    lens = lens_entries(actor.camera, from_bottom=from_bottom)
    table = {**lens, "timestep_indices": list(range(len(actor))), "frames": [],
             "camera_indices": list(range(cameras))}  # fmt: skip
    if mesh_mode:
        write_obj(folder / "canonical.obj", actor.canonical(0.3), actor.head.faces)
    meshes = actor.mesh(moved=True)
    for n in range(len(actor)):
        for camera in range(cameras):
            name = f"{n:05d}_{camera:02d}"
            shown = actor.images[n] if not camera else np.full_like(actor.images[n], 255)
            write_picture(folder / "images" / f"{name}.png", shown)
            write_picture(folder / "fg_masks" / f"{name}.png", actor.mattes[n] * (camera == 0))
            frame = {**lens, "timestep_index": n, "timestep_index_original": n,
                     "timestep_id": f"{n:06d}", "camera_index": camera, "camera_id": f"cam{camera}",
                     "transform_matrix": pose.tolist(), "file_path": f"images/{name}.png",
                     "fg_mask_path": f"fg_masks/{name}.png"}  # fmt: skip
            if mesh_mode:
                frame |= {"mesh_path": f"meshes/{n:05d}.obj", "exp_path": f"flame/exp/{n:05d}.txt"}
            else:
                frame["flame_param_path"] = f"flame_param/{n:05d}.npz"
            table["frames"].append(frame)
        if mesh_mode:
            write_obj(folder / "meshes" / f"{n:05d}.obj", meshes[n], actor.head.faces)
            (folder / "flame" / "exp").mkdir(parents=True, exist_ok=True)
            np.savetxt(folder / "flame" / "exp" / f"{n:05d}.txt", actor.expression()[n])
        else:
            flame_parameters(actor, folder / "flame_param" / f"{n:05d}.npz", n, offset)
    split_tables(folder, table, test * cameras)
    return folder


def flame_parameters(actor, path: Path, n: int, offset=None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    theta = actor.theta[n].astype(np.float32)
    arrays = {
        "translation": actor.translation[n][None].astype(np.float32), "rotation": theta[None, 0],
        "neck_pose": theta[None, 1], "jaw_pose": theta[None, 2],
        "eyes_pose": theta[3:].reshape(1, 6), "shape": actor.shape.astype(np.float32),
        "expr": actor.expression()[n][None].astype(np.float32),
    }  # fmt: skip
    if offset is not None:
        arrays["static_offset"] = offset[None]
    np.savez(path, **arrays)


def nha(actor, folder: Path, *, axes=OPENGL, matrix=False, labels=True) -> Path:
    camera, width, height = actor.camera, actor.camera.width, actor.camera.height
    for n in range(len(actor)):
        place = folder / f"frame_{n:04d}"
        write_picture(place / "image_0000.png", actor.images[n])
        if labels:
            write_picture(
                place / "seg_0000.png", np.where(actor.mattes[n] > 127, 101, 0).astype(np.uint8)
            )
    k = np.array([camera.fx / max(width, height), camera.cx / width, camera.cy / height])
    if matrix:
        k = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    tracking = folder / "tracking_0"
    tracking.mkdir(parents=True)
    np.savez(
        tracking / "tracked_flame_params.npz",
        expr=actor.expression(), shape=actor.shape, rotation=actor.theta[:, 0],
        neck_pose=actor.theta[:, 1], jaw_pose=actor.theta[:, 2],
        eyes_pose=actor.theta[:, 3:].reshape(-1, 6), translation=actor.translation,
        frame=np.arange(len(actor)), K=k, RT=(axes @ camera.camera_from_world)[:3],
        image_size=np.array([height, width]), light=np.zeros((9, 3)),
    )  # fmt: skip
    write_json(
        folder / "split.json",
        {"train": list(range(len(actor) - 2)), "val": [len(actor) - 2, len(actor) - 1]},
    )
    return folder


class Bomb:
    """Unpickling it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def bomb_frame(path: Path, mark: Path, *, plain=False) -> None:
    """A checkpoint that runs code when it is unpickled."""
    if plain:
        path.write_bytes(pickle.dumps({"flame": Bomb(mark)}))
    else:
        torch.save({"flame": Bomb(mark)}, path)
