# SPDX-License-Identifier: GPL-3.0-or-later
"""Every method on every subject from every seed, with equal budgets: docs/ablation.md.

    python -m benchmarks.ablation OUT [--captures NAME=FOLDER …] [--seeds 0 1] [--methods …]

Synthetic subjects are made if they are not there. A cell is OUT/cells/SUBJECT/METHOD/seed-N; it
is finished once it holds result.json, and is never run again. Stop with Ctrl-C; the same command
goes on where it stood, in the midst of a training if need be. The engine is run as anybody would
run it, by its command line.
"""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Literal

import torch
import tyro
from tyro.conf import Positional

from engine.avatar.model import Avatar
from engine.capture.folder import read_capture
from engine.config import Preset
from engine.devices import resolve_device
from engine.errors import InputError, PartNerFaceError
from engine.files import write_text_atomic
from engine.train.metrics import expression_strength
from engine.train.settings import VARIANTS

from .ablation_plot import draw
from .ablation_tables import Cell, write_page
from .local_control import local_control

ROOT = Path(__file__).resolve().parents[1]
OPTIMISED = ("partnerface", "global")  # measured with optimised latents as well
CONTROLLED = ("partnerface", "global", "leaky-masks", "all-expressions")  # and by `local_control`


@dataclass(frozen=True)
class Options:
    """What to compare, and how."""

    out: Positional[Path] = field(kw_only=True)
    """Folder of the cells."""
    methods: tuple[str, ...] = tuple(VARIANTS)
    """Rows of the tables."""
    people: tuple[int, ...] = (0, 1, 2)
    """Seeds of the synthetic subjects."""
    captures: tuple[str, ...] = ()
    """Other subjects, NAME=FOLDER each: finished capture folders."""
    seeds: tuple[int, ...] = (0,)
    """Random seeds of the training."""
    preset: Preset = "standard"
    """As in `train`."""
    steps: int = 0
    """Training steps of every cell; 0 = the preset's."""
    size: int = 128
    """Width and height of all pictures, px."""
    frames: int = 96
    """Training frames of a synthetic subject."""
    test_frames: int = 24
    """Test frames of a synthetic subject: stronger expressions."""
    latents: int = 32
    """Steps of `eval --optimise-latents` for partnerface and global; 0 = not at all."""
    device: str = "auto"
    """auto, cpu or cuda."""
    page: Path | None = ROOT / "docs" / "ablation.md"
    """Page whose tables are replaced."""
    plot: Path | None = ROOT / "docs" / "images" / "ablation.png"
    """Picture of the errors' growth."""
    run: Literal["all", "missing", "nothing"] = "missing"
    """Which cells are run: all anew, those that are missing, or none (tables alone)."""

    @property
    def budget(self) -> dict:
        """What every cell has in common; cells made with another budget are refused."""
        names = ("preset", "steps", "size", "latents")
        return {name: getattr(self, name) for name in names}


class Stopped(Exception):  # noqa: N818
    """Ctrl-C, or an engine that failed: its exit status."""


