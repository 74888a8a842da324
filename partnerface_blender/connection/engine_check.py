# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the engine's own doctor."""

import json
import subprocess

from .child_process import EngineFailed, child_environment, detached
from .engine_link import EngineSettings

TIMEOUT_S = 120.0  # torch from a cold disk
WAY_OUT = (
    "Choose another Python, or install the engine, in the preferences of the PartNerFace add-on."
)


def run_doctor(settings: EngineSettings) -> dict:
    """What `doctor` says: python, torch, warp, device, problems.

    Raises:
        EngineFailed: that Python is none, or not the engine's.
    """
    settings.cache.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            [str(settings.python), "-m", "engine", "doctor", "--json", "--quiet"],
            capture_output=True,
            timeout=TIMEOUT_S,
            env=child_environment(settings.extension_folder, settings.cache),
            cwd=settings.cache,
            stdin=subprocess.DEVNULL,
            **detached(),
        )
    except subprocess.TimeoutExpired as error:
        raise EngineFailed(
            f"The engine's Python {settings.python} did not answer.", WAY_OUT
        ) from error
    except OSError as error:
        raise EngineFailed(
            f"The engine's Python {settings.python} cannot be started ({error}).",
            WAY_OUT,
            "engine_start",
        ) from error
    try:
        found = json.loads(done.stdout.decode(errors="replace").strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
        raise EngineFailed(
            f"{settings.python} cannot run the engine ({said[-1].rstrip('.')[:300]}).",
            WAY_OUT,
            "engine_start",
        ) from error
    if "error" in found:
        raise EngineFailed(str(found["error"].get("message")), str(found["error"].get("hint")))
    return found


def in_one_line(found: dict) -> str:
    """The doctor's findings in a few words."""
    names = ("python", "torch", "warp", "device")
    return ", ".join(f"{name} {found[name]}" for name in names if found.get(name))
