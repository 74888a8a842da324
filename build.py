#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one entry for a newcomer: set up, run the demo, test, package, link into Blender.

Standard library only, safe to run again at any time: finished environments are kept, an
interrupted one is continued. Every failure is one sentence with a way out. This file and tooling/
can be read by Pythons that are too old, so that those are refused with a sentence.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from tooling.checkout import ROOT, BuildError, say
from tooling.environments import BLENDERS, ENGINE, PYTHON, find_python, make_environments
from tooling.extension import link, package
from tooling.suite import child_environment, test
from tooling.window_room import NEWEST, SUITES


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status."""
    try:
        check_python()
        options, rest = parser().parse_known_args(arguments)
        if rest and options.command not in ("demo", "test"):
            raise BuildError(f"{rest[0]} is not an option of {options.command}; see --help.")
        COMMANDS[options.command](options, [word for word in rest if word != "--"])
    except BuildError as error:
        say(str(error), stream=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("\nStopped; run the same command again to go on from here.", stream=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="build.py",
        description="PartNerFace for Blender: set up, demo, test, package, link.",
        epilog="Everything is installed into this folder through your own pip configuration.",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True
    commands.add_parser("setup", help="make the environments .venv and .venv-bpy-VERSION")
    commands.add_parser(
        "demo",
        add_help=False,
        help="film to keyframed, composited, exported avatar; writes demo/report.html",
    )
    test = commands.add_parser(
        "test", help="lint, engine tests, tests in Blender 4.2, 4.5, 5.0, and in a window"
    )
    test.add_argument(
        "--fast", action="store_true", help="engine tests alone, without the slow ones"
    )
    test.add_argument(
        "--window", nargs="?", const=NEWEST, choices=sorted(SUITES), metavar="BLENDER",
        help=f"the tests in a real window alone, in Blender {' or '.join(sorted(SUITES))}",
    )  # fmt: skip
    commands.add_parser("package", help="make and validate dist/partnerface-VERSION.zip")
    link = commands.add_parser("link", help="let a Blender on this machine load this checkout")
    link.add_argument(
        "blender", nargs="?", help="a version such as 4.2, or the folder of Blender's user files"
    )
    return top


def check_python(version: tuple[int, ...] | None = None) -> None:
    """Refuse a Python that cannot run this, and name one that can."""
    version = tuple(version or sys.version_info[:2])
    if version < PYTHON:
        found = find_python()
        way = f"use {found} instead" if found else "install Python 3.11 and use that"
        found_version = ".".join(str(number) for number in version)
        raise BuildError(f"This is Python {found_version}, and 3.11 is needed: {way}.")


def setup(options: argparse.Namespace, rest: list[str]) -> None:
    """Make every environment that is missing or out of date."""
    make_environments([ENGINE, *BLENDERS.values()])


def demo(options: argparse.Namespace, rest: list[str]) -> None:
    """Set up, package, and run the demo; `rest` goes to showcase/pipeline.py."""
    make_environments([ENGINE, BLENDERS["4.2"]])
    if not set(rest) & {"-h", "--help"}:
        package()
    command = [str(ENGINE.python), "-m", "showcase.pipeline", *rest]
    status = subprocess.run(command, cwd=ROOT, env=child_environment()).returncode
    if status:
        raise SystemExit(status)


COMMANDS = {
    "setup": setup,
    "demo": demo,
    "test": test,
    "package": lambda options, rest: package(),
    "link": lambda options, rest: link(options.blender),
}

if __name__ == "__main__":
    raise SystemExit(main())
