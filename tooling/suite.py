# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check in one run: lint, engine tests, and tests in real Blenders, with a summary.

Engine and Blender are tested side by side. Tests in Blender's window need what not every machine
has (see `window_room`); where it is lacking they are told as NOT RUN, with the reason, and never
as passed.
"""

from __future__ import annotations

import argparse

from .checkout import CACHE, ROOT, BuildError, clock, say
from .environments import BLENDERS, ENGINE, make_environments
from .extension import package, zip_path
from .running import clean_environment
from .steps import NOT_RUN, PASSED, Step, run_lanes
from .window_room import NEWEST, NoRoomError, ensure_room

# Against tests that hang. Two cores without AVX512, with work beside, need up to 25, 15 and 9 min.
ENGINE_TESTS_LIMIT_S = 2400
BLENDER_TESTS_LIMIT_S = 1500
WINDOW_TESTS_LIMIT_S = 1200
TEST_PATHS = ["tests", "--ignore=tests/blender", "--ignore=tests/window"]
SLOWEST = "--durations=25"  # named at the end of a whole run, which has half an hour
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
    few = options.fast or bool(rest) or bool(window)
    make_environments([ENGINE] if few else [ENGINE, *BLENDERS.values()])
    outcomes = run_lanes(lanes(options.fast, window, rest))
    say("\n== summary")
    for title, outcome, seconds in outcomes:
        say(f"{title:20} {outcome:8} {clock(seconds)}")
    harmless = (PASSED,) if window else (PASSED, NOT_RUN)
    failed = [title for title, outcome, _ in outcomes if outcome not in harmless]
    if failed:
        raise BuildError(f"Not passed: {', '.join(failed)}; the lines above say why.")


def lanes(fast: bool, window: str | None, rest: list[str]) -> list[list[Step]]:
    """What is run side by side: the engine's tests, and those in Blender."""
    if window:
        return [[window_step(window, rest)]]
    chosen = [word for word in rest if (ROOT / word.split("::")[0]).exists()]
    words = [*(["-m", "not slow"] if fast and not rest else []), *rest]
    engine = [ENGINE.python, "-m", "pytest", *words, *([] if chosen else [*TEST_PATHS, SLOWEST])]
    environment = child_environment()
    lint = Step("ruff", [ENGINE.python, "-m", "ruff", "check", "."], 120, environment)
    tests = [lint, Step("engine tests", engine, ENGINE_TESTS_LIMIT_S, environment)]
    if fast or rest:
        return [tests]
    package()
    steps = {version: blender_step(version) for version in BLENDERS}
    beside = steps.pop("4.5")  # so that both lanes take about as long
    return [[*tests, beside], [*steps.values(), window_step(NEWEST, [])]]


def blender_step(version: str) -> Step:
    """The tests in this Blender without a window."""
    command = [BLENDERS[version].python, "-c", PYTEST_AND_LEAVE, "tests/blender", SLOWEST]
    return Step(f"Blender {version} tests", command, BLENDER_TESTS_LIMIT_S, child_environment())


def window_step(version: str, rest: list[str]) -> Step:
    """The tests in a real window of this Blender."""
    chosen = [word for word in rest if (ROOT / word.split("::")[0]).exists()]
    command = [ENGINE.python, "-m", "pytest", *rest, *([] if chosen else ["tests/window"])]
    environment = child_environment() | {"PARTNERFACE_WINDOW_VERSION": version}

    def prepare() -> str:
        try:
            ensure_room(version)
        except NoRoomError as error:
            return str(error)
        return ""

    return Step(f"Blender {version} window", command, WINDOW_TESTS_LIMIT_S, environment, prepare)


def child_environment() -> dict[str, str]:
    """The environment in which the demo and the tests run."""
    return clean_environment(
        PARTNERFACE_PYTHON=str(ENGINE.python),
        PARTNERFACE_CACHE=str(CACHE),
        PARTNERFACE_ZIP=str(zip_path()),
        PYTHONUNBUFFERED="1",
    )
