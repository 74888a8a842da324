# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: every stage through the real command line, from film to report.

Run by `python3 build.py demo`. Finished stages are kept unless their settings change; an
interrupted one goes on where it stopped. Everything lies in one folder (showcase/layout.py).
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tooling.checkout import ROOT, clock, say

from . import layout
from .plan import CLIP, SYNTHETIC, Demo, stages
from .result import compose, summary
from .stages import Notebook, Stage, StageError, StageStopped, remove, run_stage

NOTEBOOK = Path("stages.json")
LOGS = Path("logs")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; the exit status."""
    options = parser().parse_args(arguments)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # see engine/__main__.py
    demo = asked_for(options)
    started = time.monotonic()
    if options.fresh:
        clear(demo.out)
    try:
        notebook = run(stages(demo), demo.out)
    except StageError as error:
        say(str(error), stream=sys.stderr)
        return 1
    except (StageStopped, KeyboardInterrupt):
        say("Stopped; run the same command again to go on from here.", stream=sys.stderr)
        return 130
    result = compose(demo, notebook, {stage.name: stage.title for stage in stages(demo)})
    (demo.out / layout.RESULT).write_text(json.dumps(result, indent=1), encoding="utf-8")
    from .report import write_report  # brings torch and warp along, which no stage should wait for

    write_report(demo.out)
    say("")
    for line in summary(result):
        say(line)
    say(f"\nDone in {clock(time.monotonic() - started)}. Open {demo.out / layout.REPORT}")
    say(f"and, in Blender, {demo.out / layout.SCENE}")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="build.py demo",
        description="From a film to a keyframed, composited and exported avatar, with a report. "
        "Without a clip the subject is a procedural one, whose truth is known.",
    )
    top.add_argument("--video", type=Path, metavar="CLIP", help="a video of one head")
    top.add_argument("--head", default="generic", help="generic, or the npz file of a head model")
    top.add_argument("--size", type=int, default=0, help="width and height of the pictures, px")
    top.add_argument("--steps", type=int, default=0, help="training steps of each method")
    top.add_argument("--out", type=Path, default=ROOT / "demo", help="folder of the results")
    top.add_argument("--fresh", action="store_true", help="keep nothing of an earlier run")
    return top


def asked_for(options: argparse.Namespace) -> Demo:
    """The demo that the command line describes."""
    budget = CLIP if options.video else SYNTHETIC
    return Demo(
        out=options.out.resolve(),
        video=options.video.resolve() if options.video else None,
        head=options.head if options.head == "generic" else str(Path(options.head).resolve()),
        size=options.size or budget.size,
        steps=options.steps or budget.steps,
        budget=budget,
    )


def run(listed: Sequence[Stage], out: Path) -> Notebook:
    """Run the stages that are not finished yet.

    Raises:
        StageError: the first stage that failed.
        StageStopped: Ctrl-C.
    """
    out.mkdir(parents=True, exist_ok=True)
    notebook = Notebook(out / NOTEBOOK)
    for number, stage in enumerate(listed, start=1):
        before = notebook.records.get(stage.name)
        say(f"[{number}/{len(listed)}] {stage.title}")
        record = run_stage(stage, notebook, out / LOGS / f"{stage.name}.log")
        kept = ", kept" if record is before else ""
        say(f"      {clock(record.seconds)}, {record.peak_memory_mb / 1000:.1f} GB{kept}")
    return notebook


def clear(out: Path) -> None:
    """Remove what an earlier demo made, and nothing else."""
    made = [value for value in vars(layout).values() if isinstance(value, Path)]
    for name in {path.parts[0] for path in (*made, LOGS, NOTEBOOK) if path.name != "frames.json"}:
        remove(out / name)


if __name__ == "__main__":
    raise SystemExit(main())
