# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work that reports, can be cancelled, and leaves a trace: the job folder.

A job folder holds `status.json` (rewritten atomically, at most five times a second), and the file
`cancel`, which anybody may create to stop the job at its next step. Ctrl-C does the same.
"""

import json
import os
import signal
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from .errors import Cancelled, PartNerFaceError
from .files import write_text_atomic

SCHEMA_VERSION = 1
STATUS_INTERVAL_S = 0.2


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
        self._status: dict[str, object] = {}
        self._last_status = self._last_line = 0.0
        self._interrupted = False
        self._old_handler: object = None
        self._phase_started = self.started
        self._phase = ""
        self._width = 0

    def __enter__(self) -> "Job":
        """Take over Ctrl-C: the first one asks the job to stop at its next step, the second ends it."""
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "cancel").unlink(missing_ok=True)
        try:
            self._old_handler = signal.signal(signal.SIGINT, self._interrupt)
        except ValueError:  # not the main thread: the owner of the thread handles Ctrl-C
            self._old_handler = None
        self._write(state="running")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Record how the job ended."""
        if self._old_handler is not None:
            signal.signal(signal.SIGINT, self._old_handler)  # type: ignore[arg-type]
        self._end_line()
        if error is None:
            self._write(state="done", fraction=1.0, eta_s=0.0)
        elif isinstance(error, Cancelled | KeyboardInterrupt):
            self._write(state="cancelled", message="Stopped; what was done is kept.")
        elif isinstance(error, PartNerFaceError):
            report = {"code": error.code, "message": error.message, "hint": error.hint}
            self._write(state="failed", error=report)
        else:
            report = {"code": "internal", "message": str(error), "hint": "See the log."}
            self._write(state="failed", error=report)

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
            self._phase, self._phase_started = message, now
        elapsed = now - self._phase_started
        eta = elapsed / step * (total - step) if step else 0.0
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

    def check(self) -> None:
        """Raise `Cancelled` if somebody asked the job to stop."""
        asked = self.folder is not None and (self.folder / "cancel").exists()
        if asked or self._interrupted:
            raise Cancelled(f"The {self.kind} was stopped; what was done so far is kept.",
                            "Run the same command again to go on.")

    def _interrupt(self, number: int, frame: object) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True

    def _write(self, **entries: object) -> None:
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
        write_text_atomic(self.folder / "status.json", json.dumps(status))

    def _print_line(self, now: float, *, last: bool) -> None:
        terminal = sys.stderr.isatty()
        if self.quiet or (now - self._last_line < (0.2 if terminal else 10.0) and not last):
            return
        self._last_line = now
        step, total = self._status["step"], self._status["total"]
        figures = "  ".join(
            f"{name.replace('_', ' ')} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in self._status["figures"].items()  # type: ignore[attr-defined]
        )
        line = f"{self.kind}: {self._phase}  {step}/{total}  {figures}  {clock(self._status['eta_s'])} left"  # type: ignore[arg-type]
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


def clock(seconds: float) -> str:
    """Seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
