# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue's own process: starts the jobs of a folder one after another, then ends.

It holds the lock of the jobs' folder, so that there is one runner at a time, and needs no Blender:
a queue goes on when Blender is closed. Where a runner was killed, Blender starts another one.

    python launch.py jobs.runner FOLDER
"""

import os
import sys
import time
from pathlib import Path

from ...engine.job_folder import hold_lock
from ..connection.child_process import EngineFailed
from .process import JobStatus, find_jobs, spawn, wait

POLL_S = 0.5
LOCK_WAIT_S = 3.0  # whoever leaves looks once more; whoever comes waits for that


def main(arguments: list[str]) -> int:
    """Run every job that waits; exit status 0."""
    folder = Path(arguments[0])
    while lock_and_run(folder) and waiting(folder):
        pass  # one was queued in the very moment of leaving
    return 0


def lock_and_run(folder: Path) -> bool:
    """Run what waits while holding the folder's lock; False where another runner does it."""
    deadline = time.monotonic() + LOCK_WAIT_S
    while (lock := hold_lock(folder)) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    try:
        while waiting(folder):
            if any(status.at_work for status in find_jobs(folder)):
                time.sleep(POLL_S)  # one that was started by itself, or by a runner that died
            else:
                run_next(folder)
    finally:
        os.close(lock)
    return True


def waiting(folder: Path) -> list[JobStatus]:
    """The jobs that may be started, in the order in which they were asked for."""
    queued = [job for job in find_jobs(folder) if job.state == "queued" and not job.pause_asked]
    return queued[::-1]


def run_next(folder: Path) -> None:
    """Start the job that has waited longest, and wait for its end."""
    for job in waiting(folder)[:1]:
        try:
            spawn(job.folder)
            wait(job.folder)
        except EngineFailed as error:  # it stands in the job's status too
            print(error, file=sys.stderr)
