# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that only Blender's main thread may do, asked for from the thread that renders."""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

import bpy

PATIENCE_S = 5.0  # a main thread that is busier than that is not waited for

log = logging.getLogger(__name__)
Result = TypeVar("Result")


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

    bpy.app.timers.register(do, first_interval=0.0)
    if not done.wait(PATIENCE_S):
        given_up.set()
        log.warning("Blender's main thread was busy for %.0f s", PATIENCE_S)
        return None
    result, error = outcome[0]
    if error is not None:
        raise error
    return result
