# SPDX-License-Identifier: GPL-3.0-or-later
"""The set-up as a job: the same folder and files as the engine's jobs, standard library alone."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from ...engine.errors import Cancelled, InternalError, PartNerFaceError
from ...engine.job_folder import CANCEL, LOG, PAUSE, hold_lock
from ..connection.child_process import detached
from ..jobs.status import write_state

POLL_S = 0.3
KIND = "setup"


class Report:
    """How far the set-up is, told in its job folder; enter it to hold the folder's lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.result: Mapping = {}
        self._entries: dict[str, object] = {"kind": KIND, "started": time.time()}
        self._began = time.monotonic()

    def __enter__(self) -> "Report":
        """Take the folder over."""
        self._lock = None
        for _ in range(100):  # whoever looks holds the lock for an instant
            if (lock := hold_lock(self.folder)) is not None:
                self._lock = lock
                break
            time.sleep(0.02)
        self._write("running")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Record how it ended; nothing is raised any further."""
        if error is None:
            self._entries.update(fraction=1.0, eta_s=0.0, result=dict(self.result))
            self._write("done")
        elif isinstance(error, Cancelled | KeyboardInterrupt):
            self._entries.update(message="Stopped; what was fetched so far is kept.")
            self._write("cancelled")
        else:
            if not isinstance(error, PartNerFaceError):
                error = InternalError(
                    f"The set-up failed by a mistake of ours ({type(error).__name__}: {error}).",
                    "Look at the log, and please report it.",
                )
            code, message, hint = error.code, error.message, error.hint
            self._entries["error"] = {"code": code, "message": message, "hint": hint}
            self._write("failed")
        for flag in (CANCEL, PAUSE):
            (self.folder / flag).unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
        return kind is None or issubclass(kind, Exception)

    def at(self, message: str, fraction: float) -> None:
        """Say how far it is, and stop here if somebody asked for it."""
        passed = time.monotonic() - self._began
        left = passed / fraction * (1 - fraction) if fraction > 0.05 else 0.0
        self._entries.update(message=message, fraction=min(fraction, 1.0), eta_s=round(left, 1))
        self._entries.update(step=round(100 * fraction), total=100)
        self._write("running")
        self.check()

    def check(self) -> None:
        """Wait where the job is to pause; raise `Cancelled` where it is to stop."""
        if (self.folder / PAUSE).exists() and not (self.folder / CANCEL).exists():
            self._write("paused")
            while (self.folder / PAUSE).exists() and not (self.folder / CANCEL).exists():
                time.sleep(POLL_S)
            self._write("running")
        if (self.folder / CANCEL).exists():
            raise Cancelled("The set-up was stopped.", "Resume it to go on.")

    def run(
        self,
        command: list[str],
        environment: Mapping[str, str],
        message: str,
        progress: Callable[[float], float],
    ) -> tuple[int, str]:
        """Run a command to its end, or end it when the job is to stop.

        Args:
            command: the program and its words.
            environment: all its variables.
            message: what it does, for the artist.
            progress: seconds since its start → share of the whole set-up that is done.

        Returns:
            Its exit status and what it said.
        """
        said = self.folder / "said.txt"
        with open(said, "wb") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=dict(environment), **detached(),
            )  # fmt: skip
        began = time.monotonic()
        try:
            while process.poll() is None:
                self.at(message, progress(time.monotonic() - began))
                time.sleep(POLL_S)
        except BaseException:
            process.terminate()
            try:
                process.wait(5.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
        finally:
            text = said.read_text(encoding="utf-8", errors="replace")
            with open(self.folder / LOG, "a", encoding="utf-8") as log:
                log.write(f"$ {' '.join(command)}\n{text}\n")
            said.unlink(missing_ok=True)
        return process.returncode, text

    def _write(self, state: str) -> None:
        try:
            write_state(self.folder, state, pid=os.getpid(), **self._entries)
        except OSError:
            pass  # a full disk: the set-up itself will say so
