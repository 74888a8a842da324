# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells one avatar file from another wherever it lies: its size and its header.

Nothing here imports bpy. An avatar is a `.safetensors` file: eight bytes with the length of the
header, then the header, in which the training record makes every avatar different.
"""

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

SUFFIX = ".safetensors"
LARGEST_HEADER = 16 << 20  # bytes
MARK = b'"partnerface"'  # the header's entry of ours


def fingerprint(path: Path) -> str:
    """Size and hash of the header; empty where the file is not there or is no avatar of ours."""
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = file.read(length) if length <= LARGEST_HEADER else b""
        size = path.stat().st_size
    except (OSError, struct.error):
        return ""
    if len(header) != length or MARK not in header:
        return ""
    return f"{size}-{hashlib.sha256(header).hexdigest()[:20]}"


def candidates(folder: Path, depth: int, most: int) -> Iterator[Path]:
    """Avatar files in a folder and below, nearest first; hidden folders are left out.

    Args:
        folder: where to begin.
        depth: how many folders deep; 0 is the folder alone.
        most: how many entries are looked at before giving up.
    """
    level = [folder]
    for _ in range(depth + 1):
        below: list[Path] = []
        for place in level:
            try:
                entries = sorted(os.scandir(place), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                most -= 1
                if most < 0:
                    return
                if entry.name.startswith("."):
                    continue
                if entry.name.endswith(SUFFIX) and entry.is_file():
                    yield Path(entry.path)
                elif entry.is_dir():
                    below.append(Path(entry.path))
        level = below


def find(
    wanted: Mapping[str, tuple[Path, str]], files: Iterable[Path]
) -> dict[str, tuple[Path, bool]]:
    """Which of the files are the wanted ones.

    Args:
        wanted: any key → where it was, and its fingerprint (may be empty).
        files: where they may be now.

    Returns:
        key → its file, and whether its fingerprint agrees. A file with the same name and parent, or
        the same name alone where there is but one such, is taken where no fingerprint agrees.
    """
    files = list(files)
    names = {old.name for old, _ in wanted.values()}
    prints = {path: fingerprint(path) for path in files}
    found: dict[str, tuple[Path, bool]] = {}
    for key, (old, known) in wanted.items():
        same = [path for path in files if known and prints[path] == known]
        if same:
            found[key] = same[0], True
            continue
        alike = [path for path in files if path.name == old.name and prints[path]]
        near = [path for path in alike if path.parent.name == old.parent.name]
        if near or (len(alike) == 1 and old.name in names):
            found[key] = (near or alike)[0], not known
    return found
