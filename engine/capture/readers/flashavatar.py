# SPDX-License-Identifier: GPL-3.0-or-later
"""FlashAvatar's layout: metrical-tracker's checkpoints with pictures and mattes beside them.

    dataset/ID/imgs/00001.jpg  alpha/00001.jpg  parsing/00001_neckhead.png
    metrical-tracker/output/ID/checkpoint/00000.frame

A picture's number is its checkpoint's plus one. The last 500 frames are the test (FlashAvatar,
Xiang et al. 2024).
"""

from pathlib import Path

from ...errors import CaptureError
from ...head.model import HeadModel
from .checkpoints import FOLDER, checkpoint_files, read_checkpoints
from .dataset import Dataset, find_picture, flame_only, last_eighth
from .metrical import dataset_of
from .options import ReadOptions

NAME = "flashavatar"
LOOKS_FOR = "imgs/ and alpha/, with checkpoint/ there or in metrical-tracker/output"
LATER = 1  # a picture's number beyond its checkpoint's
TEST = 500  # frames


def fits(folder: Path) -> bool:
    """Whether the folder holds this format."""
    return (folder / "imgs").is_dir() and (folder / "alpha").is_dir()


def read(folder: Path, model: HeadModel, options: ReadOptions) -> Dataset:
    """The dataset in a folder.

    Raises:
        CaptureError: incomplete, damaged, or with checkpoints that hold more than plain data.
    """
    flame_only(model, "FlashAvatar")
    places = _places(folder.resolve())
    files = next((found for place in places if (found := checkpoint_files(place))), [])
    if not files:
        raise CaptureError(
            f"The checkpoints of {folder} are in none of {', '.join(map(str, places))}.",
            "Copy metrical-tracker's checkpoint folder into the dataset.",
        )
    pairs = []
    for path in files:
        number = f"{_number(path) + LATER:05d}"
        image = find_picture(folder / "imgs" / number)
        if image is not None:
            pairs.append((path, image, find_picture(folder / "alpha" / number)))
    if not pairs:
        raise CaptureError(f"No picture in {folder / 'imgs'} has a checkpoint.",
                           f"Give each picture its checkpoint's number plus {LATER}.")  # fmt: skip
    frames = read_checkpoints([path for path, *_ in pairs], options)
    count = len(frames)
    split = None
    if count >= 2 * TEST:
        split = tuple(range(count - TEST)), tuple(range(count - TEST, count))
    dataset = dataset_of(NAME, folder, model, frames, [image for _, image, _ in pairs],
                         tuple(matte for *_, matte in pairs), options,
                         split or last_eighth(count))  # fmt: skip
    if len(pairs) < len(files):
        dataset.said["checkpoints_without_picture"] = len(files) - len(pairs)
    return dataset


def _places(folder: Path) -> list[Path]:
    """Where the checkpoints may lie."""
    above = folder.parents[1] if len(folder.parents) > 1 else folder.parent
    tracked = Path("metrical-tracker") / "output" / folder.name / FOLDER
    return [folder / FOLDER, above / tracked, folder.parent / tracked]


def _number(path: Path) -> int:
    try:
        return int(path.stem)
    except ValueError as error:
        raise CaptureError(
            f"The checkpoint {path} has no number for a name.", "Use an intact dataset."
        ) from error
