# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the engine's environment lies, and whether it is to be believed.

environment/      the virtual environment
environment/partnerface.json   the stamp, written last, once the engine has answered
packages/         uv's cache: repairing needs no network
uv/               uv itself, where the system has none
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

SCHEMA_VERSION = 1
STAMP = "partnerface.json"
REQUIREMENTS = (("engine.txt", ()), ("capture.txt", ("--no-deps",)))  # file, words for uv


@dataclass(frozen=True)
class Places:
    """The folders of one set-up, all below `root`, so that removing is one deletion."""

    root: Path

    @property
    def environment(self) -> Path:
        """The virtual environment."""
        return self.root / "environment"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def packages(self) -> Path:
        """Unpacked packages, shared with the environment where the disk can."""
        return self.root / "packages"

    @property
    def uv(self) -> Path:
        """Our own uv, if there is one."""
        return self.root / "uv" / ("uv.exe" if os.name == "nt" else "uv")

    @property
    def stamp(self) -> Path:
        """The file that says that everything is there and works."""
        return self.environment / STAMP

    def ready(self) -> bool:
        """Whether a set-up has ended well and its Python is still there."""
        return self.stamp.is_file() and self.python.is_file()

    def begun(self) -> bool:
        """Whether anything is there at all."""
        return self.root.is_dir() and any(self.root.iterdir())

    def read_stamp(self) -> dict:
        """What the stamp says; empty where there is none."""
        try:
            data = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def write_stamp(self, extension: Path, found: dict) -> None:
        """Say that the environment holds what this extension asks for, and what was found in it."""
        told = {name: found.get(name) for name in ("python", "torch", "warp", "device")}
        data = {"schema_version": SCHEMA_VERSION, "requirements": digest(extension), **told}
        draft = self.stamp.with_suffix(".part")
        draft.write_text(json.dumps(data), encoding="utf-8")
        os.replace(draft, self.stamp)


def digest(extension: Path) -> str:
    """What tells one list of requirements from another."""
    found = hashlib.sha256()
    for name, words in REQUIREMENTS:
        found.update((extension / "requirements" / name).read_bytes().replace(b"\r\n", b"\n"))
        found.update(" ".join(words).encode())
    return found.hexdigest()
