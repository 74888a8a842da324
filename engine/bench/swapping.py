# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions of the engine replaced for a while: by slower ones, or by ones with a clock."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

Change = tuple[object, str, object]  # module or class, name in it, what stands there meanwhile

ENGINE = (__package__ or "engine.bench").removesuffix(".bench")


@contextmanager
def swapped(*changes: Change) -> Iterator[None]:
    """Other objects stand in the given places until the context ends, however it ends."""
    kept = [(owner, name, vars(owner)[name]) for owner, name, _ in changes]
    try:
        for owner, name, value in changes:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in reversed(kept):
            setattr(owner, name, value)


def places_of(original: object) -> list[tuple[object, str]]:
    """Every place (module, name) of the engine where `original` was imported to."""
    modules = [
        module
        for name, module in list(sys.modules.items())
        if name == ENGINE or name.startswith(ENGINE + ".")
    ]
    return [
        (module, name)
        for module in modules
        for name, value in vars(module).items()
        if value is original
    ]
