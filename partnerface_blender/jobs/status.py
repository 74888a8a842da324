# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job's folder tells of it, and the flags through which it is paused and stopped.

The folder (see `engine.job_folder`) is all that tells of a job: it outlives Blender, and Blender
finds it again by its folder. Nothing here imports bpy; nothing blocks.
"""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...engine.job_folder import CANCEL, JOB, LOG, PAUSE, SCHEMA_VERSION, STATUS, is_held
from ..connection.child_process import EngineFailed, ended

START_TIMEOUT_S = 60.0  # from the start of the process until the job says that it runs

# Jobs that this process started. Asking them for their end keeps them from lingering as zombies.
children: dict[Path, subprocess.Popen] = {}


@dataclass(frozen=True)
class JobStatus:
    """What a job last said of itself, and whether it still lives."""

    folder: Path
    state: str  # queued, starting, running, paused, done, cancelled, failed, or lost: it died
    kind: str = ""  # the command
    message: str = ""  # the phase
    step: int = 0
    total: int = 0
    fraction: float = 0.0  # of the phase
    eta_s: float = 0.0  # until the end of the phase
    figures: Mapping = field(default_factory=dict)  # loss, psnr, …
    result: Mapping = field(default_factory=dict)  # what the command returned
    error: Mapping = field(default_factory=dict)  # code, message, hint
    started: float = 0.0  # seconds since the epoch
    updated: float = 0.0
    arguments: tuple[str, ...] = ()  # the command line, for `start_job` to resume it
    pause_asked: bool = False  # somebody wants it to wait
    cancel_asked: bool = False

    @property
    def active(self) -> bool:
        """Whether it is still at work, or will be when its turn comes."""
        return self.state == "queued" or self.at_work

    @property
    def at_work(self) -> bool:
        """Whether it has a process."""
        return self.state in ("starting", "running", "paused")

    @property
    def resumable(self) -> bool:
        """Whether it can be started again, from where it stopped."""
        return self.state in ("cancelled", "failed", "lost") and bool(self.arguments)

    @property
    def sentence(self) -> str:
        """How it ended or how far it is, for the artist."""
        if self.state == "failed":
            return f"{self.error.get('message', '')} {self.error.get('hint', '')}".strip()
        if self.state == "lost":
            return (
                f"The {self.kind or 'job'} ended without a word: it was killed, or the machine "
                "went down. Resume goes on from what it had kept."
            )
        if self.state == "queued":
            return "Held back until it is resumed" if self.pause_asked else "Waits for its turn"
        return self.message


def read_status(folder: Path) -> JobStatus:
    """The job's status; `lost` where there is none, or where its process is gone."""
    for child in children.values():
        child.poll()
    data = read_json(folder / STATUS)
    own = {"folder", "state", "arguments", "pause_asked", "cancel_asked"}
    known = JobStatus.__dataclass_fields__.keys() - own
    entries = {name: data[name] for name in known if data.get(name) is not None}
    arguments = tuple(read_json(folder / JOB).get("arguments", ()))
    state = data.get("state", "lost")
    if data.get("schema_version", SCHEMA_VERSION) > SCHEMA_VERSION:
        state, entries = "failed", {"error": {"message": "A newer PartNerFace made this job.",
                                              "hint": "Update the add-on."}}  # fmt: skip
    if state in ("starting", "running", "paused") and not is_held(folder):
        state, entries = _without_lock(folder, state, entries)
    flags = {"pause_asked": (folder / PAUSE).exists(), "cancel_asked": (folder / CANCEL).exists()}
    return JobStatus(folder=folder, state=state, arguments=arguments, **entries, **flags)


def _without_lock(folder: Path, state: str, entries: dict) -> tuple[str, dict]:
    """What is true of a job that says it is at work, but holds no lock."""
    again = read_json(folder / STATUS)
    if again.get("state") not in ("starting", "running", "paused", None):  # it has just ended
        return again["state"], {
            n: again[n] for n in entries.keys() | {"result", "error"} if again.get(n)
        }
    if state != "starting":
        return "lost", entries
    child = children.get(folder.absolute())
    exit_status = child.poll() if child is not None else None
    if exit_status is not None:  # before it could say a word
        error = ended(exit_status, folder / LOG)
        return "failed", entries | {"error": told(error)}
    young = time.time() - entries.get("started", 0.0) < START_TIMEOUT_S
    return ("starting" if child is not None or young else "lost"), entries


def find_jobs(folder: Path) -> list[JobStatus]:
    """The jobs whose folders lie in `folder`, the newest first."""
    try:
        folders = [path for path in folder.iterdir() if (path / STATUS).is_file()]
    except OSError:
        return []
    return sorted(map(read_status, folders), key=lambda status: status.started, reverse=True)


def cancel_job(folder: Path) -> None:
    """Ask the job to stop at its next step; it keeps what it has done.

    Raises:
        EngineFailed: the folder cannot be written.
    """
    _raise_flag(folder, CANCEL, "cancelled")
    if read_status(folder).state == "queued":
        write_state(folder, "cancelled", keep=True, message="Taken out of the queue.")


def pause_job(folder: Path) -> None:
    """Ask the job to wait at its next step, or not to be started when its turn comes.

    Raises:
        EngineFailed: the folder cannot be written.
    """
    _raise_flag(folder, PAUSE, "paused")


def unpause_job(folder: Path) -> None:
    """Let a paused job go on."""
    (folder / PAUSE).unlink(missing_ok=True)


def _raise_flag(folder: Path, flag: str, what: str) -> None:
    try:
        (folder / flag).touch()
    except OSError as error:
        raise EngineFailed(f"The job in {folder} cannot be {what} ({error}).",
                           "End the process by hand.", "no_space") from error  # fmt: skip


def write_state(folder: Path, state: str, *, keep: bool = False, **entries: object) -> None:
    """Write the job's status in its stead, while it has no process."""
    kept = read_json(folder / STATUS) if keep else {}
    now = {"schema_version": SCHEMA_VERSION, "state": state, "updated": time.time()}
    write_json(folder / STATUS, kept | now | entries)


def told(error: EngineFailed) -> dict[str, str]:
    """An error as it stands in a status."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def read_json(path: Path) -> dict:
    """The JSON object in a file; empty where there is none that can be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def write_json(path: Path, data: Mapping) -> None:
    """Replace a file in one move: others read it at any moment."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    temporary.write_text(json.dumps(data), encoding="utf-8")
    for attempt in range(20):
        try:
            return os.replace(temporary, path)
        except PermissionError:  # on Windows, while somebody is reading the old one
            if attempt == 19:
                temporary.unlink(missing_ok=True)
                raise
            time.sleep(0.05)