def engine(*arguments: object) -> dict:
    """Run an engine command to its end; its result.

    Raises:
        Stopped: it was stopped, or it failed (it has said why).
    """
    command = [sys.executable, "-m", "engine", *map(str, arguments), "--json"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    stopped = False
    while True:
        try:
            output, _ = process.communicate()
            break
        except KeyboardInterrupt:  # it has had the same signal, and saves what it did
            stopped = True
    if stopped or process.returncode:
        raise Stopped(process.returncode or 130)
    return json.loads(output.splitlines()[-1])


def subjects(options: Options) -> dict[str, Path]:
    """The capture folder of every subject; synthetic ones are made where they are missing.

    Raises:
        InputError: a capture is not given as NAME=FOLDER.
        Stopped: a subject could not be made.
    """
    folders = {}
    for person in options.people:
        name = f"synthetic-{person}"
        folder = options.out / "subjects" / f"{name}-{options.size}"
        if not (folder / "capture.json").is_file():
            engine(
                "synth", folder, "--seed", person, "--size", options.size,
                "--frames", options.frames, "--test-frames", options.test_frames,
            )  # fmt: skip
        folders[name] = folder
    for entry in options.captures:
        name, found, folder = entry.partition("=")
        if not found or name in folders:
            raise InputError(f"“{entry}” names no subject.", "Give NAME=FOLDER, each NAME once.")
        folders[name] = Path(folder).resolve()
    return folders


def run_cell(options: Options, folder: Path, capture: Path, method: str, seed: int) -> dict:
    """Train and measure one method on one subject from one seed; what result.json holds.

    Raises:
        InputError: the folder holds a cell made with another budget.
        Stopped: see `engine`.
    """
    file, key = folder / "result.json", {**options.budget, "method": method, "seed": seed}
    if options.run == "all":
        shutil.rmtree(folder, ignore_errors=True)
    if file.is_file():
        result = json.loads(file.read_text(encoding="utf-8"))
        if result["key"] != key:
            raise InputError(
                f"The cell {folder} was made with {result['key']}, not with {key}.",
                "Choose another OUT, or the settings of before, or --run all.",
            )
        return result
    train = [
        "train", capture, folder, "--method", method, "--preset", options.preset,
        "--steps", options.steps, "--size", options.size, "--seed", seed,
        "--device", options.device,
    ]  # fmt: skip
    result = {"key": key, "training_strength": training_strength(capture), "train": engine(*train)}
    avatar = folder / "avatar.safetensors"
    measure = ["eval", avatar, capture, "--device", options.device]
    result["eval"], result["frames"] = measured(measure, folder / "evaluation")
    if options.latents and method in OPTIMISED:
        measure += ["--optimise-latents", options.latents]
        result["latents"], result["latents_frames"] = measured(measure, folder / "latents")
    if method in CONTROLLED:
        opened = Avatar.load(avatar, resolve_device(options.device))
        result["local_control"] = [asdict(part) for part in local_control(opened, options.size)]
    result |= sizes(avatar)
    write_text_atomic(file, json.dumps(result, indent=1))
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return result


def measured(command: list, folder: Path) -> tuple[dict, list[dict]]:
    """The means and every frame's figures of one `eval`."""
    means = engine(*command, "--out", folder)
    return means, json.loads((folder / "frames.json").read_text(encoding="utf-8"))["frames"]


def sizes(path: Path) -> dict:
    """Parameters of an avatar, those of its deformation, and the budget it was trained with."""
    avatar = Avatar.load(path, torch.device("cpu"))
    settings = avatar.file.record["settings"]
    return {
        "parameters": sum(value.numel() for value in avatar.parameters()),
        "deformation": sum(value.numel() for value in avatar.deformation.parameters()),
        "budget": {name: settings[name] for name in ("steps", "samples", "frames_per_step")},
    }


def training_strength(capture: Path) -> float:
    """The expression strength that 95 of 100 training frames stay under."""
    opened = read_capture(capture)
    strengths = sorted(
        expression_strength(opened.motion.psi[i], opened.motion.theta[i]) for i in opened.train
    )
    return strengths[int(0.95 * (len(strengths) - 1))]


def run_all(options: Options) -> None:
    """Run every cell that is missing.

    Raises:
        InputError: see `run_cell` and `subjects`, or a method's name is unknown.
        Stopped: see `engine`; finished cells are kept.
    """
    unknown = set(options.methods) - set(VARIANTS)
    if unknown:
        raise InputError(f"No such methods: {sorted(unknown)}.", f"There are {list(VARIANTS)}.")
    folders = subjects(options)
    plan = list(product(options.seeds, folders, options.methods))
    started = time.monotonic()
    for number, (seed, subject, method) in enumerate(plan):
        folder = options.out / "cells" / subject / method / f"seed-{seed}"
        cell = run_cell(options, folder, folders[subject], method, seed)
        sys.stderr.write(
            f"[{number + 1}/{len(plan)}, {time.monotonic() - started:.0f} s] {subject}, {method}, "
            f"seed {seed}: {cell['eval']['psnr_moving']:.2f} dB in the moving regions, "
            f"{cell['parameters']} parameters, {cell['deformation']} of them the deformation's\n"
        )


def finished_cells(options: Options) -> list[Cell]:
    """All finished cells in OUT that have this budget, whatever run made them.

    Cells of methods that are no longer there stay in their folders and out of the tables.
    """
    cells = []
    for file in sorted((options.out / "cells").glob("*/*/seed-*/result.json")):
        result = json.loads(file.read_text(encoding="utf-8"))
        key = result["key"]
        known = key["method"] in VARIANTS
        if known and all(key[name] == value for name, value in options.budget.items()):
            cells.append(Cell(file.parts[-4], key["method"], key["seed"], result))
    return sorted(cells, key=lambda cell: list(VARIANTS).index(cell.method))


def main(arguments: list[str] | None = None) -> int:
    """Run, and write OUT/ablation.json, the page and the plot; the exit status."""
    options = tyro.cli(Options, args=arguments, prog="python -m benchmarks.ablation")
    try:
        if options.run != "nothing":
            run_all(options)
        cells = finished_cells(options)
        data = {"budget": options.budget, "cells": [asdict(cell) for cell in cells]}
        write_text_atomic(options.out / "ablation.json", json.dumps(data, indent=1))
        if cells and options.plot is not None:
            draw(options.plot, cells)
        if cells and options.page is not None:
            write_page(options.page, cells, options.budget)
    except (KeyboardInterrupt, Stopped) as error:
        sys.stderr.write("Stopped; finished cells are kept. The same command goes on.\n")
        return error.args[0] if error.args else 130
    except PartNerFaceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
