# SPDX-License-Identifier: GPL-3.0-or-later
"""Is Blender's interface ever held up? Measured in a real window, on the processor alone.

    python -m benchmarks.interface AVATAR [--capture CAPTURE] [--blender 5.2] [--seconds 20]

A timer of 5 ms runs in the window while the timeline is scrubbed; what it is late by is what an
artist waits for. Three times in one run: with avatars switched off in viewports, with them on, and
with a training beside it. Printed are the longest gaps, the longest slice of the add-on's own work
on the main thread (its draw handlers, timers and handlers, each call by itself), how long after
the viewport asked for it the first picture of a new frame was there, and how long after the change
of frame it was drawn: without a graphics card, Blender's own drawing stands in that twice.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tooling import window, window_room
from tooling.checkout import CACHE
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
    with tempfile.TemporaryDirectory(prefix="interface-") as folder:
        found |= measure(room, options, Path(folder))
    print(json.dumps(found, indent=2) if options.json else table(found))
    return 0


def measure(room: Path, options: argparse.Namespace, folder: Path) -> dict:
    """All of it, in one window."""
    avatar = options.avatar.resolve()
    capture = options.capture.resolve() if options.capture else None
    extension = folder / "partnerface.zip"
    write_zip(extension, packaged_files())
    words = [str(avatar), options.seconds, str(capture or ""), str(folder / "trained")]
    return window.run_scenario(
        room, SCENARIOS, "window_scrubs", words, folder,
        extension_zip=extension, engine_python=ENGINE.python, cache=CACHE,
        binds=(avatar.parent, *([capture] if capture else [])), screen=SCREEN,
        limit_s=480 + 4 * options.seconds,
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
