# SPDX-License-Identifier: GPL-3.0-or-later
"""IMavatar's layout, which PointAvatar, MonoGaussianAvatar and SplattingAvatar share.

    VIDEO/flame_params.json   intrinsics, shape_params, frames: world_mat, expression, pose, …
    VIDEO/image/1.png …       VIDEO/mask/1.png …

A subject's folder may hold several videos. FLAME is four times its size there, focal lengths are
negative or not, and intrinsics are shares of the picture, or pixels of one of 512 (Zheng et al.
2022, real_dataset.py and optimize.py of zhengyuf/IMavatar).
"""

from pathlib import Path

import numpy as np

from ...errors import CaptureError
from ...head.model import JOINTS, HeadModel
from .dataset import (
    Dataset,
    find_picture,
    flame_only,
    last_eighth,
    need_picture,
    numbers,
    padded,
    read_json,
    same_shape,
    subject,
)
from .options import ReadOptions
from .pictures import picture_size

NAME = "imavatar"
LOOKS_FOR = "flame_params.json in the folder or up to three folders below"
PARAMETERS = "flame_params.json"
DEEPEST = 3
UNITS = (0.25, 1.0)  # m: its FLAME is scaled by four
LEGACY = 512  # px, the pictures that older files' intrinsics are for
TEST_VIDEOS = ("MVI_1812", "test")  # of the published subjects; SplattingAvatar's folder name


def fits(folder: Path) -> bool:
    """Whether the folder holds this format."""
    return bool(videos(folder))


def videos(folder: Path) -> list[Path]:
    """The folders with a file of parameters, sorted by name."""
    for depth in range(DEEPEST + 1):
        found = sorted(folder.glob("*/" * depth + PARAMETERS))
        if found:
            return [path.parent for path in found]
    return []


def read(folder: Path, model: HeadModel, options: ReadOptions) -> Dataset:
    """The dataset in a folder.

    Raises:
        CaptureError: incomplete, damaged, or of several subjects.
    """
    flame_only(model, "IMavatar")
    found = videos(folder)
    if not found:
        raise CaptureError(f"There is no {PARAMETERS} in {folder}.", "Choose another folder.")
    if len({video.parent for video in found}) > 1:
        raise CaptureError(
            f"{folder} holds several subjects ({', '.join(v.parent.name for v in found)}).",
            "Import one of these folders.",
        )
    tables = [read_json(video / PARAMETERS) for video in found]
    frames = [(video, table, _frame(video, frame, n))
              for video, table in zip(found, tables, strict=True)
              for n, frame in enumerate(_list(video, table))]  # fmt: skip
    images = [need_picture(_under(video, frame["file_path"])) for video, _, frame in frames]
    size = picture_size(images[0])
    shapes = [numbers(t.get("shape_params"), (-1,), "shape_params") for t in tables]
    pose = np.stack([frame["pose"] for *_, frame in frames]).reshape(-1, len(JOINTS), 3)
    train, test = _split(found, [video for video, *_ in frames])
    head = subject(model, same_shape(model, shapes))
    expression = np.stack([frame["expression"] for *_, frame in frames])
    return Dataset(
        format=NAME,
        folder=folder,
        head=head,
        names=tuple(f"{video.name}/{path.stem}"
                    for (video, *_), path in zip(frames, images, strict=True)),
        images=tuple(images),
        mattes=tuple(find_picture(video / "mask" / path.stem)
                     for (video, *_), path in zip(frames, images, strict=True)),
        size=size,
        intrinsics=_intrinsics(np.stack([
            numbers(table.get("intrinsics"), (4,), f"intrinsics of {video / PARAMETERS}")
            for video, table, _ in frames
        ]), size),
        camera_from_world=np.stack([frame["world_mat"] for *_, frame in frames]),
        psi=padded(expression, len(head.expression_names), "expression"),
        theta=pose,
        translation=np.zeros((len(frames), 3)),
        axes="opengl",
        units=UNITS,
        train=train,
        test=test,
        said={"videos": [video.name for video in found]},
    )  # fmt: skip


def _list(video: Path, table: dict) -> list:
    frames = table.get("frames")
    if not isinstance(frames, list) or not frames:
        raise CaptureError(f"{video / PARAMETERS} lists no frames.", "Use the complete dataset.")
    return frames


def _frame(video: Path, frame: object, number: int) -> dict:
    """One frame's entries as arrays."""
    what = f"of frame {number} in {video / PARAMETERS}"
    if not isinstance(frame, dict) or not isinstance(frame.get("file_path"), str):
        raise CaptureError(f"The file_path {what} is missing.", "Use an intact dataset.")
    world = np.eye(4)
    rows = numbers(frame.get("world_mat"), (-1, 4), f"world_mat {what}")[:3]
    world[:3] = numbers(rows, (3, 4), f"world_mat {what}")
    return {
        "file_path": frame["file_path"],
        "world_mat": world,
        "expression": numbers(frame.get("expression"), (-1,), f"expression {what}"),
        "pose": numbers(frame.get("pose"), (15,), f"pose {what}"),
    }


def _under(video: Path, file_path: str) -> Path:
    """The picture's path without its ending; some files name it with one."""
    path = video / file_path
    return path.with_suffix("") if path.suffix.lower() in (".png", ".jpg", ".jpeg") else path


def _intrinsics(values: np.ndarray, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """What fx, fy, cx, cy [N, 4] may mean in a picture of `size`."""
    values = np.abs(values)
    picture = np.array([size[0], size[1], size[0], size[1]], np.float64)
    if values[:, 3].max() <= 1:
        return {"as shares of the picture": values * picture}
    return {f"as pixels of a picture of {LEGACY}": values / LEGACY * picture,
            "as pixels": values}  # fmt: skip


def _split(found: list[Path], of_frame: list[Path]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Several videos: the named test videos, else the last; one video: its last eighth."""
    if len(found) == 1:
        return last_eighth(len(of_frame))
    tests = [video for video in found if video.name in TEST_VIDEOS] or found[-1:]
    test = tuple(n for n, video in enumerate(of_frame) if video in tests)
    return tuple(n for n, video in enumerate(of_frame) if video not in tests), test
