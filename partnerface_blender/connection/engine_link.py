# SPDX-License-Identifier: GPL-3.0-or-later
"""The one engine of this Blender: started when it is needed, started anew when it has died.

Functions here may wait for seconds. They are called from worker threads and from the render thread,
and from the main thread only where nobody looks (scripts, background).
"""

import atexit
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...engine.errors import PartNerFaceError
from .engine_process import (
    EngineFailed,
    EngineProcess,
    OpenAvatar,
    OpenMotion,
    Pending,
    RenderRequest,
)

KEPT_LOGS_S = 7 * 24 * 3600.0
IMPATIENT_S = 0.05  # that the end of the engine waits for whoever waits for it


@dataclass(frozen=True)
class EngineSettings:
    """How to start the engine, read from Blender on the main thread."""

    python: Path
    extension_folder: Path
    cache: Path
    log: Path
    device: str
    timeout_s: float


class AvatarFileError(PartNerFaceError):
    """The avatar file is not there."""

    code = "bad_avatar"


_lock = threading.RLock()
_engine: EngineProcess | None = None
_starting: EngineProcess | None = None  # while it has not introduced itself yet
_gone = False  # whether the add-on is
_opened: dict[tuple[str, int, int], Mapping] = {}  # path, mtime, size → header of `open_avatar`


def read_settings() -> EngineSettings:
    """The settings from the preferences.

    Raises:
        SettingsError: the engine's Python is not set, or not there.
    """
    from .. import preferences

    return settings_for(preferences.find_engine_python())


def settings_for(python: Path) -> EngineSettings:
    """The settings from the preferences, with another Python."""
    from .. import preferences

    chosen = preferences.preferences()
    return EngineSettings(
        python=python,
        extension_folder=preferences.EXTENSION_FOLDER,
        cache=preferences.cache_folder(),
        log=preferences.user_folder("logs") / f"engine-{os.getpid()}.log",
        device=chosen.device,
        timeout_s=float(chosen.render_timeout),
    )


def ensure_engine(settings: EngineSettings) -> EngineProcess:
    """The running engine.

    Raises:
        EngineFailed: it cannot be started.
    """
    global _engine, _starting
    with _lock:
        if _engine is not None and not _engine.alive:
            stop_engine()
        if _engine is None:
            if _gone:
                raise EngineFailed("The add-on is switched off.", "Enable it again.", "stopped")
            _opened.clear()
            _forget_old_logs(settings.log.parent)
            try:
                _engine = EngineProcess.start(
                    settings.python,
                    settings.extension_folder,
                    settings.cache,
                    settings.log,
                    device=settings.device,
                    on_process=_note_start,
                )
            finally:
                _starting = None
        return _engine


def running_engine() -> EngineProcess | None:
    """The engine if one runs."""
    return _engine if _engine is not None and _engine.alive else None


def stop_engine() -> None:
    """End the engine if one runs; the next request starts another.

    Whoever waits for it at this moment, with the lock held, is told that it was stopped.
    """
    global _engine
    while not _lock.acquire(timeout=IMPATIENT_S):
        if (busy := _starting or _engine) is not None:
            busy.kill("The engine was stopped.", "The next request starts another.", "stopped")
    try:
        engine, _engine = _engine, None
        _opened.clear()
    finally:
        _lock.release()
    if engine is not None:
        engine.close()


def _note_start(engine: EngineProcess) -> None:
    global _starting
    _starting = engine


def _forget_old_logs(folder: Path) -> None:
    """Every Blender has a log of its own; those of last week are of no use any more."""
    for log in folder.glob("engine-*.log"):
        try:
            if time.time() - log.stat().st_mtime > KEPT_LOGS_S:
                log.unlink()
        except OSError:
            pass


def open_avatar(settings: EngineSettings, path: Path) -> OpenAvatar:
    """Load an avatar file in the engine: its head, motion and camera.

    Raises:
        AvatarFileError: there is no such file.
        EngineFailed: the engine cannot read it, or cannot be started.
    """
    key = _stamp(path)
    with _lock:
        opened = ensure_engine(settings).open_avatar(path, settings.timeout_s)
        _opened[key] = opened.header
        return opened


def describe_avatar(settings: EngineSettings, path: Path) -> Mapping:
    """What the engine tells of an avatar file, opened if it is not open or has changed."""
    key = _stamp(path)
    with _lock:
        ensure_engine(settings)  # a new engine has nothing open
        return _opened[key] if key in _opened else open_avatar(settings, path).header


def open_motion(settings: EngineSettings, path: Path, avatar: Path) -> OpenMotion:
    """The motion of a capture folder or avatar file, for the head of an avatar file.

    Raises:
        AvatarFileError: there is no such avatar file.
        EngineFailed: the engine cannot use one of them, or cannot be started.
    """
    with _lock:
        handle = describe_avatar(settings, avatar)["avatar"]
        return ensure_engine(settings).open_motion(path, handle, settings.timeout_s)


def find_open(path: Path) -> Mapping | None:
    """The header of an avatar file that the running engine has open; never waits."""
    return _opened.get(_stamp(path)) if running_engine() is not None else None


def render(
    settings: EngineSettings,
    request: RenderRequest,
    should_stop: Callable[[], bool],
    on_progress: Callable[[float | None], None],
) -> dict[str, np.ndarray]:
    """The planes of one frame of an avatar that is open, first row on top.

    Raises:
        Cancelled: by `should_stop`.
        EngineFailed: the engine refused, died or hung.
    """
    return ensure_engine(settings).render(request, settings.timeout_s, should_stop, on_progress)


def submit_render(settings: EngineSettings, request: RenderRequest) -> Pending:
    """Ask for one frame and go on."""
    return ensure_engine(settings).submit_render(request)


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise AvatarFileError(
            f"There is no avatar file {path}.",
            "Find it with Find Missing Avatar in the PartNerFace sidebar.",
        ) from error
    return str(path), status.st_mtime_ns, status.st_size


def attach() -> None:
    """See to it that the engine ends with Blender, though it would notice by itself."""
    global _gone
    _gone = False
    atexit.register(stop_engine)


def detach() -> None:
    """End the engine for good, when the add-on goes."""
    global _gone
    _gone = True
    stop_engine()
    atexit.unregister(stop_engine)
