# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as the interface sees them: started from Blender, looked at once a second, found again."""

import time
from collections.abc import Sequence
from pathlib import Path

import bpy

from ..connection.engine_link import EngineSettings
from . import process as jobs
from .process import JobStatus

INTERVAL_S = 1.0

_seen: dict[str, JobStatus] = {}  # by job folder; what panels draw


def start(settings: EngineSettings, arguments: Sequence[str], parent: Path) -> JobStatus:
    """Start a command of the engine as a job with a folder of its own below `parent`.

    Raises:
        EngineFailed: it cannot be started.
    """
    folder = parent / f"{arguments[0]}-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 1000:03d}"
    status = jobs.start_job(
        settings.python, settings.extension_folder, settings.cache, arguments, folder
    )
    _seen[str(folder)] = status
    watch()
    return status


def look(folder: str) -> JobStatus:
    """The job's status as it is now."""
    _seen[folder] = jobs.read_status(Path(folder))
    return _seen[folder]


def last_seen(folder: str) -> JobStatus:
    """The job's status as it was at the last look; cheap enough to draw with."""
    status = _seen.get(folder)
    if status is None:  # after a restart of Blender
        status = look(folder)
        if status.active:
            watch()
    return status


def in_lines(status: JobStatus) -> list[str]:
    """The status in a few short lines."""
    lines = [f"{status.kind.capitalize()}: {status.state}", status.sentence]
    if status.active:
        figures = [
            f"{name.replace('_', ' ')} {value:.4g}"
            if isinstance(value, float)
            else f"{name} {value}"
            for name, value in status.figures.items()
        ]
        lines += [
            ", ".join(figures),
            f"{status.step} of {status.total}, {_clock(status.eta_s)} left",
        ]
    return [line for line in lines if line]


def _clock(seconds: float) -> str:
    """Seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def watch() -> None:
    """Look at the active jobs once a second, as long as there are any. Not in the background."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_look_again):
        bpy.app.timers.register(_look_again, first_interval=INTERVAL_S)


def _look_again() -> float | None:
    """Look, redraw the sidebars, and stay while a job is active."""
    active = [folder for folder, status in _seen.items() if status.active]
    for folder in active:
        look(folder)
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()
    return INTERVAL_S if active else None


def detach() -> None:
    """Stop looking. The jobs go on."""
    _seen.clear()
    if bpy.app.timers.is_registered(_look_again):
        bpy.app.timers.unregister(_look_again)
