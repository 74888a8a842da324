# SPDX-License-Identifier: GPL-3.0-or-later
"""The environments inside the checkout: made, continued if interrupted, recognised by a stamp.

Packages come through the user's own pip configuration; the requirement files hold versions alone.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .checkout import LOGS, ROOT, BuildError, say, shown
from .running import clean_environment, run_logged

STAMP = "partnerface-stamp.txt"
PYTHON = (3, 11)  # of the environments: the only one that bpy 4.2 and 5.0 and mediapipe all have


class Environment:
    """One virtual environment inside the checkout.

    Args:
        folder: its name in the checkout.
        requirements: (file in requirements/, extra words for pip) in the order of installation.
        check: Python statements that prove it works.
        gigabytes: room it needs, pip's temporary files included.
    """

    def __init__(
        self,
        folder: str,
        requirements: tuple[tuple[str, tuple[str, ...]], ...],
        check: str,
        gigabytes: float,
    ) -> None:
        self.folder = ROOT / folder
        self.requirements = requirements
        self.check = check
        self.gigabytes = gigabytes

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def stamp(self) -> str:
        """What its stamp says once it is finished: Python and the contents of its requirements."""
        digest = hashlib.sha256()
        for name, words in self.requirements:
            digest.update((ROOT / "requirements" / name).read_bytes().replace(b"\r\n", b"\n"))
            digest.update(" ".join(words).encode())
        return f"python {PYTHON[0]}.{PYTHON[1]}\n{digest.hexdigest()}\n"

    def is_finished(self) -> bool:
        """Whether everything that is asked for today has been installed and tried."""
        stamp = self.folder / STAMP
        return self.python.exists() and stamp.is_file() and stamp.read_text() == self.stamp()


ENGINE = Environment(
    ".venv",
    (("engine.txt", ()), ("dev.txt", ()), ("capture.txt", ("--no-deps",))),
    "import torch, warp, cv2, mediapipe, trimesh, mcubes, skimage, tyro",
    3.5,
)
BLENDERS = {
    version: Environment(
        ".venv-bpy-" + version, ((f"blender-{version}.txt", ()),), "import bpy, pytest", 1.6
    )
    for version in ("4.2", "4.5", "5.0")
}


def make_environments(wanted: list[Environment]) -> None:
    """Make those of `wanted` that are not finished, after a look at the disk.

    Raises:
        BuildError: no room, no Python 3.11, no network, or a package that does not load.
    """
    missing = [environment for environment in wanted if not environment.is_finished()]
    if not missing:
        return
    fresh = [environment for environment in missing if not environment.python.exists()]
    needed = sum(environment.gigabytes for environment in fresh)
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < needed:
        raise BuildError(
            f"Setting up needs about {needed:.1f} GB here and {free:.1f} GB are free; "
            "make room and run it again."
        )
    if fresh and ENGINE in missing:
        note_large_torch()
    for environment in missing:
        make_environment(environment)


def make_environment(environment: Environment) -> None:
    """Make or continue one environment; its stamp is written last."""
    python = find_python()
    if python is None:
        raise BuildError(
            "No working Python 3.11 is on the PATH, and Blender's wheels need exactly that one; "
            "install it and run this again."
        )
    name = environment.folder.name
    if environment.python.exists() and python_version(environment.python) != PYTHON:
        say(f"{name} was made with another Python and is made anew.")
        shutil.rmtree(environment.folder)
    log = LOGS / (f"setup{name}.log")
    LOGS.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    (environment.folder / STAMP).unlink(missing_ok=True)
    if not has_pip(environment):
        make_venv(python, environment, log)
    for requirement, words in environment.requirements:
        # Compiling all of torch takes longer than fetching it; Python compiles what is imported.
        command = [environment.python, "-m", "pip", "install", "--no-compile"]
        command += ["--progress-bar", "off", *words, "-r", ROOT / "requirements" / requirement]
        if run_logged(command, log, f"{name}: {requirement}"):
            raise BuildError(pip_sentence(log))
    if run_logged([environment.python, "-c", environment.check], log, name + ": first import"):
        raise BuildError(import_sentence(log))
    (environment.folder / STAMP).write_text(environment.stamp())


def make_venv(python: str, environment: Environment, log: Path) -> None:
    """Make the virtual environment, with pip in it even where the system left `ensurepip` out."""
    folder = environment.folder
    shutil.rmtree(folder, ignore_errors=True)
    title = folder.name + ": new"
    if not run_logged([python, "-m", "venv", folder], log, title):
        return
    shutil.rmtree(folder, ignore_errors=True)
    bare = run_logged([python, "-m", "venv", "--without-pip", folder], log, title)
    pip = [python, "-m", "pip", "--python", environment.python, "install", "pip"]
    if bare or run_logged(pip, log, folder.name + ": pip"):
        shutil.rmtree(folder, ignore_errors=True)
        raise BuildError(
            "Python's venv module is incomplete here; install it (on Debian and Ubuntu the package "
            f"python3.11-venv) and run this again. Details: {shown(log)}."
        )


def has_pip(environment: Environment) -> bool:
    """Whether the environment exists and its pip answers."""
    if not environment.python.exists():
        return False
    command = [str(environment.python), "-m", "pip", "--version"]
    return subprocess.run(command, capture_output=True, env=clean_environment()).returncode == 0


def find_python() -> str | None:
    """A Python 3.11 that runs: this one, or one on the PATH; None if there is none."""
    if sys.version_info[:2] == PYTHON:
        # the interpreter behind a virtual environment, since that may go away
        return getattr(sys, "_base_executable", None) or sys.executable
    for name in ("python3.11", "python3", "python"):
        path = shutil.which(name)
        if path and python_version(path) == PYTHON:
            return path
    launcher = shutil.which("py")  # Windows: the launcher knows every Python there is
    if launcher:
        command = [launcher, "-3.11", "-c", "import sys; print(sys.executable)"]
        found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if found.returncode == 0:
            return found.stdout.decode().strip()
    return None


def python_version(python: Path | str) -> tuple[int, ...] | None:
    """(major, minor) of an interpreter, or None if it does not run."""
    command = [str(python), "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.split()
    return tuple(int(word) for word in words) if done.returncode == 0 and len(words) == 2 else None


def note_large_torch() -> None:
    """Say so if pip is about to fetch a build of torch that this machine has no use for."""
    if not sys.platform.startswith("linux") or shutil.which("nvidia-smi"):
        return
    command = [sys.executable, "-m", "pip", "config", "list"]
    known = subprocess.run(command, capture_output=True, text=True).stdout
    if not re.search(r"find-links|index-url", known):
        say(
            "Note: no NVIDIA GPU is seen, and pip's usual torch for Linux brings about 3 GB of "
            "CUDA along; CONTRIBUTING.md says how to take the CPU build instead."
        )


def pip_sentence(log: Path) -> str:
    """Why pip failed, from its log, and the way out."""
    text = log.read_text(errors="replace")
    if "No space left" in text:
        return f"The disk is full; make room and run this again. Details: {shown(log)}."
    unreachable = (
        r"NewConnectionError|name resolution|Network is unreachable|from versions: none|Timeout"
    )
    errors = re.findall(r"^ERROR: (.*)$", text, re.MULTILINE)
    if re.search(unreachable, text):
        wanted = re.search(r"satisfies the requirement (\S+)", text)
        return (
            f"pip could not fetch {wanted.group(1) if wanted else 'the packages'}; check the "
            "network or pip's own configuration and run this again, it goes on where it stopped. "
            f"Details: {shown(log)}."
        )
    reason = errors[0].rstrip(".") if errors else "pip stopped"
    return f"pip says: {reason}. Details: {shown(log)}; run this again when it is mended."


def import_sentence(log: Path) -> str:
    """Why a freshly installed package does not load, from the log, and the way out."""
    lines = log.read_text(errors="replace").strip().splitlines() or [""]
    library = re.search(r"(lib[\w.+-]+\.so[.\d]*): cannot open", lines[-1])
    if library:
        return (
            f"The system lacks {library.group(1)}; install the package that holds "
            "it (a plain server has no X11 and GL libraries: on Debian and Ubuntu libgl1 "
            "libegl1 libxi6 libxrender1 libxkbcommon0 libsm6 libxxf86vm1 libxfixes3) and "
            "run this again."
        )
    return (
        f"A fresh package does not load ({lines[-1]}); delete the environment and run this again."
    )
