# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Blender windows: `in_window(function, …)` runs a scenario of the test's module in one.

pytest runs on this machine with the engine's environment; see `tooling.window` for where Blender
runs. Scenarios are generator functions named `window_…`; they take JSON values and return one.
Blender's own Python reads the test's file too, and has numpy but not PIL: import that in tests.
PARTNERFACE_WINDOW_VERSION chooses the Blender: 5.2 (the default) or 4.3.
"""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tooling import window as window_tool  # noqa: E402
from tooling import window_room  # noqa: E402

VERSION = os.environ.get("PARTNERFACE_WINDOW_VERSION", window_room.NEWEST)


def headless() -> object:
    """The headless tests' conftest, for the fixtures that are the same."""
    path = ROOT / "tests" / "blender" / "conftest.py"
    spec = importlib.util.spec_from_file_location("blender_conftest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_headless = headless()
engine_python = _headless.engine_python
extension_zip = _headless.extension_zip
cache_folder = _headless.cache_folder
avatar = _headless.avatar


@pytest.fixture(scope="session")
def room():
    """A folder with Blender and a screen."""
    try:
        return window_room.ensure_room(VERSION)
    except window_room.NoRoomError as error:
        pytest.skip(f"NOT RUN: {error}")


@pytest.fixture
def in_window(room, extension_zip, engine_python, cache_folder, tmp_path):
    """Runs a `window_…` scenario of the test's module in a fresh window; what it returns."""

    def run(function, *arguments, install=True, binds=(), **options):
        try:
            return window_tool.run_scenario(
                room,
                Path(function.__code__.co_filename),
                function.__name__,
                list(arguments),
                tmp_path,
                extension_zip=extension_zip if install else None,
                engine_python=engine_python,
                cache=cache_folder,
                binds=tuple(map(Path, binds)),
                **options,
            )
        except window_tool.ScenarioError as error:
            pytest.fail(str(error))

    return run


@pytest.fixture
def read_picture():
    """Reads a screenshot: [H, W, 3] uint8, first row on top."""
    import numpy as np
    from PIL import Image

    return lambda path: np.asarray(Image.open(path).convert("RGB"))
