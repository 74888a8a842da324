# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders that are ours outside the user's own files."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Where compiled kernels live: `PARTNERFACE_CACHE`, else the platform's cache folder for us."""
    chosen = os.environ.get("PARTNERFACE_CACHE")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "PartNerFace" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "PartNerFace"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "partnerface"
