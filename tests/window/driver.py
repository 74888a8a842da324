# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in the window: installs the extension, drives one scenario from a timer, and leaves.

Usage: blender --python driver.py -- TASK.json (see `tooling.window.run_scenario`)
"""

import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import bpy

FIRST_DRAW_S = 0.5  # until the window is there


def load(file: str, name: str) -> object:
    """The module in a file."""
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def leave(status: int) -> None:
    """End this Blender at once; the namespace ends what it has started."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def guarded(work):
    """The function, ending Blender with the traceback in the log when it raises."""

    def run():
        try:
            return work()
        except BaseException:
            traceback.print_exc()
            leave(1)

    return run


def drive(scenario: Iterator[float], result: Path) -> None:
    """Let the scenario go on whenever the seconds that it yielded are over."""

    def step() -> float:
        try:
            return float(next(scenario) or 0.0)
        except StopIteration as end:
            result.write_text(json.dumps(end.value))
            leave(0)

    bpy.app.timers.register(guarded(step), first_interval=FIRST_DRAW_S, persistent=True)


@guarded
def main() -> None:
    """Install, find the scenario, drive it."""
    task = json.loads(Path(sys.argv[sys.argv.index("--") + 1]).read_text())
    here = Path(__file__).parent
    load(str(here.parent / "blender" / "blender_side.py"), "blender_side")
    side = load(str(here / "window_side.py"), "window_side")
    side.FOLDER = Path(task["folder"])
    bpy.context.preferences.view.show_splash = False
    if task["zip"]:
        sys.modules["blender_side"].install(task["zip"])
    scenario = getattr(load(task["file"], "scenarios"), task["function"])
    drive(scenario(*task["arguments"]), Path(task["folder"]) / "result.json")


main()
