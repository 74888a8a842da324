# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats that are read, and which one a folder holds."""

from pathlib import Path
from typing import Protocol

from ...errors import CaptureError
from ...head.model import HeadModel
from . import flashavatar, imavatar, insta, metrical, nerface, nha, vhap
from .dataset import Dataset
from .options import ReadOptions


class Reader(Protocol):
    """What a reader's module offers."""

    NAME: str
    LOOKS_FOR: str

    def fits(self, folder: Path) -> bool:
        """Whether the folder holds this format."""
        ...

    def read(self, folder: Path, model: HeadModel, options: ReadOptions) -> Dataset:
        """The dataset in a folder."""
        ...


READERS: dict[str, Reader] = {
    module.NAME: module for module in (imavatar, metrical, insta, flashavatar, vhap, nha, nerface)
}


def format_of(folder: Path, wished: str = "auto") -> str:
    """The format of a dataset's folder.

    Raises:
        CaptureError: no such folder, no known format, or several.
    """
    if not folder.is_dir():
        raise CaptureError(f"There is no folder {folder}.", "Give the folder of a dataset.")
    if wished != "auto":
        return wished
    found = [name for name, reader in READERS.items() if reader.fits(folder)]
    if len(found) == 1:
        return found[0]
    if found:
        raise CaptureError(
            f"{folder} could be a dataset of the formats {', '.join(found)}.",
            "Choose one with --format.",
        )
    sought = "; ".join(f"{name}: {reader.LOOKS_FOR}" for name, reader in READERS.items())
    raise CaptureError(
        f"{folder} holds no dataset that PartNerFace knows. It looked for: {sought}.",
        "Give the folder in which these lie, or film with `capture`.",
    )
