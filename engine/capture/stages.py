# SPDX-License-Identifier: GPL-3.0-or-later
"""What an unfinished capture keeps: each stage's result, with the key of what it was made from.

stages/landmarks/00000…        landmarks and measures of some frames each, one file after the other
stages/outlines/00000…         the person's outline in some frames each, until there is a fit
stages/fit.safetensors         the whole-clip fit
stages/pictures.json           which fit and size the pictures in images/ and mattes/ belong to
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .. import files
from ..errors import CaptureError, InputError
from ..files import read_tensors, write_tensors, write_text_atomic

SCHEMA_VERSION = 1
PICTURES = ("images", "mattes", "depth")  # folders of a capture's pictures
TELLING = ("report.html", "timeline.png", "overlay.mp4", "quality.safetensors")  # of them
_WRITTEN = ("images", "mattes", "stages", "stages/landmarks", "stages/outlines")


def key_of(**settings: object) -> str:
    """What tells results of other settings apart."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:32]


def keep(folder: Path, stage: str, key: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write what a stage made.

    Raises:
        SpaceError: it could not be written.
    """
    header = {"kind": stage, "schema_version": SCHEMA_VERSION, "key": key}
    write_tensors(folder / "stages" / f"{stage}.safetensors", header, arrays)


def kept(folder: Path, stage: str, key: str) -> dict[str, np.ndarray] | None:
    """What a stage made with the same key; None where there is nothing of use."""
    try:
        header, arrays = read_tensors(
            folder / "stages" / f"{stage}.safetensors", stage, SCHEMA_VERSION
        )
    except InputError:
        return None
    return arrays if header.get("key") == key else None


class Chunks:
    """A stage's result in files that are only ever added to, so that keeping more costs no more.

    Args:
        folder: of the capture.
        stage: its name.
        key: of what it is made from; files of another key are as good as none.
    """

    def __init__(self, folder: Path, stage: str, key: str) -> None:
        self.folder, self.stage, self.key = folder, stage, key
        self._count = 0
        self._made = not folder.exists()  # the folder goes again if all in it goes

    def read(self) -> list[dict[str, np.ndarray]]:
        """What was kept, in order."""
        found = []
        while (arrays := kept(self.folder, self._name(len(found)), self.key)) is not None:
            found.append(arrays)
        self._count = len(found)
        return found

    def add(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep some more.

        Raises:
            SpaceError: it could not be written.
        """
        if self._count == 0:
            self.discard()
        keep(self.folder, self._name(self._count), self.key, arrays)
        self._count += 1

    def discard(self) -> None:
        """Remove all of it, and the folders made for it that are empty then."""
        place = self.folder / "stages" / self.stage
        for file in place.glob("*.safetensors"):
            _remove(file)
        self._count = 0
        for folder in (place, place.parent, *([self.folder] if self._made else [])):
            try:
                folder.rmdir()
            except OSError:  # it is not there, or holds something else
                return

    def _name(self, number: int) -> str:
        return f"{self.stage}/{number:05d}"


def sweep(folder: Path) -> None:
    """Remove temporary files that a killed capture has left in its folder."""
    for place in (folder, *(folder / name for name in _WRITTEN)):
        files.sweep(place)


def check_place(folder: Path, *sources: Path) -> None:
    """Refuse a folder in which somebody's own pictures would be replaced.

    Args:
        folder: where a capture shall be.
        sources: what it is made from.

    Raises:
        CaptureError: it holds pictures that no capture made, or the sources themselves.
    """
    ours = (folder / "capture.json").is_file() or (folder / "stages").is_dir()
    for name in PICTURES:
        place = (folder / name).resolve()
        if not ours and place.is_dir() and any(place.iterdir()):
            raise CaptureError(
                f"{place} holds other files than a capture's.", "Choose another folder."
            )
        if any(source.resolve().is_relative_to(place) for source in sources):
            raise CaptureError(
                f"The capture would replace what it is made from, in {place}.",
                "Choose another folder for it.",
            )


def claim_pictures(folder: Path, key: str) -> None:
    """Make images/ and mattes/ hold pictures of this key alone; those of another are removed.

    What tells of the old ones is removed with them.

    Raises:
        SpaceError: the note could not be written, or an old picture not removed.
    """
    note = folder / "stages" / "pictures.json"
    try:
        same = json.loads(note.read_text(encoding="utf-8")).get("key") == key
    except (OSError, ValueError, AttributeError):
        same = False
    if same:
        return
    for name in ("capture.json", *TELLING):
        _remove(folder / name)
    for name in PICTURES:
        for picture in (folder / name).glob("[0-9]*.png"):
            _remove(picture)
    write_text_atomic(note, json.dumps({"schema_version": SCHEMA_VERSION, "key": key}))


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise files.space_error(file, error) from error
