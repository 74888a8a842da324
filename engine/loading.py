# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading large libraries without looking for garbage that they do not make."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collecting() -> Iterator[None]:
    """Python does not look for garbage meanwhile: with torch it would four times, for 0.4 s."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
