# SPDX-License-Identifier: GPL-3.0-or-later
"""Is Blender's interface ever held up? Measured in a real window, on the processor alone.

    python -m benchmarks.interface AVATAR [--capture CAPTURE] [--blender 5.2] [--seconds 20]

A timer of 5 ms runs in the window while the timeline is scrubbed; what it is late by is what an
artist waits for. Three times in one run: with avatars switched off in viewports, with them on, and
with a training beside it. Printed are the longest gaps, the longest slice of the add-on's own work
on the main thread (its draw handlers, timer and handlers, each call by itself), and how long after
a change of frame the first picture of it was there.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tooling import window, window_room
from tooling.checkout import CACHE, ROOT
from tooling.environments import ENGINE
from tooling.extension import packaged_files, write_zip

SCREEN = (640, 480)  # there is no graphics card: Blender's own drawing takes the processor's time
SCENARIOS = Path(__file__).with_name("interface_window.py")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks.interface", description=__doc__)
    parser.add_argument("avatar", type=Path)
    parser.add_argument("--capture", type=Path, help="train on this beside it, too")
    parser.add_argument("--blender", default=window_room.NEWEST, choices=window_room.SUITES)
    parser.add_argument("--seconds", type=float, default=20.0, help="for each of the measurements")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    room = window_room.ensure_room(options.blender)
    load = os.getloadavg()[0]
    found = {"load before": round(load, 2), "processors": os.cpu_count()}
    found |= measure(room, options.avatar.resolve(), options.seconds)
    if options.capture:
        with tempfile.TemporaryDirectory(prefix="interface-") as out:
            words = ["train", options.capture.resolve(), out, "--preset", "draft", "--quiet"]
            training = subprocess.Popen(
                [str(ENGINE.python), "-m", "engine", *map(str, words), "--device", "cpu"], cwd=ROOT
            )
            try:
                beside = measure(room, options.avatar.resolve(), options.seconds)
                found["on, training"] = beside["on"]
                found["training ran on"] = training.poll() is None
            finally:
                training.terminate()
                training.wait()
    print(json.dumps(found, indent=2) if options.json else table(found))
    return 0


def measure(room: Path, avatar: Path, seconds: float) -> dict:
    """One window: off, then on."""
    with tempfile.TemporaryDirectory(prefix="interface-") as folder:
        extension = Path(folder) / "partnerface.zip"
        write_zip(extension, packaged_files())
        return window.run_scenario(
            room, SCENARIOS, "window_scrubs", [str(avatar), seconds], Path(folder),
            extension_zip=extension, engine_python=ENGINE.python, cache=CACHE,
            binds=(avatar.parent,), screen=SCREEN, limit_s=240 + 4 * seconds,
        )  # fmt: skip


def table(found: dict) -> str:
    """What was measured, as text."""
    lines = [f"{name}: {value}" for name, value in found.items() if not isinstance(value, dict)]
    rows = {name: value for name, value in found.items() if isinstance(value, dict)}
    names = list(next(iter(rows.values())))
    lines.append("| avatars | " + " | ".join(names) + " |")
    lines.append("|---" * (len(names) + 1) + "|")
    lines += [
        f"| {row} | " + " | ".join(str(value[name]) for name in names) + " |"
        for row, value in rows.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
