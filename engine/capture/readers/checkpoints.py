# SPDX-License-Identifier: GPL-3.0-or-later
"""The `.frame` files of metrical-tracker, which FlashAvatar and INSTA's redistributions hold too.

They are pickles of torch.save and come from strangers: read as plain data alone. Keys: `flame`
(exp, shape, eyes, eyelids, jaw; rotations in 6D), `opencv` (R, t, K in pixels: world to camera),
`img_size` (height, width), `frame_id` (save_checkpoint in tracker.py of Zielon/metrical-tracker).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...errors import CaptureError, PartNerFaceError
from ...head.model import JOINTS, Head
from ...torch_files import read_torch_file
from .dataset import numbers
from .options import ReadOptions
from .rotations import from_6d

FOLDER = "checkpoint"
LIDS = (("eyeBlinkLeft", "l_eyelid.npy"), ("eyeBlinkRight", "r_eyelid.npy"))


@dataclass(frozen=True)
class Checkpoint:
    """One frame."""

    name: str  # the frame's id
    shape: np.ndarray  # [300]
    psi: np.ndarray  # [100]
    theta: np.ndarray  # [J, 3] rad: jaw and eyes; the head's pose is the camera's
    eyelids: np.ndarray  # [2] left, right
    camera_from_world: np.ndarray  # [4, 4]
    lens: np.ndarray  # [4] fx, fy, cx, cy px
    size: tuple[int, int]  # width, height px that the lens is for


def checkpoint_files(folder: Path) -> list[Path]:
    """The `.frame` files in a folder, in the order of their numbers."""
    return sorted(folder.glob("*.frame"), key=lambda path: (len(path.stem), path.stem))


def read_checkpoints(files: Sequence[Path], options: ReadOptions) -> list[Checkpoint]:
    """All of them.

    Raises:
        CaptureError: one is damaged, incomplete, or holds more than plain data.
    """
    frames = []
    for number, path in enumerate(files, 1):
        frames.append(_read(path))
        options.report(number, len(files))
    return frames


def _read(path: Path) -> Checkpoint:
    try:
        data = read_torch_file(path)
        flame, camera = data["flame"], data["opencv"]
        turns = np.concatenate([np.ravel(flame["jaw"]), np.ravel(flame["eyes"])]).reshape(3, 6)
        matrix = numbers(np.reshape(camera["K"], (3, 3)), (3, 3), f"K of {path}")
        pose = np.eye(4)
        pose[:3, :3] = numbers(np.reshape(camera["R"], (3, 3)), (3, 3), f"R of {path}")
        pose[:3, 3] = numbers(np.ravel(camera["t"]), (3,), f"t of {path}")
        height, width = (int(side) for side in np.ravel(data["img_size"]))
        theta = np.zeros((len(JOINTS), 3))
        theta[2:] = from_6d(numbers(turns, (3, 6), f"jaw and eyes of {path}"))
        return Checkpoint(
            name=str(data.get("frame_id", path.stem)),
            shape=numbers(np.ravel(flame["shape"]), (-1,), f"shape of {path}"),
            psi=numbers(np.ravel(flame["exp"]), (-1,), f"exp of {path}"),
            theta=theta,
            eyelids=numbers(np.ravel(flame.get("eyelids", (0.0, 0.0))), (2,), f"eyelids of {path}"),
            camera_from_world=pose,
            lens=np.array([matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]]),
            size=(width, height),
        )
    except PartNerFaceError as error:
        raise CaptureError(error.message, error.hint) from error
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CaptureError(
            f"{path} is no checkpoint of metrical-tracker ({error!r}).", "Copy the dataset again."
        ) from error


def with_eyelids(
    head: Head, frames: Sequence[Checkpoint], psi: np.ndarray, folder: Path, options: ReadOptions
) -> tuple[Head, np.ndarray, dict]:
    """The head with the tracker's two eyelid shapes as expressions, where their files are at hand.

    The tracker adds them to the skinned mesh; lids do not follow the jaw, so that adding them
    before is the same.

    Returns:
        The head, psi [N, E(+2)], and what to say.

    Raises:
        CaptureError: a file is damaged or of another head model.
    """
    moved = np.stack([frame.eyelids for frame in frames])
    if not moved.any():
        return head, psi, {}
    places = [options.eyelids] if options.eyelids is not None else [folder, folder / "data"]
    place = next((p for p in places if all((p / name).is_file() for _, name in LIDS)), None)
    if place is None:
        if options.eyelids is not None:
            raise CaptureError(
                f"There are no l_eyelid.npy and r_eyelid.npy in {options.eyelids}.",
                "Give the folder of metrical-tracker that has them.",
            )
        said = (
            "left out: their shapes, l_eyelid.npy and r_eyelid.npy of metrical-tracker, are not "
            "with the dataset (--eyelids FOLDER)"
        )
        return head, psi, {"eyelids": said}
    shapes = np.stack([_lid(place / name, len(head.vertices)) for _, name in LIDS])
    still = head.joint_expressions
    if still is not None:  # lids move no joint
        still = np.concatenate([still, np.zeros((len(LIDS), *still.shape[1:]), still.dtype)])
    head = replace(
        head,
        joint_expressions=still,
        expression_names=(*head.expression_names, *(name for name, _ in LIDS)),
        expressions=np.concatenate([head.expressions, shapes.astype(head.expressions.dtype)]),
    )
    return head, np.concatenate([psi, moved.astype(psi.dtype)], 1), {"eyelids": str(place)}


def _lid(path: Path, vertices: int) -> np.ndarray:
    try:
        shape = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CaptureError(f"{path} is damaged ({error}).", "Copy it again.") from error
    return numbers(shape, (vertices, 3), f"{path}")
