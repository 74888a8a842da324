# SPDX-License-Identifier: GPL-3.0-or-later
"""NerFACE's layout: pictures and head poses without a head model that we know, so tracked anew.

    transforms_{train,val,test}.json   train/f_0000.png …  test/f_0000.png …

Its expressions are Face2Face's and its unit is arbitrary. Pictures and splits are taken; the head
is tracked as in any clip, and its rotations are compared with the dataset's: between the two head
spaces lies one constant rotation, and a camera of other axes turns the other way
(load_flame.py and nerf_helpers.py of gafniguy/4D-Facial-Avatars).
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...config import Capture as CaptureConfig
from ...config import Import
from ...errors import CaptureError
from ...head.model import HeadModel, fingerprint
from ...jobs import Job
from .. import command as capture_command
from ..folder import Capture, read_capture, write_capture
from ..video import Frame
from . import nerf_json
from .conventions import AXES
from .dataset import Dataset, need_picture, numbers, read_json
from .options import ReadOptions
from .pictures import picture_size, read_rgb
from .rotations import axis_angle, matrix

NAME = "nerface"
LOOKS_FOR = "transforms_train.json whose frames have an expression"
SPLITS = ("train", "test")  # `val` repeats training frames
MOST_ANGLE = 8.0  # degrees, median, that two trackers of one clip may differ by
FPS = 25.0  # 1/s


def fits(folder: Path) -> bool:
    """Whether the folder holds this format."""
    return "expression" in nerf_json.first_frame(folder, "transforms_train.json")


def read(folder: Path, model: HeadModel, options: ReadOptions) -> Dataset:
    """Refused: the dataset has no parameters of a head model that could be read.

    Raises:
        CaptureError: always; `retrack` is the way.
    """
    raise CaptureError(
        f"{folder} has no parameters of a head model.", "Import it with the command `import`."
    )


@dataclass(frozen=True)
class Sequence:
    """The dataset's pictures as a clip: train, then test."""

    path: Path
    pictures: tuple[Path, ...]
    of_test: tuple[bool, ...]
    poses: np.ndarray  # [N, 4, 4] head from camera, axes and unit as written
    focal: float  # px, as written, its sign too
    width: int
    height: int
    fps: float = FPS

    @property
    def frames(self) -> int:
        """How many pictures there are."""
        return len(self.pictures)

    def read(self, first: int = 0, last: int | None = None, stride: int = 1) -> Iterator[Frame]:
        """Every `stride`-th picture from `first` to `last`, both included."""
        end = self.frames if last is None else min(last + 1, self.frames)
        for number in range(first, end, stride):
            yield Frame(number, number / self.fps, read_rgb(self.pictures[number]))

    def read_only(self, wanted: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """The pictures of these frames alone, in ascending order."""
        for number in sorted(set(wanted)):
            yield number, read_rgb(self.pictures[number])

    def digest(self) -> str:
        """What tells these pictures from others: their names and sizes."""
        told = [(path.name, path.stat().st_size) for path in self.pictures]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def open_sequence(folder: Path) -> Sequence:
    """The pictures and poses of a dataset.

    Raises:
        CaptureError: incomplete or damaged.
    """
    pictures, of_test, poses, table = [], [], [], {}
    for split in SPLITS:
        path = folder / f"transforms_{split}.json"
        if split == "test" and not path.is_file():
            continue
        table = read_json(path)
        for frame in table.get("frames", []):
            if not isinstance(frame, dict):
                raise CaptureError(f"{path} is damaged.", "Use an intact dataset.")
            name = str(frame.get("file_path", ""))
            pictures.append(need_picture(folder / name.removesuffix(".png")))
            of_test.append(split == "test")
            what = f"transform_matrix of {name} in {path}"
            poses.append(numbers(frame.get("transform_matrix"), (4, 4), what))
    if not pictures:
        raise CaptureError(f"The tables in {folder} list no frames.", "Use the complete dataset.")
    width, height = picture_size(pictures[0])
    focal = table.get("intrinsics") or [
        0.5 * width / np.tan(0.5 * float(table.get("camera_angle_x") or 0.5))
    ]
    return Sequence(folder, tuple(pictures), tuple(of_test), np.stack(poses), float(focal[0]),
                    width, height)  # fmt: skip


def retrack(config: Import, job: Job) -> dict:
    """Write the capture folder by tracking the dataset's pictures; what was found.

    Raises:
        CaptureError: the tracked rotations are not the dataset's in any known axes.
        ClipError, HeadError, DeviceError, SpaceError, Cancelled: as they say.
    """
    sequence = open_sequence(config.dataset)
    tracked = CaptureConfig(
        clip=config.dataset, out=config.out, head=config.head, size=config.size,
        device=config.device, quiet=config.quiet,
    )  # fmt: skip
    figures = capture_command.run(tracked, job, sequence)
    capture = read_capture(config.out)
    poses = fingerprint(sequence.poses)
    if capture.source.get("poses") == poses:
        return dict(capture.figures)
    used = np.asarray(capture.source["frames"])
    axes, angle = best_axes(camera_from_head(capture), sequence.poses[used, :3, :3])
    if not config.quiet:
        print(f"import: {axes} axes; rotations differ by {angle:.1f}°", file=sys.stderr)
    if angle > MOST_ANGLE:
        (config.out / "capture.json").unlink()  # unfinished again; what was tracked is kept
        raise CaptureError(
            f"The head turns otherwise than {config.dataset} says: the rotations differ by "
            f"{angle:.1f}° (median; at most {MOST_ANGLE:g}°) in any known axes.",
            "Check that pictures and poses belong together, or track the pictures with `capture`.",
        )
    of_test = np.asarray(sequence.of_test)[used]
    test = tuple(np.flatnonzero(of_test).tolist()) or capture.test
    if len(test) == len(used):
        raise CaptureError(
            f"Of the training frames of {config.dataset} none could be tracked.",
            "Look at its pictures, or track them with `capture`.",
        )
    result = {
        "format": NAME, **figures, "frames": len(used), "train": len(used) - len(test),
        "test": len(test), "conventions": f"{axes} axes", "rotation_difference_deg": angle,
        "focal_px": capture.camera.fx * capture.source["crop"]["side"] / capture.camera.width,
        "dataset_focal_px": abs(sequence.focal), "mattes": "computed",
    }  # fmt: skip
    source = {
        **capture.source, "kind": "dataset", "format": NAME, "path": str(config.dataset.resolve()),
        "conventions": {"axes": axes, "rotation_difference_deg": angle}, "mattes": "computed",
        "poses": poses,
        "names": [str(sequence.pictures[n].relative_to(config.dataset)) for n in used],
        "head_file": config.head,
    }  # fmt: skip
    train = tuple(n for n in range(len(used)) if n not in set(test))
    write_capture(replace(capture, source=source, figures=result, train=train, test=test))
    return result


def camera_from_head(capture: Capture) -> np.ndarray:
    """The tracked rotations [N, 3, 3] of the head, its neck included, OpenCV axes."""
    theta = capture.motion.theta
    return capture.camera.camera_from_world[:3, :3] @ matrix(theta[:, 0]) @ matrix(theta[:, 1])


def best_axes(tracked: np.ndarray, written: np.ndarray) -> tuple[str, float]:
    """The axes in which the dataset's rotations are nearest to the tracked ones.

    A mirrored camera (negative focal length) is one of other axes with the whole space mirrored.

    Args:
        tracked: [N, 3, 3] camera from head, OpenCV axes.
        written: [N, 3, 3] head from camera, axes as written.

    Returns:
        A name in AXES, and the median angle in degrees after the best constant rotation between
        the two head spaces.
    """
    found = {}
    for name, signs in AXES.items():
        turned = np.diag(signs) @ written.transpose(0, 2, 1)
        u, _, vt = np.linalg.svd(np.einsum("nji,njk->ik", turned, tracked))
        between = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
        left = np.linalg.norm(axis_angle(tracked.transpose(0, 2, 1) @ turned @ between), axis=-1)
        found[name] = float(np.degrees(np.median(left)))
    return min(found.items(), key=lambda entry: entry[1])
