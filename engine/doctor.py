# SPDX-License-Identifier: GPL-3.0-or-later
"""Is this environment able to run the engine? Each problem is a sentence with a way out."""

import importlib
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from .config import Doctor
from .errors import DependencyError
from .jobs import Job
from .paths import cache_folder

OLDEST = {"numpy": (1, 26), "torch": (2, 6), "warp": (1, 8)}
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
ENOUGH_SPACE = 1 << 30  # bytes, for compiled kernels
INSTALL = (
    "Repair the engine in the add-on's preferences; in a checkout run `python3 build.py setup`."
)


class EnvironmentUnfit(DependencyError):  # noqa: N818
    """This environment cannot render; `report` holds what was found all the same."""

    code = "unfit"


@dataclass
class Findings:
    """What was found so far."""

    report: dict = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    fatal: list[tuple[str, str]] = field(default_factory=list)  # those that forbid rendering

    def add(self, problem: str, hint: str, *, fatal: bool = False) -> None:
        """Note a problem."""
        self.problems.append(f"{problem} {hint}")
        if fatal:
            self.fatal.append((problem, hint))


def run(config: Doctor, job: Job) -> dict:
    """Check everything that the engine needs.

    Returns:
        python, torch, warp, device, device_name, mediapipe, ffmpeg, cache, problems (sentences).

    Raises:
        EnvironmentUnfit: nothing could be rendered here; its `report` holds the same keys.
    """
    found = Findings(dict.fromkeys(("python", "torch", "warp", "device", "device_name"), ""))
    checks: tuple[Callable[[Findings], None], ...] = (
        check_python,
        check_cache,
        check_packages,
        check_device,
        check_kernels,
        check_tracker,
        check_video,
    )
    for number, check in enumerate(checks):
        job.update(check.__name__.replace("_", " "), number, len(checks))
        check(found)
    job.update("checked", len(checks), len(checks))
    found.report["problems"] = found.problems
    if found.fatal:
        error = EnvironmentUnfit(*found.fatal[0])
        error.report = found.report
        raise error
    return found.report


def check_python(found: Findings) -> None:
    """Python's version."""
    version = sys.version_info[:2]
    found.report["python"] = ".".join(map(str, sys.version_info[:3]))
    if version < OLDEST_PYTHON:
        found.add(f"Python {found.report['python']} is too old.", "Use 3.11 or 3.12.", fatal=True)
    elif version > NEWEST_PYTHON:
        found.add(f"Python {found.report['python']} is newer than tested.", "Use 3.11 or 3.12.")


def check_cache(found: Findings) -> None:
    """The folder for compiled kernels can be written and has room."""
    folder = cache_folder()
    found.report["cache"] = str(folder)
    probe = folder / f".probe-{uuid.uuid4().hex}"
    hint = "Set PARTNERFACE_CACHE to a folder of your own."
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(os.urandom(1024))
        probe.unlink()
        if shutil.disk_usage(folder).free < ENOUGH_SPACE:
            found.add(f"The disk of {folder} is nearly full.", "Free a gigabyte.")
    except OSError as error:
        found.add(f"The cache folder {folder} cannot be written ({error}).", hint, fatal=True)


def check_packages(found: Findings) -> None:
    """What rendering imports is there, and not too old."""
    for name, oldest in OLDEST.items():
        package = _imported(found, name, fatal=True)
        if package is None:
            continue
        version = str(getattr(package, "__version__", "0"))
        found.report[name] = version
        if tuple(int(part) for part in version.split("+")[0].split(".")[:2]) < oldest:
            wanted = ".".join(map(str, oldest))
            found.add(f"{name} {version} is older than {wanted}.", INSTALL, fatal=True)
    for name in ("safetensors", "cv2", "trimesh", "mcubes", "skimage", "flip_evaluator"):
        _imported(found, name, fatal=name == "safetensors")


def check_device(found: Findings) -> None:
    """Which device would be used, and whether a GPU lies idle."""
    if not found.report["torch"]:
        return
    import torch

    from .devices import resolve_device

    device = resolve_device("auto")
    found.report["device"] = str(device)
    if device.type == "cuda":
        found.report["device_name"] = torch.cuda.get_device_name(device)
    elif shutil.which("nvidia-smi"):
        built = torch.version.cuda
        reason = "finds no driver that suits it" if built else "is a build for the CPU alone"
        found.add(f"There is an NVIDIA card, but torch {torch.__version__} {reason}.",
                  "Update the driver, or install the engine again with CUDA.")  # fmt: skip


def check_kernels(found: Findings) -> None:
    """A kernel compiles, runs, and finds the one triangle that there is."""
    if found.fatal:
        return
    import torch

    try:
        from .kernels.raycast import cast_rays

        corners = torch.tensor([[-1.0, -1.0, 2.0], [1.0, -1.0, 2.0], [0.0, 1.0, 2.0]])
        forward = torch.tensor([[0.0, 0.0, 1.0]])
        arrays = (corners, torch.tensor([[0, 1, 2]]), torch.zeros(1, 3), forward)
        t, _, _ = cast_rays(*(array.to(found.report["device"]) for array in arrays))
        right = abs(float(t[0]) - 2.0) < 1e-4
        trouble = "" if right else f"a ray ends at {float(t[0])} instead of 2"
    except Exception as error:  # whatever it is, it is what the user has to hear
        trouble = f"{type(error).__name__}: {error}"
    if trouble:
        found.add(f"A Warp kernel does not run on {found.report['device']} ({trouble}).",
                  f"{INSTALL} On a GPU, update its driver.", fatal=True)  # fmt: skip


def check_tracker(found: Findings) -> None:
    """MediaPipe, which only the capture of real clips needs."""
    found.report["mediapipe"] = ""
    package = _imported(found, "mediapipe", hint="Capture from video needs it; the rest does not.")
    if package is not None:
        found.report["mediapipe"] = str(getattr(package, "__version__", ""))


def check_video(found: Findings) -> None:
    """The program that writes video."""
    package = _imported(found, "imageio_ffmpeg")
    found.report["ffmpeg"] = ""
    if package is None:
        return
    try:
        program = package.get_ffmpeg_exe()
        subprocess.run([program, "-version"], check=True, capture_output=True, timeout=30)
        found.report["ffmpeg"] = program
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        found.add(f"ffmpeg does not run ({error}).", f"No video can be written. {INSTALL}")


def _imported(found: Findings, name: str, hint: str = "", *, fatal: bool = False) -> object | None:
    """The package, or None and a problem noted."""
    try:
        return importlib.import_module(name)
    except Exception as error:  # a broken package may raise anything when it is loaded
        found.add(
            f"The package {name} cannot be loaded ({error}).",
            f"{hint} {INSTALL}".strip(),
            fatal=fatal,
        )
        return None
