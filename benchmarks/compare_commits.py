# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds of training to a held-out PSNR: two commits of this repository, in one run.

    python -m benchmarks.compare_commits OLD NEW --capture CAPTURE --target 25.0

Both commits are checked out side by side and trained in turn on the same capture through their own
command lines, with step budgets that grow until the held-out frames (8 by default, spread evenly
over the test split; mean PSNR inside the head box) reach the target. Learning rates fall over a
run's whole length, so every budget is a training of its own; the seconds that count are those of
the first budget that gets there, start-up included.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUDGETS = (40, 60, 100, 150, 220, 320, 460, 700, 1000)
FRAMES = 8
UNLIKE_USERS = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")  # the latter has every start compile torch


@dataclass(frozen=True)
class Attempt:
    """One training run of one commit."""

    steps: int
    wall_s: float  # of the whole command
    training_s: float  # as the command itself counts its steps
    psnr_head: float  # dB, mean over the held-out frames


def main() -> int:
    """Compare, print the result as JSON, and say in the exit status whether both got there."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("old", help="commit that is the measure")
    parser.add_argument("new", help="commit to compare with it")
    parser.add_argument("--capture", type=Path, required=True)
    parser.add_argument("--target", type=float, default=25.0, help="dB inside the head box")
    parser.add_argument("--preset", default="standard")
    parser.add_argument("--steps", type=int, nargs="+", default=BUDGETS, help="budgets to try")
    parser.add_argument("--frames", type=int, default=FRAMES, help="held-out frames")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="also write the result here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="compare-commits-") as name:
        result = compare(options, Path(name))
    text = json.dumps(result, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0 if result["ratio_wall"] else 1


def compare(options: argparse.Namespace, folder: Path) -> dict:
    """Train both commits in turn, budget after budget, until each has reached the target."""
    capture = with_few_tests(options.capture.resolve(), folder / "capture", options.frames)
    checkouts: dict[str, Path] = {}
    attempts: dict[str, list[Attempt]] = {"old": [], "new": []}
    try:
        for name in attempts:
            checkouts[name] = checkout(getattr(options, name), folder / name)
        for place in checkouts.values():  # kernels are compiled before any clock runs
            train(place, capture, folder / "warm", 2, options)
        for steps in sorted(options.steps):
            for name, place in checkouts.items():
                if attempts[name] and attempts[name][-1].psnr_head >= options.target:
                    continue
                attempts[name].append(attempt(place, capture, folder / "run", steps, options))
                print(name, attempts[name][-1], file=sys.stderr, flush=True)
    finally:
        for place in checkouts.values():
            git("worktree", "remove", "--force", str(place))
    return summary(options, attempts)


def summary(options: argparse.Namespace, attempts: dict[str, list[Attempt]]) -> dict:
    """All attempts, what got there first, and by how much the new commit is faster."""
    result: dict = {
        "target_psnr_head": options.target,
        "held_out_frames": options.frames,
        "preset": options.preset,
        "cores": os.cpu_count(),
    }
    winners = {}
    for name, tried in attempts.items():
        there = tried[-1] if tried and tried[-1].psnr_head >= options.target else None
        winners[name] = there
        result[name] = {
            "commit": git("rev-parse", "--short", getattr(options, name)),
            "reached": asdict(there) if there else None,
            "attempts": [asdict(each) for each in tried],
        }
    both = all(winners.values())
    for clock in ("wall", "training"):
        seconds = [getattr(winners[name], f"{clock}_s") for name in ("old", "new") if both]
        result[f"ratio_{clock}"] = seconds[0] / seconds[1] if both else None
    return result


def with_few_tests(capture: Path, copy: Path, count: int) -> Path:
    """The capture again, by links to its files, with `count` of its test frames alone.

    It is of the first schema, which knew no times and marks, so that every commit reads it.
    """
    copy.mkdir()
    data = json.loads((capture / "capture.json").read_text(encoding="utf-8"))
    data = {name: entry for name, entry in data.items() if name not in ("times", "marks")}
    data["schema_version"] = 1
    tests = data["splits"]["test"]
    last = len(tests) - 1
    chosen = {round(last * i / max(count - 1, 1)) for i in range(count)}
    data["splits"]["test"] = [tests[i] for i in sorted(chosen)]
    for entry in capture.iterdir():
        if entry.name != "capture.json":
            (copy / entry.name).symlink_to(entry, target_is_directory=entry.is_dir())
    (copy / "capture.json").write_text(json.dumps(data), encoding="utf-8")
    return copy


def checkout(commit: str, place: Path) -> Path:
    """A worktree of the commit."""
    git("worktree", "add", "--force", "--detach", str(place), commit)
    return place


def attempt(
    place: Path, capture: Path, out: Path, steps: int, options: argparse.Namespace
) -> Attempt:
    """One training with `steps` steps, and what the held-out frames look like after it."""
    began = time.perf_counter()
    trained = train(place, capture, out, steps, options)
    wall = time.perf_counter() - began
    found = engine(place, "eval", trained["avatar"], capture, "--device", options.device)
    return Attempt(steps, wall, trained["seconds"], found["psnr_head"])


def train(place: Path, capture: Path, out: Path, steps: int, options: argparse.Namespace) -> dict:
    """Train anew; the command's figures."""
    shutil.rmtree(out, ignore_errors=True)
    return engine(
        place, "train", capture, out, "--steps", steps, "--preset", options.preset,
        "--device", options.device, "--no-resume",
    )  # fmt: skip


def engine(place: Path, *arguments: object) -> dict:
    """The result of an engine command of the checkout in `place`, run by this Python."""
    command = [sys.executable, "-m", "engine", *map(str, arguments), "--json", "--quiet"]
    environment = {name: value for name, value in os.environ.items() if name not in UNLIKE_USERS}
    done = subprocess.run(
        command, cwd=place, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed in {place}.")
    return json.loads(done.stdout.splitlines()[-1])


def git(*arguments: str) -> str:
    """Git's answer."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
