# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that only Blender's main thread may do, asked for from the thread that renders.

A timer on the main thread looks for it. Blender's list of timers has no lock, so that no other
thread may register one for itself.
"""

import logging
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

import bpy

PATIENCE_S = 5.0  # a main thread that is busier than that is not waited for
INTERVAL_S = 0.05

log = logging.getLogger(__name__)
Result = TypeVar("Result")
_waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()


def run_on_main_thread(work: Callable[[], Result]) -> Result | None:
    """Do the work on the main thread and wait for it; None where the main thread has no time.

    What the work raises is raised here.
    """
    if threading.current_thread() is threading.main_thread():
        return work()
    done, given_up = threading.Event(), threading.Event()
    outcome: list = []

    def do() -> None:
        if not given_up.is_set():
            try:
                outcome.append((work(), None))
            except Exception as error:
                outcome.append((None, error))
        done.set()

    _waiting.put(do)
    if not done.wait(PATIENCE_S):
        given_up.set()
        log.warning("Blender's main thread was busy for %.0f s", PATIENCE_S)
        return None
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def _serve() -> float:
    """Timer: do what has been asked for."""
    while not _waiting.empty():
        _waiting.get()()
    return INTERVAL_S


def attach() -> None:
    """Look for work from now on; in the background renders run on the main thread themselves."""
    if not bpy.app.background:
        bpy.app.timers.register(_serve, first_interval=INTERVAL_S, persistent=True)


def detach() -> None:
    """Look no more."""
    if bpy.app.timers.is_registered(_serve):
        bpy.app.timers.unregister(_serve)
