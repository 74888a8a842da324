# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the engine from the render thread: it starts by itself, and Esc is always heard."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from ...engine.errors import Cancelled
from ..connection import engine_link
from ..connection.engine_process import EngineProcess, RenderRequest

AHEAD = 2  # requests that wait in the engine behind the one that is awaited
POLL_S = 0.05
Made = TypeVar("Made")


class Dispatcher:
    """The engine of one frame; begun anew when the engine was lost.

    Args:
        settings: how to start the engine.
        should_stop: asked often, also while the engine starts.
    """

    def __init__(
        self, settings: engine_link.EngineSettings, should_stop: Callable[[], bool]
    ) -> None:
        self._settings, self._should_stop = settings, should_stop
        self._headers: dict[Path, Mapping] = {}
        self._engine: EngineProcess | None = None

    def header(self, path: Path) -> Mapping:
        """What the engine tells of an avatar file; starts the engine and opens the file if need be.

        Raises:
            Cancelled: by `should_stop`; the engine goes on starting, for the next time.
            EngineFailed: it cannot be started, or cannot read the file.
            AvatarFileError: there is no such file.
        """
        if path not in self._headers:

            def opened() -> tuple[Mapping, EngineProcess]:
                header = engine_link.describe_avatar(self._settings, path)
                return header, engine_link.ensure_engine(self._settings)

            self._headers[path], self._engine = waited_for(opened, self._should_stop)
        return self._headers[path]

    def planes(
        self, requests: Sequence[RenderRequest], on_progress: Callable[[float], None]
    ) -> Iterator[dict[str, np.ndarray]]:
        """The planes of each request, in order; the next ones are asked for meanwhile.

        Raises:
            Cancelled: by `should_stop`.
            EngineFailed: the engine refused, died or hung.
        """
        assert self._engine is not None or not requests, "requests need a header's handle"
        waiting: deque = deque()
        sent = 0
        try:
            for number in range(len(requests)):
                while sent < len(requests) and len(waiting) <= AHEAD:
                    waiting.append(self._engine.submit_render(requests[sent]))
                    sent += 1
                answer = waiting[0].result(
                    self._settings.timeout_s,
                    self._should_stop,
                    lambda done, n=number: on_progress((n + (done or 0)) / len(requests)),
                )
                waiting.popleft()
                yield dict(answer.arrays)
        finally:
            for pending in waiting:
                pending.cancel()


def waited_for(work: Callable[[], Made], should_stop: Callable[[], bool]) -> Made:
    """What `work` returns or raises, done in another thread so that `should_stop` is heard.

    Raises:
        Cancelled: by `should_stop`; the work goes on.
    """
    found: dict = {}

    def run() -> None:
        try:
            found["made"] = work()
        except BaseException as error:
            found["error"] = error

    thread = threading.Thread(target=run, name="partnerface start", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(POLL_S)
        if thread.is_alive() and should_stop():
            raise Cancelled("The rendering was stopped.")
    if "error" in found:
        raise found["error"]
    return found["made"]
