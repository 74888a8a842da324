# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work of the engine (capture, train, export, render) as processes that outlive this one.

Nothing here imports bpy; only `wait` blocks, and that is the runner's.
"""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from ...engine.job_folder import CANCEL, JOB, LOG, PAUSE, SCHEMA_VERSION, STATUS
from ..connection.child_process import (
    BEHIND_ALL,
    EngineFailed,
    child_environment,
    detached,
    give_way,
)
from .status import (
    JobStatus,
    cancel_job,
    children,
    find_jobs,
    pause_job,
    read_json,
    read_status,
    told,
    unpause_job,
    write_json,
    write_state,
)

__all__ = [
    "JobStatus",
    "cancel_job",
    "find_jobs",
    "pause_job",
    "read_status",
    "spawn",
    "start_job",
    "start_runner",
    "unpause_job",
    "wait",
    "write_job",
]

LAUNCH = Path(__file__).resolve().parents[1] / "launch.py"


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
    write_job(python, extension_root, cache, arguments, folder)
    try:
        return spawn(folder)
    except EngineFailed:
        (folder / STATUS).unlink(missing_ok=True)
        raise


def write_job(
    python: Path,
    extension_root: Path,
    cache: Path,
    arguments: Sequence[str],
    folder: Path,
    module: str = "",
) -> JobStatus:
    """Make the folder of a job that waits for its turn; `spawn` starts it.

    Args:
        python: the interpreter.
        extension_root: the folder that holds `engine/`.
        cache: a folder of ours for compiled files.
        arguments: the engine's command and its options.
        folder: the job folder, made if need be.
        module: a module of ours that does the work instead of the engine (see `launch`); the
            first argument is then the job's kind alone.

    Raises:
        EngineFailed: a job is at work in the folder, or it cannot be written.
    """
    folder, now = folder.absolute(), time.time()
    if read_status(folder).at_work:
        raise EngineFailed(
            f"A job is at work in {folder} already.", "Wait for it, or stop it.", "busy"
        )
    if module:
        command = [str(python), str(LAUNCH), module, *arguments[1:], "--job", str(folder)]
    else:
        command = [str(python), "-m", "engine", *arguments, "--json", "--job", str(folder)]
    job = {"schema_version": SCHEMA_VERSION, "arguments": list(arguments), "started": now,
           "command": command, "module": module, "extension_root": str(extension_root),
           "cache": str(cache)}  # fmt: skip
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for flag in (CANCEL, PAUSE):
            (folder / flag).unlink(missing_ok=True)
        write_json(folder / JOB, job)
        write_state(folder, "queued", kind=arguments[0], started=now)
    except OSError as error:
        raise _not_started(arguments[0], error) from error
    return read_status(folder)


def spawn(folder: Path) -> JobStatus:
    """Start the process of a job that `write_job` has made; it gives way to everybody else.

    Raises:
        EngineFailed: a job is at work in the folder, or the process cannot be started.
    """
    folder = folder.absolute()
    if read_status(folder).at_work:
        raise EngineFailed(
            f"A job is at work in {folder} already.", "Wait for it, or stop it.", "busy"
        )
    job, now = read_json(folder / JOB), time.time()
    kind = (job.get("arguments") or ["job"])[0]
    try:
        cache = Path(job["cache"])
        cache.mkdir(parents=True, exist_ok=True)
        write_state(folder, "starting", message="Starting", kind=kind, started=now)
        with open(folder / LOG, "ab") as log:
            children[folder] = subprocess.Popen(
                job["command"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=child_environment(Path(job["extension_root"]), cache),
                **detached(giving_way=True),
            )
        give_way(children[folder], BEHIND_ALL)
    except (OSError, KeyError) as error:
        failed = _not_started(kind, error)
        write_state(folder, "failed", kind=kind, started=now, error=told(failed))
        raise failed from error
    return read_status(folder)


def wait(folder: Path) -> JobStatus:
    """Wait for the end of a job that this process has spawned; how it ended stands in its folder.

    A job that was killed could not write its end; whoever waited for it does.
    """
    child = children[folder.absolute()]
    code = child.wait()
    status = read_status(folder)
    if status.state == "lost":
        how = f"was killed (signal {-code})" if code < 0 else f"ended with status {code}"
        error = {"code": "killed", "message": f"The {status.kind} {how}.",
                 "hint": "Resume goes on from what it had kept."}  # fmt: skip
        write_state(folder, "failed", keep=True, error=error)
    elif status.state == "failed":
        write_state(folder, "failed", keep=True, error=dict(status.error))
    return read_status(folder)


def _not_started(kind: str, error: Exception) -> EngineFailed:
    return EngineFailed(
        f"The {kind} cannot be started ({error}).",
        "Check the engine's Python in the preferences, and that the folder can be written.",
        "engine_start",
    )


def start_runner(python: Path, extension_root: Path, cache: Path, folder: Path) -> None:
    """See to it that the queue of a folder of jobs moves; one runner at a time is their own affair.

    Raises:
        EngineFailed: it cannot be started.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with open(folder / "runner.txt", "wb") as log:
            children[folder] = subprocess.Popen(
                [str(python), str(LAUNCH), "jobs.runner", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=child_environment(extension_root, cache),
                **detached(),
            )
    except OSError as error:
        raise _not_started("queue", error) from error
