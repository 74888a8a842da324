# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things lie in the checkout, and how build.py speaks.

Words: a *sentence* tells the person at the keyboard what is wrong and the way out.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"
LOGS = CACHE / "logs"


class BuildError(Exception):
    """One sentence for the person at the keyboard: what is wrong and the way out."""


def say(text: str, end: str = "\n", stream: TextIO | None = None) -> None:
    """Print at once."""
    print(text, end=end, file=stream or sys.stdout, flush=True)


def shown(path: Path) -> str:
    """A path as the person at the keyboard would write it."""
    try:
        return str(path.relative_to(ROOT))
    except ValueError:
        return str(path)


def clock(seconds: float) -> str:
    """Seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
