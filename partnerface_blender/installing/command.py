# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the engine's environment, from nothing or from wherever it was left.

    python launch.py installing.command --root R --extension X [--wheels W] [--repair] --job J

The environment counts once its stamp is written, last of all, after the engine's own doctor has
found nothing that forbids rendering. Whoever is stopped or killed before goes on when run again.
"""

import argparse
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..connection.child_process import child_environment
from . import machine
from .places import REQUIREMENTS, Places
from .reasons import reason
from .report import Report
from .uv import SetupError, ensure_uv

UV, VENV, PACKAGES, CHECK = 0.04, 0.06, 0.90, 1.0  # shares of the whole at the end of each stage
CHECK_S = 60.0  # the first import from a cold disk, and a kernel compiled


@dataclass(frozen=True)
class Wanted:
    """What is to be set up, and where from."""

    places: Places
    extension: Path
    wheels: Path | None  # a folder of packages instead of the network
    repair: bool  # install everything again


def main(arguments: list[str]) -> int:
    """Set up; 0, or 1 where the job's status says why not."""
    parser = argparse.ArgumentParser()
    for name in ("--root", "--extension", "--job"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--repair", action="store_true")
    chosen = parser.parse_args(arguments)
    wanted = Wanted(Places(chosen.root), chosen.extension, chosen.wheels, chosen.repair)
    with Report(chosen.job) as report:
        report.result = set_up(wanted, report)
        return 0
    return 1


def set_up(wanted: Wanted, report: Report) -> dict:
    """Make the environment, fill it, try it, stamp it; what the doctor says.

    Raises:
        SetupError: it cannot be done, and why.
        Cancelled: the job was stopped.
    """
    places = wanted.places
    report.at("Looking at this machine", 0.0)
    places.root.mkdir(parents=True, exist_ok=True)
    places.stamp.unlink(missing_ok=True)  # from here on until the end it is not to be believed
    check_room(places)
    if wanted.wheels is not None and not any(wanted.wheels.glob("*.whl")):
        raise SetupError(f"The folder {wanted.wheels} holds no wheels.", "Choose another one.")
    uv = ensure_uv(places, wanted.wheels, report, UV)
    report.at("Making the environment", UV)
    make_environment(uv, wanted, report)
    for number, (name, words) in enumerate(REQUIREMENTS):
        install(uv, wanted, report, name, words, last=number == len(REQUIREMENTS) - 1)
    found = check(wanted, report)
    places.write_stamp(wanted.extension, found)
    return {"environment": str(places.environment), "python": str(places.python),
            "problems": found.get("problems", [])}  # fmt: skip


def check_room(places: Places) -> None:
    """Refuse where the disk has no room for what is still missing."""
    present = size_of(places.root)
    missing = machine.sizes().disk * 1e9 - present
    free = shutil.disk_usage(places.root).free
    if free < missing:
        raise SetupError(
            f"The engine needs about {missing / 1e9:.1f} GB more in {places.root}, and "
            f"{free / 1e9:.1f} GB are free.",
            "Make room, then resume.",
        )


def make_environment(uv: str, wanted: Wanted, report: Report) -> None:
    """An environment of a Python that suits, if there is none that runs."""
    places = wanted.places
    if machine.python_version(str(places.python)) in machine.PYTHONS:
        return
    environment = os.environ | machine.uv_environment(places.packages)
    fetched = [] if wanted.wheels is not None else [".".join(map(str, machine.PYTHONS[0]))]
    own, *others = reversed(machine.find_pythons() or [""])  # Blender's own goes away with Blender
    for python in [*reversed(others), *fetched, own]:
        if not python:
            continue
        shutil.rmtree(places.environment, ignore_errors=True)
        command = [uv, "venv", "--no-project", "--python", python, str(places.environment)]
        status, _ = report.run(command, environment, "Making the environment", lambda seconds: UV)
        if status == 0 and machine.python_version(str(places.python)) in machine.PYTHONS:
            return
    names = " or ".join(".".join(map(str, version)) for version in machine.PYTHONS)
    raise SetupError(
        f"There is no Python {names} on this machine, and none could be fetched.",
        "Install one, then resume.",
    )


def install(
    uv: str, wanted: Wanted, report: Report, name: str, words: tuple[str, ...], *, last: bool
) -> None:
    """Bring one list of requirements into the environment."""
    places = wanted.places
    command = [uv, "pip", "install", "--python", str(places.python), *words]
    command += ["-r", str(wanted.extension / "requirements" / name)]
    command += ["--reinstall"] if wanted.repair else []
    environment = os.environ | machine.uv_environment(places.packages)
    if wanted.wheels is not None:
        environment.pop("UV_INDEX", None)
        environment.pop("UV_FIND_LINKS", None)
        attempts = [["--no-index", "--offline", "--find-links", str(wanted.wheels)]]
    else:
        torch = "auto" if machine.has_nvidia() else "cpu"
        # The second attempt is for networks where torch's own index is not to be reached.
        attempts = [["--torch-backend", torch], []] if not last else [[]]
    expected, present = machine.sizes().disk * 0.75e9, size_of(places.root)
    begin = PACKAGES - 0.02 if last else VENV
    message = "Installing the face tracker" if last else "Fetching and unpacking packages"

    def progress(seconds: float) -> float:
        grown = (size_of(places.root) - present) / expected
        return begin if last else begin + (PACKAGES - 0.02 - VENV) * min(grown, 0.97)

    for attempt in attempts:
        status, said = report.run([*command, *attempt], environment, message, progress)
        if status == 0:
            return
    raise reason(said, wanted.wheels)


def check(wanted: Wanted, report: Report) -> dict:
    """What the engine's own doctor says of the environment.

    Raises:
        SetupError: it cannot render.
    """
    places = wanted.places
    cache = Path(os.environ.get("PARTNERFACE_CACHE", places.root.parent / "cache"))
    command = [str(places.python), "-m", "engine", "doctor", "--json", "--quiet"]
    status, said = report.run(
        command,
        child_environment(wanted.extension, cache),
        "Trying the engine",
        lambda seconds: PACKAGES + (CHECK - PACKAGES) * min(seconds / CHECK_S, 0.9),
    )
    found = {}
    for line in said.splitlines():
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
    if status or not found or "error" in found:
        told = found.get("error") or {}
        lines = said.strip().splitlines() or ["it says nothing"]
        raise SetupError(
            told.get("message") or f"The new environment does not run ({lines[-1][:300]}).",
            "Press Repair; if that does not help, look at the job's log.",
        )
    return found


def size_of(folder: Path) -> int:
    """Bytes on the disk below a folder; what is there twice by hard links counts once."""
    total, seen, folders = 0, set(), [folder]
    while folders:
        try:
            entries = list(os.scandir(folders.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                    continue
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            key = (status.st_dev, status.st_ino)
            if status.st_nlink < 2 or status.st_ino == 0 or key not in seen:
                seen.add(key)
                total += status.st_size
    return total
