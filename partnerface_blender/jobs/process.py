# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work of the engine (capture, train, export, render), started and watched from Blender.

A job is a process of its own with a job folder (see `engine.job_folder`). It outlives Blender, and
Blender finds it again by its folder. Nothing here imports bpy; nothing blocks.
"""

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...engine.job_folder import CANCEL, JOB, LOG, SCHEMA_VERSION, STATUS, is_held
from ..connection.child_process import EngineFailed, child_environment, detached, ended

START_TIMEOUT_S = 60.0  # from the start of the process until the job says that it runs

# Jobs that this Blender started. Asking them for their end keeps them from lingering as zombies.
_children: dict[Path, subprocess.Popen] = {}


@dataclass(frozen=True)
class JobStatus:
    """What a job last said of itself, and whether it still lives."""

    folder: Path
    state: str  # starting, running, done, cancelled, failed, or lost: it died without a word
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

    @property
    def active(self) -> bool:
        """Whether it is still at work."""
        return self.state in ("starting", "running")

    @property
    def sentence(self) -> str:
        """How it ended or how far it is, for the artist."""
        if self.state == "failed":
            return f"{self.error.get('message', '')} {self.error.get('hint', '')}".strip()
        if self.state == "lost":
            return f"The {self.kind or 'job'} ended without a word. Start it again to go on."
        return self.message


def start_job(
    python: Path, extension_root: Path, cache: Path, arguments: Sequence[str], folder: Path
) -> JobStatus:
    """Start `python -m engine ARGUMENTS --job FOLDER --json` in a process that outlives this one.

    Args:
        python: the interpreter of the engine's environment.
        extension_root: the folder that holds `engine/`.
        cache: a folder of ours for compiled files.
        arguments: the command and its options.
        folder: the job folder, made if need be.

    Raises:
        EngineFailed: a job is at work in the folder, or the process cannot be started.
    """
    folder = folder.absolute()
    if read_status(folder).active:
        raise EngineFailed(
            f"A job is at work in {folder} already.", "Wait for it, or cancel it.", "busy"
        )
    now = time.time()
    command = {"schema_version": SCHEMA_VERSION, "arguments": list(arguments), "started": now}
    status = {"schema_version": SCHEMA_VERSION, "kind": arguments[0], "state": "starting",
              "message": "Starting", "started": now, "updated": now}  # fmt: skip
    try:
        folder.mkdir(parents=True, exist_ok=True)
        cache.mkdir(parents=True, exist_ok=True)
        (folder / CANCEL).unlink(missing_ok=True)
        _write_json(folder / JOB, command)
        _write_json(folder / STATUS, status)
        with open(folder / LOG, "wb") as log:
            _children[folder] = subprocess.Popen(
                [
                    str(python),
                    "-m",
                    "engine",
                    *arguments,
                    "--json",
                    "--job",
                    str(folder.absolute()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=child_environment(extension_root, cache),
                **detached(),
            )
    except OSError as error:
        (folder / STATUS).unlink(missing_ok=True)
        raise EngineFailed(
            f"The {arguments[0]} cannot be started ({error}).",
            "Check the engine's Python in the preferences, and that the folder can be written.",
            "engine_start",
        ) from error
    return read_status(folder)


def read_status(folder: Path) -> JobStatus:
    """The job's status; `lost` where there is none, or where its process is gone."""
    for child in _children.values():
        child.poll()
    data = _read_json(folder / STATUS)
    known = JobStatus.__dataclass_fields__.keys() - {"folder", "state", "arguments"}
    entries = {name: data[name] for name in known if data.get(name) is not None}
    arguments = tuple(_read_json(folder / JOB).get("arguments", ()))
    state = data.get("state", "lost")
    if data.get("schema_version", SCHEMA_VERSION) > SCHEMA_VERSION:
        state, entries = "failed", {"error": {"message": "A newer PartNerFace made this job.",
                                              "hint": "Update the add-on."}}  # fmt: skip
    if state in ("starting", "running") and not is_held(folder):
        state, entries = _without_lock(folder, state, entries)
    return JobStatus(folder=folder, state=state, arguments=arguments, **entries)


def _without_lock(folder: Path, state: str, entries: dict) -> tuple[str, dict]:
    """What is true of a job that says it is at work, but holds no lock."""
    again = _read_json(folder / STATUS)
    if again.get("state") not in ("starting", "running", None):  # it has just ended
        return again["state"], {
            n: again[n] for n in entries.keys() | {"result", "error"} if again.get(n)
        }
    if state == "running":
        return "lost", entries
    child = _children.get(folder.absolute())
    exit_status = child.poll() if child is not None else None
    if exit_status is not None:  # before it could say a word
        error = ended(exit_status, folder / LOG)
        told = {"code": error.code, "message": error.message, "hint": error.hint}
        return "failed", entries | {"error": told}
    young = time.time() - entries.get("started", 0.0) < START_TIMEOUT_S
    return ("starting" if child is not None or young else "lost"), entries


def cancel_job(folder: Path) -> None:
    """Ask the job to stop at its next step; it keeps what it has done.

    Raises:
        EngineFailed: the folder cannot be written.
    """
    try:
        (folder / CANCEL).touch()
    except OSError as error:
        raise EngineFailed(f"The job in {folder} cannot be cancelled ({error}).",
                           "End the process by hand.", "no_space") from error  # fmt: skip


def find_jobs(folder: Path) -> list[JobStatus]:
    """The jobs whose folders lie in `folder`, the newest first."""
    try:
        folders = [path for path in folder.iterdir() if (path / STATUS).is_file()]
    except OSError:
        return []
    return sorted(map(read_status, folders), key=lambda status: status.started, reverse=True)


def _read_json(path: Path) -> dict:
    """The JSON object in a file; empty where there is none that can be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _write_json(path: Path, data: Mapping) -> None:
    path.write_text(json.dumps(data), encoding="utf-8")
