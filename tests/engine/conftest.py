# SPDX-License-Identifier: GPL-3.0-or-later
"""The bpy-free part of the add-on, importable beside the engine, and engines that end in time."""

import importlib
import os
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest

from engine.paths import cache_folder
from tests.engine.command_line import result_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def addon():
    """Imports a module of the add-on: `addon("partnerface_blender.jobs.process")`.

    The package's own `__init__` needs bpy; an empty one in its place lets relative imports work.
    """
    package = types.ModuleType("partnerface")
    package.__path__ = [str(ROOT)]
    sys.modules.setdefault("partnerface", package)
    return lambda name: importlib.import_module(f"partnerface.{name}")


@pytest.fixture
def start_engine(addon, tmp_path):
    """Starts engines as Blender does; what still runs at the end of the test is closed."""
    module = addon("partnerface_blender.connection.engine_process")
    engines = []

    def start(python=sys.executable, root=ROOT, **options):
        engine = module.EngineProcess.start(
            Path(python), root, cache_folder(), tmp_path / "engine.log", **options
        )
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        engine.close()


@pytest.fixture(scope="session")
def trained_avatar(tmp_path_factory):
    """The path of an avatar file, really trained, if only for a few steps on small pictures."""
    folder = tmp_path_factory.mktemp("trained")
    for arguments in (
        ["synth", folder / "capture", "--size", "32", "--frames", "20", "--test-frames", "2"],
        ["train", folder / "capture", folder / "out", "--preset", "draft", "--steps", "6",
         "--device", "cpu"],
    ):  # fmt: skip
        result_of(*arguments)
    return folder / "out" / "avatar.safetensors"


@pytest.fixture
def tiny_disk(tmp_path):
    """A disk of 64 KiB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("NOT TESTED: a full disk needs root on Linux to mount a tiny tmpfs")
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"NOT TESTED: a full disk ({mounted.stderr.strip()})")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture(scope="session")
def jobs(addon):
    return addon("partnerface_blender.jobs.process")


@pytest.fixture
def worker(tmp_path):
    """An extension whose engine is a job of many short steps, with `engine.jobs` as it is."""
    root = tmp_path / "extension"
    (root / "engine").mkdir(parents=True)
    for name in ("__init__", "errors", "files", "jobs", "job_folder"):
        (root / "engine" / f"{name}.py").symlink_to(ROOT / "engine" / f"{name}.py")
    (root / "engine" / "__main__.py").write_text(
        textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from .errors import ClipError
        from .jobs import Job
        steps, end = int(sys.argv[2]), sys.argv[3]
        time.sleep(0.3)
        with Job(sys.argv[1], Path(sys.argv[-1]), quiet=True) as job:
            for step in range(steps):
                job.update("counting", step, steps, loss=1 / (step + 1))
                time.sleep(0.01)
            if end == "refuse":
                raise ClipError("The clip is empty.", "Choose another clip.")
            if end == "break":
                1 / 0
            job.result = {"steps": steps}
    """)
    )
    return root
