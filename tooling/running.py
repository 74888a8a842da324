# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes: their environment, and a line that shows what a long one is at."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from .checkout import ROOT, clock, say


def clean_environment(**changes: str) -> dict[str, str]:
    """The environment for children: the user's own, without what leaks other packages in."""
    unwanted = {"PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "PYTHONNOUSERSITE": "1", "PIP_USER": "0", **changes}


def run_logged(command: list, log: Path, title: str, interval: float = 15.0) -> int:
    """Run a command into a log file and show what it is at; its exit status."""
    started = time.monotonic()
    latest = [""]
    process = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env=clean_environment(),
        cwd=ROOT,
    )

    def follow() -> None:
        with log.open("ab") as file:
            for line in process.stdout:
                file.write(line)
                file.flush()
                text = line.decode(errors="replace").strip()
                if not text.startswith(("Requirement already", "Looking in")):
                    latest[0] = text

    reader = threading.Thread(target=follow, daemon=True)
    reader.start()
    terminal = sys.stdout.isatty()
    shown_at = started
    try:
        while reader.is_alive():
            reader.join(0.25)
            now = time.monotonic()
            if now - shown_at > (0.25 if terminal else interval):
                shown_at = now
                line = f"{title}  {clock(now - started)}  {latest[0]}"
                say(
                    "\r\033[K" + line[:100] if terminal else line[:160],
                    end="" if terminal else "\n",
                )
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    end = "done" if status == 0 else "failed"
    say(("\r\033[K" if terminal else "") + f"{title}  {clock(now - started)}  {end}")
    return status
