# SPDX-License-Identifier: GPL-3.0-or-later
"""What every reader makes of a dataset's folder, and how its files are opened.

N frames. A dataset's own axes and unit are kept here as they were written; `conventions` finds out
what they mean.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...errors import CaptureError
from ...head.model import Head, HeadModel

PICTURES = (".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG")
TEST_SHARE = 8  # the last eighth is the test set where a dataset names none
SHAPE_CHANGE = 1e-4  # m that a subject's neutral head may change between the frames' own shapes


@dataclass(frozen=True)
class Dataset:
    """A dataset's frames in their order; pictures are read on demand."""

    format: str
    folder: Path
    head: Head  # the subject's
    names: tuple[str, ...]  # [N] what the dataset calls its frames
    images: tuple[Path, ...]  # [N]
    mattes: tuple[Path | None, ...]  # [N]; None: the picture's own alpha, if it has one
    size: tuple[int, int]  # width and height of the pictures, px
    # What the numbers may mean → fx, fy, cx, cy [N, 4] px from the upper left corner; the
    # documented meaning first. Signs of focal lengths are taken off: they belong to the axes.
    intrinsics: Mapping[str, np.ndarray]
    camera_from_world: np.ndarray  # [N, 4, 4], axes and unit as written
    psi: np.ndarray  # [N, E]
    theta: np.ndarray  # [N, J, 3] rad
    translation: np.ndarray  # [N, 3], unit as written, after all rotations
    axes: str  # of the camera, as documented; a name in `conventions.AXES`
    train: tuple[int, ...]
    test: tuple[int, ...]
    units: tuple[float, ...] = (1.0,)  # metres in one of its units, the documented one first
    matte_labels: bool = False  # mattes hold labels, all but 0 the person's
    said: Mapping = field(default_factory=dict)  # what the user should know


