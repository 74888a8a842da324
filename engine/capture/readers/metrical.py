# SPDX-License-Identifier: GPL-3.0-or-later
"""Output of metrical-tracker: one `.frame` file a frame, and the pictures it tracked.

checkpoint/00000.frame …   input/00000.png …   (or images/, or input/ACTOR/images two folders up)
"""

from pathlib import Path

import numpy as np

from ...errors import CaptureError
from ...head.model import HeadModel
from .checkpoints import (
    FOLDER,
    Checkpoint,
    checkpoint_files,
    read_checkpoints,
    with_eyelids,
)
from .dataset import (
    Dataset,
    find_picture,
    flame_only,
    last_eighth,
    need_picture,
    padded,
    same_shape,
    subject,
)
from .options import ReadOptions
from .pictures import picture_size

NAME = "metrical-tracker"
LOOKS_FOR = "checkpoint/*.frame, without transforms.json and imgs/"
MATTES = ("alpha", "matted", "mask", "masks")


def fits(folder: Path) -> bool:
    """Whether the folder holds this format."""
    others = (folder / "transforms.json").is_file() or (folder / "imgs").is_dir()
    return bool(checkpoint_files(folder / FOLDER)) and not others


def read(folder: Path, model: HeadModel, options: ReadOptions) -> Dataset:
    """The dataset in a folder.

    Raises:
        CaptureError: incomplete, damaged, or with checkpoints that hold more than plain data.
    """
    flame_only(model, "metrical-tracker")
    files = checkpoint_files(folder / FOLDER)
    if not files:
        raise CaptureError(f"There are no checkpoints in {folder / FOLDER}.",
                           "Choose the output folder of metrical-tracker.")  # fmt: skip
    whole = folder.resolve()  # output/ACTOR
    places = [folder / "input", folder / "images",
              whole.parent.parent / "input" / whole.name / "images"]  # fmt: skip
    place = next((p for p in places if find_picture(p / files[0].stem)), None)
    if place is None:
        raise CaptureError(
            f"The picture of {files[0].name} is in none of {', '.join(map(str, places))}.",
            "Use the complete dataset.",
        )
    images = [need_picture(place / path.stem) for path in files]
    mattes = tuple(
        next((found for name in MATTES if (found := find_picture(folder / name / path.stem))), None)
        for path in files
    )
    frames = read_checkpoints(files, options)
    return dataset_of(NAME, folder, model, frames, images, mattes, options)


def dataset_of(
    name: str,
    folder: Path,
    model: HeadModel,
    frames: list[Checkpoint],
    images: list[Path],
    mattes: tuple[Path | None, ...],
    options: ReadOptions,
    split: tuple[tuple[int, ...], tuple[int, ...]] | None = None,
) -> Dataset:
    """A dataset of checkpoints and their pictures.

    Raises:
        CaptureError: the pictures' shape differs from the tracked ones'.
    """
    size = picture_size(images[0])
    lens = np.abs(np.stack([frame.lens for frame in frames]))
    tracked = np.stack([frame.size for frame in frames])
    scale = np.array(size) / tracked
    if np.abs(scale[:, 0] / scale[:, 1] - 1).max() > 0.01:
        raise CaptureError(
            f"The pictures have {size[0]} by {size[1]} pixels, the tracker saw "
            f"{tracked[0, 0]} by {tracked[0, 1]}.", "Use the pictures that were tracked.",
        )  # fmt: skip
    head = subject(model, same_shape(model, [frame.shape for frame in frames]))
    psi = padded(np.stack([f.psi for f in frames]), len(head.expression_names), "expression")
    head, psi, said = with_eyelids(head, frames, psi, folder, options)
    train, test = split or last_eighth(len(frames))
    return Dataset(
        format=name,
        folder=folder,
        head=head,
        names=tuple(frame.name for frame in frames),
        images=tuple(images),
        mattes=mattes,
        size=size,
        intrinsics={"as pixels": lens * np.tile(scale, 2)},
        camera_from_world=np.stack([frame.camera_from_world for frame in frames]),
        psi=psi,
        theta=np.stack([frame.theta for frame in frames]),
        translation=np.zeros((len(frames), 3)),
        axes="opencv",
        train=train,
        test=test,
        said=said,
    )
