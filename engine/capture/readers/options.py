# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may say about a dataset beyond where it is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ReadOptions:
    """For all readers; each takes what concerns it."""

    camera: str = ""  # which of several cameras, by its number or name; the first when empty
    eyelids: Path | None = None  # folder of l_eyelid.npy and r_eyelid.npy
    report: Callable[[int, int], None] = lambda done, total: None  # frames read, of how many
