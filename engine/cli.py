# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: configuration in, one plain function, result out.

Exit status: 0 done, 1 a failure that the user can act on, 3 our own mistake, 130 stopped.
Standard output carries results alone; progress and errors go to standard error.
"""

import importlib
import json
import logging
import sys
import traceback
from collections.abc import Sequence

import tyro

from .config import COMMANDS, Command
from .errors import Cancelled, PartNerFaceError
from .jobs import Job


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", stream=sys.stderr)
    config = tyro.extras.subcommand_cli_from_dict(
        {name: kind for name, (kind, _) in COMMANDS.items()},
        prog="python -m engine",
        description="PartNerFace: a head avatar from one ordinary video.",
        args=arguments,
    )
    name, where = next((name, where) for name, (kind, where) in COMMANDS.items() if type(config) is kind)
    try:
        result = run(name, where, config)
    except (Cancelled, KeyboardInterrupt) as error:
        print(str(error) or "Stopped.", file=sys.stderr)
        return 130
    except PartNerFaceError as error:
        print(str(error), file=sys.stderr)
        if config.json:
            failure = {"code": error.code, "message": error.message, "hint": error.hint}
            print(json.dumps({"error": failure}), flush=True)
        return 1
    except Exception:
        traceback.print_exc()
        print(f"The {name} failed by a mistake of ours; please report the lines above.", file=sys.stderr)
        return 3
    if config.json:
        print(json.dumps(result), flush=True)
    else:
        for key, value in result.items():
            print(f"{key.replace('_', ' ')}: {value:.4g}" if isinstance(value, float) else f"{key.replace('_', ' ')}: {value}")
    return 0


def run(name: str, where: str, config: Command) -> dict:
    """Run a command's function within its job; the figures it returns."""
    module, function = where.split(":")
    with Job(name, config.job, quiet=config.quiet) as job:
        return getattr(importlib.import_module(module, __package__), function)(config, job)
