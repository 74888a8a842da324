# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of a test run: commands with a limit, in lanes that run side by side."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from .checkout import LOGS, ROOT, clock, say

PASSED, FAILED, TOO_LONG, NOT_RUN = "passed", "FAILED", "too long", "NOT RUN"
Outcome = tuple  # (title, one of the four words, seconds)


class Step:
    """One command of a test run.

    Args:
        title: what it is called.
        command: what is run.
        limit_s: then it is ended, and what it started with it.
        environment: of the process.
        prepare: called first; a sentence that it returns says why the step cannot be run here.
    """

    def __init__(
        self,
        title: str,
        command: list,
        limit_s: float,
        environment: dict[str, str],
        prepare: Callable[[], str] = lambda: "",
    ) -> None:
        self.title = title
        self.command = [str(word) for word in command]
        self.limit_s = limit_s
        self.environment = environment
        self.prepare = prepare
        self.process: subprocess.Popen | None = None

    def run(self, log: Path | None = None) -> Outcome:
        """Run it, its output into `log` or straight out."""
        started = time.monotonic()
        lacking = self.prepare()
        if lacking:
            self._tell(f"{NOT_RUN}: {lacking}\n", log)
            return self.title, NOT_RUN, time.monotonic() - started
        output = open(log, "wb") if log else None
        try:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT if log else None,
                start_new_session=os.name != "nt",  # so that what it starts is ended with it
            )
            status = self.process.wait(timeout=self.limit_s)
        except subprocess.TimeoutExpired:
            self.end()
            self._tell(f"It did not end within {clock(self.limit_s)} and was stopped.\n", log)
            return self.title, TOO_LONG, time.monotonic() - started
        except BaseException:
            self.end()
            raise
        finally:
            if output:
                output.close()
        return self.title, PASSED if status == 0 else FAILED, time.monotonic() - started

    def end(self) -> None:
        """End its process and what that started, if it runs."""
        if self.process is None or self.process.poll() is not None:
            return
        if os.name == "nt":
            self.process.kill()
        else:
            os.killpg(self.process.pid, 9)
        self.process.wait()

    def _tell(self, text: str, log: Path | None) -> None:
        if log is None:
            say(text.rstrip())
            return
        with open(log, "ab") as file:
            file.write(text.encode())


def run_lanes(lanes: list[list[Step]]) -> list[Outcome]:
    """Run the steps of each lane in order, and the lanes side by side; the outcomes, lane by lane.

    One lane alone shows its output as it comes; of several, each step's is shown when it ends.
    """
    if len(lanes) == 1:
        outcomes = []
        for step in lanes[0]:
            say(f"\n== {step.title}")
            outcomes.append(step.run())
        return outcomes
    LOGS.mkdir(parents=True, exist_ok=True)
    showing, stopped = threading.Lock(), threading.Event()

    def run_lane(steps: list[Step]) -> list[Outcome]:
        outcomes = []
        for step in steps:
            if stopped.is_set():
                break
            log = LOGS / f"test {step.title}.log"
            log.write_bytes(b"")
            say(f"-- {step.title} begins")
            outcomes.append(step.run(log))
            with showing:
                text = log.read_text(encoding="utf-8", errors="replace").strip()
                say(f"\n== {step.title}: {outcomes[-1][1]}\n{text}")
        return outcomes

    with ThreadPoolExecutor(len(lanes)) as pool:
        futures = [pool.submit(run_lane, steps) for steps in lanes]
        try:
            while wait(futures, timeout=0.5).not_done:
                pass
        except BaseException:  # Ctrl-C
            stopped.set()
            for step in (step for steps in lanes for step in steps):
                step.end()
            raise
    return [outcome for future in futures for outcome in future.result()]
