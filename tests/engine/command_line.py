# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line in the tests' own process: torch is loaded once, and not for every command."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from engine.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


def engine(*words):
    """Run a command to its end, whatever that is."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(list(map(str, words)))
    return Ended(status, out.getvalue(), err.getvalue())


def result_of(*words):
    """The result of a command that succeeds."""
    ended = engine(*words, "--json", "--quiet")
    assert ended.status == 0, ended.err
    return json.loads(ended.out.splitlines()[-1])
