# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Blender: `in_blender(function)` runs the function in a child.

pytest runs in an environment that has the bpy wheel. Functions that run in the child are named
`blender_…`, take JSON values and return one. Calls share a child and its engine, as the files of an
artist's day do, and each begins with a new file. `in_new_blender` is for what needs a Blender of
its own: preferences, jobs, an engine that is killed, files from another machine. Every child has an
empty user folder, installs the packaged extension as a user would, and is ended if it takes too
long.
"""

import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).parent / "child.py"
RESULT = "RESULT "  # begins the line that holds what the function returned
LIMIT_S = 240
OLDEST, NEWEST = (4, 3), (5, 0)  # older than the one, or at least the other


@pytest.fixture(scope="session", autouse=True)
def blender_wheel():
    """There is nothing to test without Blender."""
    return pytest.importorskip("bpy", reason="this Python has no bpy wheel (see build.py setup)")


@pytest.fixture(autouse=True)
def _where_it_counts(request, blender_wheel):
    """Tests marked `newest` or `ends` run in some Blenders alone, unless all are asked for."""
    if "PARTNERFACE_TEST_ALL" in os.environ:
        return
    version = blender_wheel.app.version
    way = "PARTNERFACE_TEST_ALL=1 runs it here"
    if request.node.get_closest_marker("newest") and version < NEWEST:
        pytest.skip(f"runs in the newest Blender alone; {way}")
    if request.node.get_closest_marker("ends") and OLDEST < version < NEWEST:
        pytest.skip(f"runs in the oldest and the newest Blender; {way}")


@pytest.fixture(scope="session")
def engine_python():
    """The Python of the engine's environment."""
    chosen = os.environ.get("PARTNERFACE_PYTHON")
    python = Path(chosen) if chosen else ROOT / ".venv" / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"there is no engine environment ({python}); run `python3 build.py setup`")
    return python


@pytest.fixture(scope="session")
def extension_zip(tmp_path_factory):
    """The extension as it is packaged from the checkout as it is now."""
    sys.path.insert(0, str(ROOT))
    try:
        from tooling.extension import packaged_files, write_zip
    finally:
        sys.path.remove(str(ROOT))
    path = tmp_path_factory.mktemp("package") / "partnerface.zip"
    write_zip(path, packaged_files())
    return path


@pytest.fixture(scope="session")
def cache_folder():
    """Compiled kernels and the trained avatar, kept between runs."""
    folder = Path(os.environ.get("PARTNERFACE_CACHE", ROOT / ".cache"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def avatar(engine_python, cache_folder):
    """A small avatar, really trained; trained anew when the engine's learning code has changed.

    PARTNERFACE_TEST_AVATAR names a folder with `capture/` and `out/` to take instead.
    """
    chosen = os.environ.get("PARTNERFACE_TEST_AVATAR")
    if chosen:
        return Path(chosen) / "out" / "avatar.safetensors"
    digest = hashlib.sha256()
    for part in ("avatar", "head", "kernels", "synthetic", "train"):
        for path in sorted((ROOT / "engine" / part).rglob("*.py")):
            digest.update(path.read_bytes())
    folder = cache_folder / f"blender-test-avatar-{digest.hexdigest()[:12]}"
    file = folder / "out" / "avatar.safetensors"
    if not file.is_file():
        for old in cache_folder.glob("blender-test-avatar-*"):
            shutil.rmtree(old, ignore_errors=True)
        synth = [
            "synth",
            folder / "capture",
            "--size",
            "64",
            "--frames",
            "24",
            "--test-frames",
            "4",
        ]
        train = ["train", folder / "capture", folder / "out", "--preset", "draft", "--steps", "150"]
        for arguments in (synth, [*train, "--device", "cpu"]):
            command = [engine_python, "-m", "engine", *arguments, "--quiet"]
            subprocess.run(list(map(str, command)), cwd=ROOT, check=True, timeout=900)
    return file


@pytest.fixture(scope="session")
def environment(engine_python, cache_folder):
    """The environment of a child with its own user folder: `environment(folder, zip)`."""

    def of(folder, extension_zip, python=engine_python):
        (folder / "blender").mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return kept | {
            "BLENDER_USER_RESOURCES": str(folder / "blender"),
            "PARTNERFACE_PYTHON": str(python),
            "PARTNERFACE_CACHE": str(cache_folder),
            "PARTNERFACE_TEST_ZIP": str(extension_zip or ""),
        }

    return of


@pytest.fixture
def in_new_blender(environment, extension_zip, tmp_path):
    """Runs a `blender_…` function of the test's module in a fresh Blender; what it returns."""

    def run(function, *arguments, install=True, **options):
        call = [function.__code__.co_filename, function.__name__, json.dumps(arguments)]
        try:
            done = subprocess.run(
                [sys.executable, str(CHILD), *call],
                env=environment(tmp_path, extension_zip if install else None, **options),
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
            )
        except subprocess.TimeoutExpired as error:
            said = (error.stdout or b"").decode(errors="replace")[-3000:]
            pytest.fail(f"Blender did not end within {LIMIT_S} s:\n{said}")
        results = [line for line in done.stdout.splitlines() if line.startswith(RESULT)]
        if done.returncode or not results:
            pytest.fail(
                f"{function.__name__} failed in Blender (status {done.returncode}):\n"
                f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
            )
        return json.loads(results[-1].removeprefix(RESULT))

    return run


class OpenBlender:
    """A Blender that waits for calls."""

    def __init__(self, folder, environment):
        self.folder, self._calls, self._log = folder, itertools.count(), folder / "log"
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(CHILD)], env=environment, cwd=folder,
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    @property
    def alive(self):
        """Whether it can be called."""
        return self._process.poll() is None

    def call(self, function, arguments, folder):
        """What the function returns; None and what was said where it failed."""
        result = self.folder / f"{next(self._calls)}.json"
        said_before = self._log.stat().st_size
        asked = {"file": function.__code__.co_filename, "function": function.__name__,
                 "arguments": arguments, "folder": str(folder), "result": str(result)}  # fmt: skip
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        self._process.stdin.flush()
        until = time.monotonic() + LIMIT_S
        while not result.exists() and self.alive and time.monotonic() < until:
            time.sleep(0.01)
        nothing = {"error": f"It ended, or took more than {LIMIT_S} s."}
        told = json.loads(result.read_text()) if result.exists() else nothing
        if "value" in told:
            return told["value"], ""
        said = self._log.read_bytes()[said_before:].decode(errors="replace")
        return None, f"{said[-6000:]}\n{told['error']}"

    def close(self):
        """Have it leave, or end it; its engine goes with it."""
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="session")
def open_blenders():
    """The Blender that is open, if any."""
    found = []
    yield found
    for blender in found:
        blender.close()


@pytest.fixture
def in_blender(open_blenders, environment, extension_zip, tmp_path, tmp_path_factory):
    """Runs a `blender_…` function in a new file of the open Blender; what it returns."""

    def run(function, *arguments):
        if open_blenders and not open_blenders[0].alive:
            open_blenders.pop()
        if not open_blenders:
            folder = tmp_path_factory.mktemp("open")
            open_blenders.append(OpenBlender(folder, environment(folder, extension_zip)))
        value, failed = open_blenders[0].call(function, arguments, tmp_path)
        if failed:
            open_blenders.pop().close()  # the next call gets another one
            pytest.fail(f"{function.__name__} failed in Blender:\n{failed}")
        return value

    return run
