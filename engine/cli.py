# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: configuration in, one plain function, result out.

Exit status: 0 done, 1 a failure that the user can act on, 3 our own mistake, 130 stopped.
Standard output carries results alone; progress and errors go to standard error.
"""

import importlib
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import reduce
from operator import or_
from typing import Annotated, Any

import tyro

from .config import COMMANDS, Command
from .errors import Cancelled, InternalError, PartNerFaceError, explain
from .files import json_text
from .jobs import Job
from .loading import without_collecting

GROUPS = {"head": "List head models, make them quick to open, and draw them."}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", stream=sys.stderr)
    config = tyro.cli(
        command_line(),
        prog="python -m engine",
        description="PartNerFace: a head avatar from one ordinary video.",
        args=arguments,
    )
    name = next(name for name, (kind, _) in COMMANDS.items() if type(config) is kind)
    try:
        with results_only():
            result = run(name, config)
    except (Cancelled, KeyboardInterrupt) as error:
        print(str(error) or "Stopped.", file=sys.stderr)
        return 130
    except Exception as error:
        told = explain(error)
        if isinstance(told, InternalError):
            traceback.print_exc()
        print(told, file=sys.stderr)
        if config.json:
            print_json({**told.report, "error": _failure(told)})
        return 3 if isinstance(told, InternalError) else 1
    if config.json:
        print_json(result)
    else:
        print_figures(result)
    return 0


def command_line() -> object:
    """What tyro makes the command line of: a choice of words, some of which leave another."""
    tree: dict[str, object] = {}
    for name, (kind, _) in COMMANDS.items():
        first, _, second = name.partition(" ")
        if second:
            choice = Annotated[kind, tyro.conf.subcommand(second)]
            tree[first] = tree[first] | choice if first in tree else choice
        else:
            tree[first] = kind
    words = [
        tyro.conf.subcommand(first, constructor=kind, description=GROUPS.get(first))
        for first, kind in tree.items()
    ]
    return reduce(or_, [Annotated[Any, word] for word in words])


def run(name: str, config: Command) -> dict:
    """Run a command's function within its job; the figures it returns."""
    module, function = COMMANDS[name][1].split(":")
    with Job(name, config.job, quiet=config.quiet) as job:
        with without_collecting():
            module = importlib.import_module(module, __package__)
        job.result = getattr(module, function)(config, job)
    return dict(job.result)


@contextmanager
def results_only() -> Iterator[None]:
    """Whatever libraries print meanwhile goes to standard error, from Python or from C."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def print_json(result: Mapping) -> None:
    """One JSON object on one line."""
    print(json_text(result), flush=True)


def print_figures(result: Mapping) -> None:
    """One figure a line, for people."""
    for key, value in result.items():
        shown = f"{value:.4g}" if isinstance(value, float) else value
        print(f"{key.replace('_', ' ')}: {shown}")


def _failure(error: PartNerFaceError) -> dict:
    return {"code": error.code, "message": error.message, "hint": error.hint}
