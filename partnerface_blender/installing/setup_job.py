# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's side of the set-up: asked for as a job, and where it stands."""

import secrets
import shutil
import sys
import threading
from pathlib import Path

import bpy

from .. import preferences
from ..connection import engine_link
from ..connection.engine_link import EngineSettings
from ..jobs import watch
from ..jobs.process import JobStatus
from ..preferences import SettingsError
from . import machine
from .places import Places, digest
from .report import KIND

MODULE = "installing.command"


def places() -> Places:
    """Where the engine's environment lies, whether it is there or not."""
    return Places(preferences.set_up_folder())


def state() -> str:
    """`ready`, `outdated`: made for another version of the add-on, `broken`: begun, or `none`."""
    found = places()
    if found.ready():
        current = found.read_stamp().get("requirements") == digest(preferences.EXTENSION_FOLDER)
        return "ready" if current else "outdated"
    return "broken" if found.begun() else "none"


def current_job() -> JobStatus | None:
    """The set-up that is at work or waits, as it was at the last look."""
    return next((s for s in watch.all_seen() if s.kind == KIND and s.active), None)


def settings() -> EngineSettings:
    """How a set-up is started: as the engine is, with Blender's own Python."""
    return EngineSettings(
        python=Path(sys.executable),
        extension_folder=preferences.EXTENSION_FOLDER,
        cache=preferences.cache_folder(),
        log=preferences.user_folder("logs") / "engine.log",
        device="auto",
        timeout_s=float(preferences.preferences().render_timeout),
    )


def size_sentence() -> str:
    """What a set-up fetches and takes, in the artist's words."""
    sizes, card = machine.sizes(), machine.has_nvidia()
    build = "for your NVIDIA card" if card else "for the processor"
    return f"About {sizes.download:g} GB are fetched, {sizes.disk:g} GB of disk are used ({build})."


def start(wheels: Path | None = None, *, repair: bool = False) -> JobStatus:
    """Queue a set-up.

    Args:
        wheels: a folder of packages; None fetches them from the network.
        repair: install everything again.

    Raises:
        SettingsError: the network is not allowed, the folder is none, or one is at work already.
        EngineFailed: it cannot be queued.
    """
    if wheels is None and not bpy.app.online_access:
        raise SettingsError(
            "Blender's online access is off.",
            "Allow it in the preferences under System, Network, or set up from a folder of wheels.",
        )
    if wheels is not None and not wheels.is_dir():
        raise SettingsError(f"There is no folder {wheels}.", "Choose another one.")
    watch.look_at_all()
    if current_job() is not None:
        raise SettingsError("A set-up is at work already.", "Wait for it, or stop it.")
    words = [KIND, "--root", str(places().root), "--extension", str(preferences.EXTENSION_FOLDER)]
    words += ["--wheels", str(wheels)] if wheels is not None else []
    words += ["--repair"] if repair else []
    engine_link.stop_engine()  # its files cannot be replaced on Windows while it runs
    return watch.start(settings(), words, watch.folder(), MODULE)


def remove() -> threading.Thread:
    """Take the environment away: it is gone at once, its files within seconds, by a thread.

    Raises:
        SettingsError: a job is at work, which needs it; or its files are in use.
    """
    if any(status.at_work for status in watch.look_at_all()):
        raise SettingsError("A job is at work with the engine.", "Wait for it, or stop it.")
    engine_link.stop_engine()
    root = places().root
    gone = root.with_name(f"{root.name}-removed-{secrets.token_hex(4)}")
    try:
        if root.is_dir():
            root.rename(gone)
    except OSError as error:
        raise SettingsError(
            f"The engine in {root} is in use ({error}).", "Restart Blender and try again."
        ) from error
    left = list(root.parent.glob(f"{root.name}-removed-*"))  # of a Blender that was closed too soon
    thread = threading.Thread(
        target=lambda: [shutil.rmtree(path, ignore_errors=True) for path in left]
    )
    thread.start()
    return thread
