# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine has: a graphics card, Pythons, and where pip was told to look."""

import configparser
import ctypes.util
import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PYTHONS = ((3, 11), (3, 12))  # that every package of the engine has a build for; best first


@dataclass(frozen=True)
class Sizes:
    """Gigabytes, about: what is fetched, and what it takes on the disk meanwhile."""

    download: float
    disk: float


CPU_SIZES, CUDA_SIZES = Sizes(0.7, 2.5), Sizes(3.5, 9.0)


@functools.cache  # panels ask while they are drawn
def has_nvidia() -> bool:
    """Whether there is an NVIDIA card with a driver."""
    if sys.platform == "darwin":
        return False
    if shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").is_file():
        return True
    return ctypes.util.find_library("nvcuda" if os.name == "nt" else "cuda") is not None


def sizes() -> Sizes:
    """What a set-up takes here."""
    return CUDA_SIZES if has_nvidia() else CPU_SIZES


def find_pythons() -> list[str]:
    """Pythons on this machine that the engine runs in, the best first; Blender's own comes last."""
    found: list[str] = []
    for version in PYTHONS:
        name = ".".join(map(str, version))
        for command in (shutil.which(f"python{name}"), *map(shutil.which, ("python3", "python"))):
            if command and command not in found and python_version(command) == version:
                found.append(command)
        if launcher := shutil.which("py"):  # Windows: the launcher knows every Python there is
            code = "import sys; print(sys.executable)"
            path = _said([launcher, f"-{name}", "-c", code])
            if path and path not in found:
                found.append(path)
    if sys.version_info[:2] in PYTHONS and sys.executable not in found:
        found.append(sys.executable)
    return found


def python_version(python: str) -> tuple[int, ...] | None:
    """(major, minor) of an interpreter, or None if it does not run."""
    words = _said([python, "-c", "import sys; print(*sys.version_info[:2])"]).split()
    return tuple(map(int, words)) if len(words) == 2 else None


def _said(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, timeout=30, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""


def pip_settings() -> dict[str, str]:
    """Where the user's pip was told to look, by pip's names (index-url, find-links, …).

    pip's own files and variables, read without pip: Blender's Python may have none.
    """
    known = ("index-url", "extra-index-url", "find-links", "cert", "no-index")
    found: dict[str, str] = {}
    for path in pip_files():
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (OSError, configparser.Error, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                entries = dict(parser.items(section))
                found |= {n: entries[n].strip() for n in known if entries.get(n, "").strip()}
    for name in known:
        value = os.environ.get("PIP_" + name.upper().replace("-", "_"), "").strip()
        found |= {name: value} if value else {}
    return found


def pip_files() -> list[Path]:
    """The configuration files of pip, in the order in which later ones win."""
    chosen = os.environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    home = Path.home()
    if os.name == "nt":
        files = [
            Path(os.environ.get("ProgramData", "C:/ProgramData")) / "pip" / "pip.ini",
            home / "pip" / "pip.ini",
            Path(os.environ.get("APPDATA", home)) / "pip" / "pip.ini",
        ]
    else:
        config = Path(os.environ.get("XDG_CONFIG_HOME", home / ".config"))
        files = [Path("/etc/pip.conf"), Path("/etc/xdg/pip/pip.conf"), home / ".pip" / "pip.conf"]
        files.append(config / "pip" / "pip.conf")
        if sys.platform == "darwin":
            files.append(home / "Library" / "Application Support" / "pip" / "pip.conf")
    return [*files, *([Path(chosen)] if chosen else [])]


def uv_environment(packages: Path) -> dict[str, str]:
    """Variables that let uv look where pip would, and keep its files in `packages`.

    Whatever the user has set for uv goes first.
    """
    told, set_for_uv = pip_settings(), {"UV_CACHE_DIR": str(packages), "UV_NO_PROGRESS": "1"}
    if "index-url" in told:
        set_for_uv["UV_DEFAULT_INDEX"] = told["index-url"]
    if "extra-index-url" in told:
        set_for_uv["UV_INDEX"] = " ".join(told["extra-index-url"].split())
    if "find-links" in told:
        set_for_uv["UV_FIND_LINKS"] = ",".join(told["find-links"].split())
    if "no-index" in told:
        set_for_uv["UV_NO_INDEX"] = "1"
    if "cert" in told:
        set_for_uv["SSL_CERT_FILE"] = told["cert"]
    set_for_uv["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip, look everywhere
    return {name: value for name, value in set_for_uv.items() if name not in os.environ}
