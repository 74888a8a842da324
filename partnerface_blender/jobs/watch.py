# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as the interface sees them: asked for in Blender, looked at once a second, found again.

All jobs lie in one folder of the user's, whatever .blend they were asked for in.
"""

import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import bpy
from bpy.app.handlers import persistent

from ...engine.errors import PartNerFaceError
from ...engine.job_folder import JOB, is_held
from .. import preferences
from ..connection.engine_link import EngineSettings
from ..failures import own_mistake
from . import process as jobs
from .process import JobStatus
from .status import read_json

INTERVAL_S = 1.0
log = logging.getLogger(__name__)
RUNNER_PATIENCE_S = 8.0  # until another runner is started for a queue that does not move

_seen: dict[str, JobStatus] = {}  # by job folder; what panels draw
_runner_asked = 0.0
listeners: list[Callable[[], None]] = []  # told after every look, on the main thread


def folder() -> Path:
    """Where all job folders lie."""
    return preferences.user_folder("jobs")


def start(
    settings: EngineSettings, arguments: Sequence[str], parent: Path, module: str = ""
) -> JobStatus:
    """Queue a command of the engine as a job with a folder of its own below `parent`.

    Raises:
        EngineFailed: it cannot be queued.
    """
    kind = arguments[0].replace(" ", "-")
    place = parent / f"{kind}-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 1000:03d}"
    return ask(settings, arguments, place, module)


def ask(
    settings: EngineSettings, arguments: Sequence[str], place: Path, module: str = ""
) -> JobStatus:
    """Queue a job in the folder `place`, and see to it that the queue moves.

    Raises:
        EngineFailed: a job is at work there, or it cannot be written.
    """
    status = jobs.write_job(
        settings.python, settings.extension_folder, settings.cache, arguments, place, module
    )
    _seen[str(place)] = status
    run_queue(place.parent)
    watch()
    return status


def resume(settings: EngineSettings, place: str) -> JobStatus:
    """Let a paused job go on, or queue one that has stopped again; it goes on where it was.

    Raises:
        EngineFailed: it cannot be queued.
    """
    status = look(place)
    if status.active:
        jobs.unpause_job(status.folder)
        run_queue(status.folder.parent)
        watch()
        return look(place)
    module = read_json(status.folder / JOB).get("module", "")
    return ask(settings, status.arguments, status.folder, module)


def run_queue(parent: Path) -> None:
    """Start a runner for the queue.

    Raises:
        EngineFailed: it cannot be started.
    """
    global _runner_asked
    _runner_asked = time.monotonic()
    # Blender's own Python: the queue may be there to bring the engine's.
    root, cache = preferences.EXTENSION_FOLDER, preferences.cache_folder()
    jobs.start_runner(Path(sys.executable), root, cache, parent)


def look(place: str) -> JobStatus:
    """The job's status as it is now."""
    _seen[place] = jobs.read_status(Path(place))
    return _seen[place]


def look_at_all() -> list[JobStatus]:
    """Every job's status as it is now, the newest first."""
    found = jobs.find_jobs(folder())
    _seen.clear()
    _seen.update((str(status.folder), status) for status in found)
    return found


def last_seen(place: str) -> JobStatus:
    """The job's status as it was at the last look; cheap enough to draw with."""
    status = _seen.get(place)
    if status is None:  # after a restart of Blender
        status = look(place)
        if status.active:
            watch()
    return status


def all_seen() -> list[JobStatus]:
    """Every job's status as it was at the last look, the newest first."""
    return sorted(_seen.values(), key=lambda status: status.started, reverse=True)


def at_work() -> JobStatus | None:
    """The job that is at work, as it was at the last look."""
    working = [status for status in all_seen() if status.at_work]
    return working[0] if working else None


def watch() -> None:
    """Look at the jobs once a second, as long as there are active ones. Not in the background."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_look_again):
        bpy.app.timers.register(_look_again, first_interval=0.1, persistent=True)


def _look_again() -> float | None:
    """Look, tell whoever draws, and stay while a job is active."""
    before = dict(_seen)
    try:
        found = look_at_all()
    except PartNerFaceError as error:
        log.warning("%s", error)
        return None
    _keep_queue_moving(found)
    for listener in listeners:
        try:
            listener()
        except Exception as error:  # the watch goes on
            own_mistake(error)
    if before != _seen:
        redraw()
    return INTERVAL_S if any(status.active for status in found) else None


def _keep_queue_moving(found: list[JobStatus]) -> None:
    """Start another runner where jobs wait and nobody minds them: it was killed, or never ran."""
    waiting = [s for s in found if s.state == "queued" and not s.pause_asked]
    patient = time.monotonic() - _runner_asked < RUNNER_PATIENCE_S
    if not waiting or patient or is_held(folder()):
        return
    try:
        run_queue(folder())
    except PartNerFaceError as error:
        log.warning("%s", error)


def redraw() -> None:
    """Redraw the sidebars and the status bar, and no viewport."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("VIEW_3D", "PREFERENCES"):
                for region in area.regions:
                    if region.type == "UI" or area.type == "PREFERENCES":
                        region.tag_redraw()
    # The status bar is in no area that scripts can reach; it listens to this name.
    bpy.msgbus.publish_rna(key=(bpy.types.ViewLayer, "name"))


@persistent
def _after_opening(*_: object) -> None:
    """Handler: the list, which another file does not have, is filled again."""
    watch()


def attach() -> None:
    """Find the jobs of earlier sessions again."""
    bpy.app.handlers.load_post.append(_after_opening)
    watch()


def detach() -> None:
    """Stop looking. The jobs go on."""
    if _after_opening in bpy.app.handlers.load_post:
        bpy.app.handlers.load_post.remove(_after_opening)
    _seen.clear()
    listeners.clear()
    if bpy.app.timers.is_registered(_look_again):
        bpy.app.timers.unregister(_look_again)
