# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work that reports, can be cancelled, and leaves a trace: the job folder.

What lies in the folder is said in `job_folder`. `status.json` is rewritten at most five times a
second. A file `cancel`, Ctrl-C and SIGTERM stop the job at its next step; a file `pause` makes it
wait there, idle, until the file is gone.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from .errors import Cancelled, InputError, SpaceError, explain
from .files import json_text, space_error, write_text_atomic
from .job_folder import CANCEL, PAUSE, PREVIEW, SCHEMA_VERSION, STATUS, hold_lock

STATUS_INTERVAL_S = 0.2
PAUSE_POLL_S = 0.2
LOCK_TIMEOUT_S = 2.0  # whoever asks whether the job lives holds the lock for an instant

log = logging.getLogger(__name__)


class Job(AbstractContextManager["Job"]):
    """One long piece of work.

    Progress goes to standard error (a line rewritten in place on a terminal, one line every ten
    seconds elsewhere) and, where a folder is given, to `status.json` in it.

    Args:
        kind: what the job does, one word ("train").
        folder: the job folder, made if need be; None reports to the terminal alone.
        quiet: no terminal output.
    """

    def __init__(self, kind: str, folder: Path | None = None, *, quiet: bool = False) -> None:
        self.kind = kind
        self.folder = folder
        self.quiet = quiet
        self.started = time.time()
        self.result: Mapping = {}  # what the command returned
        self._status: dict[str, object] = {}
        self._last_status = self._last_line = 0.0
        self._interrupted = False
        self._old_handlers: dict[int, object] = {}
        self._lock: int | None = None
        self._phase_started = self.started
        self._phase, self._phase_first = "", 0  # its name, and the step that it began with
        self._width = 0

    def __enter__(self) -> "Job":
        """Take over Ctrl-C: the first one stops the job at its next step, the second ends it.

        Raises:
            SpaceError: the job folder cannot be made.
            InputError: another job is at work in it.
        """
        if self.folder is not None:
            self._enter_folder(self.folder)
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old_handlers[number] = signal.signal(number, self._interrupt)
        self._write(state="running")
        return self

    def _enter_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            deadline = time.monotonic() + LOCK_TIMEOUT_S
            while (lock := hold_lock(folder)) is None and time.monotonic() < deadline:
                time.sleep(0.02)
            # A flag is stale unless whoever started this process has prepared the folder.
            if lock is not None and _last_state(folder) != "starting":
                for flag in (CANCEL, PAUSE):
                    (folder / flag).unlink(missing_ok=True)
        except OSError as error:
            raise space_error(folder, error) from error
        if lock is None:
            raise InputError(
                f"Another job is at work in {folder}.", "Wait for it, or choose another job folder."
            )
        self._lock = lock

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Record how the job ended."""
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._end_line()
        if self.folder is not None:  # before anybody can read that the job has ended
            for flag in (CANCEL, PAUSE):
                try:
                    (self.folder / flag).unlink(missing_ok=True)
                except OSError:  # on Windows, whoever wrote it may still have it open
                    pass
        if error is None:
            self._write(state="done", fraction=1.0, eta_s=0.0, result=self.result)
        elif isinstance(error, Cancelled | KeyboardInterrupt):
            self._write(state="cancelled", message="Stopped; what was done is kept.")
        else:
            told = explain(error)
            report = {"code": told.code, "message": told.message, "hint": told.hint}
            self._write(state="failed", error=report)
        if self._lock is not None:
            os.close(self._lock)

    def update(self, message: str, step: int, total: int, **figures: float | str) -> None:
        """Say how far the work is, and stop here if somebody asked for it.

        Args:
            message: the phase, a few words; the time left is reckoned anew for each phase.
            step: steps done in this phase.
            total: steps of this phase.
            figures: what else to show (loss, psnr, …).

        Raises:
            Cancelled: on Ctrl-C, or when the job folder holds a file named `cancel`.
        """
        now = time.time()
        if message != self._phase:
            self._end_line()
            self._phase, self._phase_started, self._phase_first = message, now, step
        elapsed, taken = now - self._phase_started, step - self._phase_first
        eta = elapsed / taken * (total - step) if taken > 0 else 0.0
        self._status.update(
            message=message,
            step=step,
            total=total,
            fraction=step / max(total, 1),
            eta_s=round(eta, 1),
            figures=figures,
        )
        if now - self._last_status > STATUS_INTERVAL_S or step >= total:
            self._last_status = now
            self._write(state="running")
        self._print_line(now, last=step >= total)
        self.check()

    @property
    def preview(self) -> Path | None:
        """Where a picture of what the job makes may be written; None where nobody would see it."""
        return None if self.folder is None else self.folder / PREVIEW

    def check(self) -> None:
        """Wait here if the job is to pause; raise `Cancelled` if it is to stop."""
        if self._asked(PAUSE) and not self._stopped():
            self._wait()
        if self._stopped():
            raise Cancelled(
                f"The {self.kind} was stopped; what was done so far is kept.",
                "Run the same command again to go on.",
            )

    def _wait(self) -> None:
        """Do nothing until the pause is over, or the job is to stop altogether."""
        began = time.time()
        self._write(state="paused")
        while self._asked(PAUSE) and not self._stopped():
            time.sleep(PAUSE_POLL_S)
        self._phase_started += time.time() - began  # the time left is reckoned from work alone
        self._write(state="running")

    def _asked(self, flag: str) -> bool:
        return self.folder is not None and (self.folder / flag).exists()

    def _stopped(self) -> bool:
        return self._interrupted or self._asked(CANCEL)

    def _interrupt(self, number: int, frame: object) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True

    def _write(self, **entries: object) -> None:
        """Replace status.json. A full disk is no reason to stop work that may not need it."""
        self._status.update(entries)
        if self.folder is None:
            return
        status = {
            "schema_version": SCHEMA_VERSION,
            "kind": self.kind,
            "pid": os.getpid(),
            "started": self.started,
            "updated": time.time(),
            **self._status,
        }
        try:
            write_text_atomic(self.folder / STATUS, json_text(status))
        except SpaceError as error:
            log.warning("%s", error)

    def _print_line(self, now: float, *, last: bool) -> None:
        terminal = sys.stderr.isatty()
        if self.quiet or (now - self._last_line < (0.2 if terminal else 10.0) and not last):
            return
        self._last_line = now
        step, total = self._status["step"], self._status["total"]
        figures = "  ".join(
            f"{name.replace('_', ' ')} {value:.4g}"
            if isinstance(value, float)
            else f"{name.replace('_', ' ')} {value}"
            for name, value in self._status["figures"].items()  # type: ignore[attr-defined]
        )
        left = clock(self._status["eta_s"])  # type: ignore[arg-type]
        line = f"{self.kind}: {self._phase}  {step}/{total}  {figures}  {left} left"
        if terminal:
            sys.stderr.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def _end_line(self) -> None:
        if self._width and not self.quiet:
            sys.stderr.write("\n")
            self._width = 0


def _last_state(folder: Path) -> object:
    """The state in the folder's status.json; None where there is none that can be read."""
    try:
        return json.loads((folder / STATUS).read_text(encoding="utf-8")).get("state")
    except (OSError, ValueError, AttributeError):
        return None


def clock(seconds: float) -> str:
    """Seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
