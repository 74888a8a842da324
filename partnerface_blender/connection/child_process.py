# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of the engine as Blender starts them: clean environment, no window, a readable log."""

import os
import re
import subprocess
import sys
from pathlib import Path

from ...engine.errors import PartNerFaceError

BEHIND_BLENDER, BEHIND_ALL = 8, 15  # nice values, of 19: pictures for views, long work


class EngineFailed(PartNerFaceError):  # noqa: N818
    """The engine could not do what it was asked: `code`, `message` and `hint` say why."""

    code = "engine_failed"

    def __init__(self, message: str, hint: str = "", code: str = "engine_failed") -> None:
        super().__init__(message, hint)
        self.code = code


def child_environment(extension_root: Path, cache: Path) -> dict[str, str]:
    """This process's environment without what steers its Python, and with what the engine needs."""
    names = ("__PYVENV_LAUNCHER__", "VIRTUAL_ENV")
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k not in names
    }
    return environment | {
        "PYTHONPATH": str(extension_root),
        "PYTHONSAFEPATH": "1",  # the working folder is no place for modules
        "PYTHONPYCACHEPREFIX": str(cache / "python"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "PARTNERFACE_CACHE": str(cache),
    }


def detached(*, giving_way: bool = False) -> dict:
    """What `Popen` needs so that no window opens and Ctrl-C in Blender's terminal stays there.

    Args:
        giving_way: for a process that `give_way` is called for.
    """
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        return {"creationflags": flags | giving_way * subprocess.BELOW_NORMAL_PRIORITY_CLASS}
    return {"start_new_session": True}


def give_way(child: subprocess.Popen, niceness: int) -> None:
    """Let a process that was just started work when those who are less nice do not want to.

    Blender has to stay quick while an avatar is drawn or trained. On Windows long work is started
    that way, by `detached`.
    """
    if sys.platform == "win32":
        return
    try:
        os.setpriority(os.PRIO_PROCESS, child.pid, min(19, os.nice(0) + niceness))
        # On a Linux desktop that counts within a session only, and the process has one of its own.
        Path(f"/proc/{child.pid}/autogroup").write_text(str(niceness))
    except OSError:
        pass  # it has ended already, or there are no such groups here


def ended(status: int, log: Path) -> EngineFailed:
    """Why the process ended, as far as its exit status and log tell."""
    last = last_line(log)
    where = f"Its log is {log}."
    if status == 1 and last and not re.match(r"\w+(Error|Exception|Interrupt)\b", last):
        return EngineFailed(last, where, "engine_refused")  # a sentence, as the engine prints them
    if "No module named" in last or "ImportError" in last:
        return EngineFailed(
            f"The engine's Python lacks a package ({last}).",
            "Repair the engine in the add-on's preferences, or choose another Python.",
            "missing_package",
        )
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    said = f": {last}" if last else ""
    return EngineFailed(
        f"The engine {how}{said}".rstrip(".") + ".", f"Start it again. {where}", "engine_died"
    )


def last_line(log: Path) -> str:
    """The last line that is not empty in a log, shortened; empty where there is none."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.path.getsize(log) - 8192))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
