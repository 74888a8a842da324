# SPDX-License-Identifier: GPL-3.0-or-later
"""The job folder: the files through which a long job and whoever watches it talk.

    status.json   what the job last said of itself, replaced atomically
    cancel        made by anybody who wants the job to stop at its next step
    pause         made by anybody who wants it to wait there; taken away to let it go on
    preview.png   a picture of what it is making, replaced atomically; not every job has one
    lock          held by the job as long as it lives; freed by the system when the job dies
    job.json      who started it: the command line, for starting and resuming
    log.txt       what the job printed

Standard library only, for Blender's Python imports this module too.
"""

import os
import sys
from pathlib import Path

SCHEMA_VERSION = 1
STATUS, CANCEL, LOCK, JOB, LOG = "status.json", "cancel", "lock", "job.json", "log.txt"
PAUSE, PREVIEW = "pause", "preview.png"

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def hold_lock(folder: Path) -> int | None:
    """Take the folder's lock: a file handle to keep open, or None where somebody else holds it.

    Where the file system knows no locks the handle is returned all the same.
    """
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        _lock(handle)
    except (BlockingIOError, PermissionError):
        os.close(handle)
        return None
    except OSError:
        pass
    return handle


def is_held(folder: Path) -> bool:
    """Whether a living job holds the folder's lock."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        _lock(handle)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
