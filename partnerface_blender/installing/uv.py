# SPDX-License-Identifier: GPL-3.0-or-later
"""uv, the program that brings packages: the system's, ours, or fetched like any other package."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from ...engine.errors import PartNerFaceError
from .places import Places
from .report import Report

SMALL = 60.0  # seconds that fetching it takes, about


class SetupError(PartNerFaceError):
    """The engine could not be set up."""

    code = "setup_failed"

    def __init__(self, message: str, hint: str = "", code: str = "setup_failed") -> None:
        super().__init__(message, hint)
        self.code = code


def ensure_uv(places: Places, wheels: Path | None, report: Report, share: float) -> str:
    """The path of a uv that runs.

    Args:
        places: where ours is kept.
        wheels: a folder of packages to take it from; None asks the package index through pip.
        report: told what happens.
        share: how much of the whole set-up this is.

    Raises:
        SetupError: there is none to be had.
    """
    for path in (shutil.which("uv"), str(places.uv)):
        if path and runs(path):
            return path
    if wheels is not None:
        for wheel in sorted(wheels.glob("uv-*.whl"), reverse=True):
            unpack(wheel, places.uv)
            if runs(str(places.uv)):
                return str(places.uv)
        raise SetupError(
            f"The folder {wheels} holds no uv for this system.",
            "Add the wheel of the package “uv” to it, or install uv.",
        )
    with tempfile.TemporaryDirectory(prefix="partnerface-uv-") as folder:
        pip = find_pip(Path(folder), report)
        command = [*pip, "download", "--no-deps", "--only-binary", ":all:", "uv", "-d", folder]
        status, said = report.run(
            command, os.environ, "Fetching uv", lambda seconds: share * min(seconds / SMALL, 0.9)
        )
        wheel = next(iter(sorted(Path(folder).glob("uv-*.whl"))), None)
        if status or wheel is None:
            lines = [line for line in said.strip().splitlines() if line.startswith("ERROR")]
            raise SetupError(
                f"uv could not be fetched ({(lines or ['pip said nothing'])[0][:200]}).",
                "Check the network, or install uv yourself, and try again.",
            )
        unpack(wheel, places.uv)
    if not runs(str(places.uv)):
        raise SetupError("The uv that was fetched does not run here.", "Install uv yourself.")
    return str(places.uv)


def find_pip(folder: Path, report: Report) -> list[str]:
    """The words that run a pip: this Python's, else one in a throwaway environment.

    Blender's Python often has none, and nothing is ever installed into Blender itself.
    """
    own = [sys.executable, "-m", "pip"]
    if runs(*own):
        return own
    place = folder / "pip"
    report.run([sys.executable, "-m", "venv", str(place)], os.environ, "Fetching uv", lambda s: 0.0)
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if runs(str(python), "-m", "pip"):
        return [str(python), "-m", "pip"]
    if (other := shutil.which("pip3") or shutil.which("pip")) and runs(other):
        return [other]
    raise SetupError(
        "Neither uv nor pip is to be found on this machine.",
        "Install uv, or set up from a folder of wheels that holds it.",
    )


def unpack(wheel: Path, path: Path) -> None:
    """Put the program in uv's wheel at `path`."""
    with zipfile.ZipFile(wheel) as file:
        ends = f"/scripts/{path.name}"
        name = next((name for name in file.namelist() if name.endswith(ends)), None)
        if name is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.read(name))
        path.chmod(0o755)


def runs(*command: str) -> bool:
    """Whether a program answers when it is asked for its version."""
    try:
        done = subprocess.run([*command, "--version"], capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
