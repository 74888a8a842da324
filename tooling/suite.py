# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check in one run: lint, engine tests, and tests in real Blenders, with a summary.

Tests in Blender's window need what not every machine has (see `window_room`); where it is lacking
they are told as NOT RUN, with the reason, and never as passed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import time

from .checkout import CACHE, ROOT, BuildError, clock, say
from .environments import BLENDERS, ENGINE, make_environments
from .extension import package, zip_path
from .running import clean_environment
from .window_room import NEWEST, NoRoomError, ensure_room

ENGINE_TESTS_LIMIT_S = 1200
BLENDER_TESTS_LIMIT_S = 600
WINDOW_TESTS_LIMIT_S = 900
NOT_RUN = "NOT RUN"
TEST_PATHS = ["tests", "--ignore=tests/blender", "--ignore=tests/window"]
# bpy can hang or crash while the interpreter is taken down, after every test has passed
PYTEST_AND_LEAVE = (
    "import os, sys, pytest\n"
    "status = pytest.main(['-q', *sys.argv[1:]])\n"
    "sys.stdout.flush(); sys.stderr.flush()\n"
    "os._exit(int(status))"
)


def test(options: argparse.Namespace, rest: list[str]) -> None:
    """Set up, lint, and run every test, then sum up; `rest` are words for pytest.

    Raises:
        BuildError: something failed, or the window was asked for and there is none.
    """
    window = options.window  # a Blender version, or None
    fast = options.fast or bool(rest) or bool(window)
    make_environments([ENGINE] if fast else [ENGINE, *BLENDERS.values()])
    report = []
    for title, command, limit in [] if window else steps(fast, rest):
        say(f"\n== {title}")
        report.append((title, *run_step(command, limit)))
    if window or not fast:
        report.append(run_window(window or NEWEST, rest))
    say("\n== summary")
    for title, outcome, seconds in report:
        say(f"{title:20} {outcome:8} {clock(seconds)}")
    harmless = ("passed",) if window else ("passed", NOT_RUN)
    failed = [title for title, outcome, _ in report if outcome not in harmless]
    if failed:
        raise BuildError(f"Not passed: {', '.join(failed)}; the lines above say why.")


def run_window(version: str, rest: list[str]) -> tuple[str, str, float]:
    """The tests in a real window of this Blender: title, outcome, seconds."""
    title = f"Blender {version} window"
    say(f"\n== {title}")
    started = time.monotonic()
    try:
        ensure_room(version)
    except NoRoomError as error:
        say(f"{NOT_RUN}: {error}")
        return title, NOT_RUN, time.monotonic() - started
    chosen = [word for word in rest if (ROOT / word.split("::")[0]).exists()]
    command = [ENGINE.python, "-m", "pytest", *rest, *([] if chosen else ["tests/window"])]
    os.environ["PARTNERFACE_WINDOW_VERSION"] = version
    outcome, _ = run_step(command, WINDOW_TESTS_LIMIT_S)
    return title, outcome, time.monotonic() - started


def steps(fast: bool, rest: list[str]) -> list[tuple[str, list, int]]:
    """What is run: (title, command, limit in seconds)."""
    chosen = [word for word in rest if (ROOT / word.split("::")[0]).exists()]
    engine = [ENGINE.python, "-m", "pytest", *(["-m", "not slow"] if fast and not rest else [])]
    listed = [
        ("ruff", [ENGINE.python, "-m", "ruff", "check", "."], 120),
        ("engine tests", [*engine, *rest, *([] if chosen else TEST_PATHS)], ENGINE_TESTS_LIMIT_S),
    ]
    if not fast:
        package()
        for version, environment in BLENDERS.items():
            command = [environment.python, "-c", PYTEST_AND_LEAVE, "tests/blender"]
            listed.append((f"Blender {version} tests", command, BLENDER_TESTS_LIMIT_S))
    return listed


def run_step(command: list, limit: float) -> tuple[str, float]:
    """Run one step of the tests; its outcome in a word, and the seconds it took."""
    started = time.monotonic()
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=ROOT,
        env=child_environment(),
        start_new_session=os.name != "nt",  # so that what it started can be ended with it
    )
    try:
        status = process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        end_group(process)
        say(f"It did not end within {clock(limit)} and was stopped.")
        return "too long", time.monotonic() - started
    except BaseException:
        end_group(process)
        raise
    return "passed" if status == 0 else "FAILED", time.monotonic() - started


def end_group(process: subprocess.Popen) -> None:
    """End a process that was started in a session of its own, and its children."""
    if os.name == "nt":
        process.kill()
    else:
        os.killpg(process.pid, 9)
    process.wait()


def child_environment() -> dict[str, str]:
    """The environment in which the demo and the tests run."""
    return clean_environment(
        PARTNERFACE_PYTHON=str(ENGINE.python),
        PARTNERFACE_CACHE=str(CACHE),
        PARTNERFACE_ZIP=str(zip_path()),
        PYTHONUNBUFFERED="1",
    )