def read_json(path: Path) -> dict:
    """The object in a JSON file.

    Raises:
        CaptureError: missing, damaged, or no object.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CaptureError(f"There is no file {path}.", "Use the complete dataset.") from error
    except (OSError, ValueError) as error:
        raise CaptureError(f"{path} is damaged ({error}).", "Copy the dataset again.") from error
    if not isinstance(data, dict):
        raise CaptureError(f"{path} holds no JSON object.", "Copy the dataset again.")
    return data


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The plain arrays of an npz file; one that carries a pickle is refused.

    Raises:
        CaptureError: missing or damaged, or not of plain arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise CaptureError(f"There is no file {path}.", "Use the complete dataset.") from error
    except Exception as error:  # zip, header and pickle faults each raise their own
        raise CaptureError(
            f"{path} is damaged or holds more than plain arrays ({error}).",
            "Copy the dataset again.",
        ) from error


def read_numbers(path: Path, what: str) -> np.ndarray:
    """The numbers of a text file, one after the other.

    Raises:
        CaptureError: missing or damaged.
    """
    try:
        return np.array(path.read_text(encoding="utf-8").split(), np.float64)
    except (OSError, ValueError) as error:
        raise CaptureError(
            f"The {what} {path} cannot be read ({error}).", "Use the complete dataset."
        ) from error


def numbers(value: object, shape: tuple[int, ...], what: str) -> np.ndarray:
    """A dataset's entry as a float64 array of that shape; -1 stands for any length.

    Raises:
        CaptureError: it is missing, of another shape, or not finite.
    """
    try:
        array = np.asarray(value, np.float64)
        if -1 not in shape or array.ndim != len(shape):
            array = array.reshape(shape)
    except (TypeError, ValueError):
        array = None
    fits = array is not None and array.ndim == len(shape)
    if not fits or any(n not in (-1, m) for n, m in zip(shape, array.shape, strict=True)):
        found = "missing" if value is None else f"of shape {np.shape(value)}"
        raise CaptureError(f"{what} is {found}, not of shape {shape}.", "Use an intact dataset.")
    if not np.isfinite(array).all():
        raise CaptureError(f"{what} holds numbers that are not finite.", "Use an intact dataset.")
    return array


def find_picture(stem: Path) -> Path | None:
    """The picture file of that path without its ending; None where there is none."""
    for ending in PICTURES:
        path = stem.with_name(stem.name + ending)
        if path.is_file():
            return path
    return None


def need_picture(stem: Path) -> Path:
    """As `find_picture`.

    Raises:
        CaptureError: there is none.
    """
    found = find_picture(stem)
    if found is None:
        raise CaptureError(f"The picture {stem}.png is missing.", "Use the complete dataset.")
    return found


def need_file(path: Path) -> Path:
    """The path itself.

    Raises:
        CaptureError: there is no such file.
    """
    if not path.is_file():
        raise CaptureError(f"The file {path} is missing.", "Use the complete dataset.")
    return path


def flame_only(model: HeadModel, name: str) -> None:
    """Refuse other head models: the dataset's numbers are coefficients of FLAME.

    Raises:
        CaptureError: the model is not FLAME.
    """
    if not model.mean.model_name.startswith("flame"):
        raise CaptureError(
            f"A dataset in the {name} format holds coefficients of FLAME, and "
            f"“{model.mean.model_name}” is another head model.",
            "Give your own FLAME file with --head FILE.",
        )


def subject(model: HeadModel, shape: np.ndarray, offset: np.ndarray | None = None) -> Head:
    """The head of a dataset's shape coefficients [n].

    Args:
        model: the head model; where it has more identities the rest is zero.
        shape: [n].
        offset: [V', 3] m, added to the neutral vertices; rows beyond the model's are left out.

    Raises:
        CaptureError: coefficients that the model lacks are not zero.
    """
    shape = np.asarray(shape, np.float64).ravel()
    head = model.subject(padded(shape[None], len(model.identity_names), "shape")[0])
    if offset is None:
        return head
    if len(offset) < len(head.vertices):
        raise CaptureError(
            f"The dataset's offsets are for {len(offset)} vertices, the head model has "
            f"{len(head.vertices)}.", "Use the head model that the dataset was made with.",
        )  # fmt: skip
    offset = np.asarray(offset[: len(head.vertices)], np.float32)
    moved = with_vertices(model, head, head.vertices + offset)
    return replace(moved, static_offset=offset)


def with_vertices(model: HeadModel, head: Head, vertices: np.ndarray) -> Head:
    """The subject with other neutral vertices [V, 3] m; its joints follow them."""
    joints = model.joint_regressor @ vertices
    return replace(head, vertices=vertices.astype(np.float32), joints=joints.astype(np.float32))


def same_shape(model: HeadModel, shapes: Sequence[np.ndarray]) -> np.ndarray:
    """The shape coefficients that all frames share.

    Raises:
        CaptureError: they change from frame to frame.
    """
    first = np.asarray(shapes[0], np.float64).ravel()
    for shape in shapes:
        change = np.asarray(shape, np.float64).ravel() - first
        modes = model.identities[: len(change)].astype(np.float32)
        moved = np.tensordot(change[: len(modes)], modes, 1) if change.any() else 0.0
        if np.abs(moved).max() > SHAPE_CHANGE:
            raise CaptureError(
                "The head's shape changes between the dataset's frames; a capture is of one head.",
                "Import frames of one subject, tracked with one shape.",
            )
    return first


def padded(coefficients: np.ndarray, count: int, what: str) -> np.ndarray:
    """Coefficients [N, n] as [N, count] float32, zero where the dataset has none.

    Raises:
        CaptureError: the dataset uses coefficients that the model lacks.
    """
    beyond = coefficients[:, count:]
    if np.abs(beyond).max(initial=0) > 0:
        raise CaptureError(
            f"The dataset has {coefficients.shape[1]} {what} coefficients, the head model only "
            f"{count}.", "Use a FLAME file with all of them (300 shape, 100 expression).",
        )  # fmt: skip
    whole = np.zeros((len(coefficients), count), np.float32)
    kept = coefficients[:, :count]
    whole[:, : kept.shape[1]] = kept
    return whole


def last_eighth(count: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Training and test frames of a dataset that does not say which are which."""
    first = count - max(count // TEST_SHARE, 1)
    return tuple(range(first)), tuple(range(first, count))
