# SPDX-License-Identifier: GPL-3.0-or-later
"""transforms.json, in which INSTA, VHAP and NerFACE keep cameras and file names."""

import re
from pathlib import Path

import numpy as np

from ...errors import CaptureError
from .dataset import last_eighth, need_file, numbers, read_json

TABLE = "transforms.json"
SPLITS = ("train", "val", "test")
LENS = ("fl_x", "fl_y", "cx", "cy")


def first_frame(folder: Path, name: str = TABLE) -> dict:
    """The first frame's entry; empty where there is none that can be read."""
    try:
        frame = read_json(folder / name)["frames"][0]
    except (CaptureError, KeyError, IndexError, TypeError):
        return {}
    return frame if isinstance(frame, dict) else {}


def read_table(folder: Path) -> dict:
    """The table of a dataset, its frames in order; put together from the splits' if need be.

    Raises:
        CaptureError: missing, damaged, or without frames.
    """
    if (folder / TABLE).is_file():
        table = read_json(folder / TABLE)
    else:
        parts = [folder / f"transforms_{name}.json" for name in SPLITS]
        tables = [read_json(path) for path in parts if path.is_file()]
        if not tables:
            raise CaptureError(f"There is no {TABLE} in {folder}.", "Choose another folder.")
        table = {**tables[0], "frames": [f for t in tables for f in t.get("frames", [])]}
    frames = table.get("frames")
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        frames = []
    unique = {str(frame.get("file_path")): frame for frame in frames}
    if not unique:
        raise CaptureError(f"The tables in {folder} list no frames.", "Use the complete dataset.")
    return {**table, "frames": [unique[name] for name in sorted(unique, key=_in_order)]}


def _in_order(name: str) -> list:
    """Sorts 2.png before 10.png."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def one_camera(table: dict, wished: str) -> tuple[list[dict], dict]:
    """The frames of one camera, and what to say about the choice.

    Raises:
        CaptureError: there is no such camera.
    """
    frames = table["frames"]
    cameras = {}  # number → name, in order
    for frame in sorted(frames, key=lambda frame: frame.get("camera_index", 0)):
        cameras.setdefault(str(frame.get("camera_index", 0)), str(frame.get("camera_id", "")))
    if len(cameras) <= 1 and not wished:
        return frames, {}
    chosen = next(
        (number for number, name in cameras.items() if wished in (number, name)), None
    ) if wished else next(iter(cameras))  # fmt: skip
    if chosen is None:
        listed = ", ".join(f"{number} ({name})" for number, name in cameras.items())
        raise CaptureError(f"There is no camera {wished}; there are {listed}.", "Choose one.")
    said = {"camera": f"{chosen} ({cameras[chosen]}), one of {len(cameras)}"}
    return [f for f in frames if str(f.get("camera_index", 0)) == chosen], said


def file_of(folder: Path, frame: dict, key: str) -> Path:
    """The file that a frame names.

    Raises:
        CaptureError: it names none, or the file is missing.
    """
    name = frame.get(key)
    if not isinstance(name, str):
        raise CaptureError(f"A frame in {folder} has no {key}.", "Use the complete dataset.")
    return need_file(folder / name)


def mattes_of(folder: Path, frames: list[dict]) -> tuple[Path | None, ...]:
    """The mattes that the frames name; None for a frame that names none.

    Raises:
        CaptureError: a file is missing.
    """
    return tuple(file_of(folder, frame, "fg_mask_path") if frame.get("fg_mask_path") else None
                 for frame in frames)  # fmt: skip


def cameras(frames: list[dict]) -> np.ndarray:
    """camera_from_world [N, 4, 4], axes as written.

    Raises:
        CaptureError: a pose is missing or no pose.
    """
    poses = np.stack([
        numbers(frame.get("transform_matrix"), (4, 4), f"transform_matrix of {frame['file_path']}")
        for frame in frames
    ])  # fmt: skip
    turns = poses[:, :3, :3]
    if np.abs(turns @ turns.transpose(0, 2, 1) - np.eye(3)).max() > 1e-3:
        raise CaptureError(
            "A transform_matrix is no rotation with a translation.", "Use an intact dataset."
        )
    return np.linalg.inv(poses)


def intrinsics(
    table: dict, frames: list[dict], size: tuple[int, int], *, from_bottom_first: bool
) -> dict[str, np.ndarray]:
    """What fx, fy, cx, cy [N, 4] px may mean: cy from the picture's top or bottom."""
    rows = []
    for frame in frames:
        own = {**table, **frame}  # a frame's own intrinsics go before those of all
        what = f"the intrinsics of {frame['file_path']}"
        sides = numbers([own.get("w") or size[0], own.get("h") or size[1]], (2,), what)
        if own.get("fl_x") is None and own.get("camera_angle_x") is not None:
            angle = float(numbers(own["camera_angle_x"], (), what))
            own["fl_x"] = 0.5 * sides[0] / np.tan(0.5 * angle)
        usual = {"fl_y": own.get("fl_x"), "cx": sides[0] / 2, "cy": sides[1] / 2}
        row = [own.get(key) if own.get(key) is not None else usual.get(key) for key in LENS]
        rows.append(np.abs(numbers(row, (4,), what)) * np.tile(np.array(size) / sides, 2))
    top = np.stack(rows)
    bottom = top * [1, 1, 1, -1] + [0, 0, 0, size[1]]
    readings = {"as pixels": top, "with cy from the bottom": bottom}
    if np.abs(top - bottom).max() < 1e-6:
        return {"as pixels": top}
    return dict(reversed(readings.items())) if from_bottom_first else readings


def split(folder: Path, frames: list[dict]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Training and test frames by the splits' tables; time steps in both are for the test.

    A held-out camera's frames are told by their time step.
    """
    places: dict[str, tuple[set, set]] = {}
    for name in SPLITS:
        path = folder / f"transforms_{name}.json"
        listed = read_json(path).get("frames", []) if path.is_file() else []
        places[name] = ({f.get("file_path") for f in listed},
                        {f["timestep_index"] for f in listed if "timestep_index" in f})  # fmt: skip

    def within(frame: dict, name: str) -> bool:
        files, steps = places[name]
        return frame["file_path"] in files or frame.get("timestep_index", -1) in steps

    test = tuple(n for n, frame in enumerate(frames) if within(frame, "test"))
    if not test or len(test) == len(frames):
        return last_eighth(len(frames))
    held = {*test, *(n for n, f in enumerate(frames)
                     if not within(f, "train") and places["train"][0])}  # fmt: skip
    return tuple(n for n in range(len(frames)) if n not in held), test
