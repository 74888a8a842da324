# SPDX-License-Identifier: GPL-3.0-or-later
"""The house keeps to its plan: who imports whom, and that docs/architecture.md names every room."""

import ast
import graphlib
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("engine", "partnerface_blender", "operators", "panels", "showcase", "tooling")

# From the ground up; a module imports from its own floor and from those below it.
FLOORS = (
    ("errors", "paths", "config", "job_folder", "charts"),
    ("files", "devices", "cores", "loading", "adam", "protocol", "restricted_pickle",
     "torch_files"),
    ("jobs",),
    ("kernels",),
    ("head", "render.camera", "render.mesh", "render.colour"),
    ("avatar", "capture"),
    ("render", "synthetic", "motions"),
    ("train", "export", "session"),
    ("bench",),
    ("doctor", "server", "cli"),
    ("__main__",),
)  # fmt: skip
SHARED = {"engine.protocol", "engine.errors", "engine.job_folder", "engine.__version__", "engine"}
BLENDER_SIDE = ("partnerface_blender", "operators", "panels")


def modules():
    """Dotted name → parsed source of every module."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(path.read_text())
        for path in paths
    }


MODULES = modules()


def relative_imports(name):
    """Dotted names of what a module imports from within the repository."""
    package = name.split(".")[:-1]
    for node in ast.walk(MODULES[name]):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = package[: len(package) - node.level + 1]
        if node.module:
            target = ".".join([*base, node.module])
            inner = [f"{target}.{alias.name}" for alias in node.names]
            yield from (found if found in MODULES else target for found in inner)
        else:
            yield from (".".join([*base, alias.name]) for alias in node.names)


def absolute_imports(name):
    """First words of what a module imports absolutely."""
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def floor(name):
    """The floor of an engine module, 0 at the bottom."""
    inner = name.removeprefix("engine.")
    fits = [
        (len(room), number)
        for number, rooms in enumerate(FLOORS)
        for room in rooms
        if inner == room or inner.startswith(room + ".")
    ]
    return max(fits)[1] if fits else None


ENGINE = [name for name in MODULES if name.startswith("engine.") and name != "engine.__init__"]


@pytest.mark.parametrize("name", ENGINE)
def test_engine_module_imports_no_higher_floor(name):
    assert floor(name) is not None, "not in FLOORS"
    for target in relative_imports(name):
        if target.removesuffix(".__version__") != "engine":
            assert floor(target) <= floor(name), target


def test_engine_has_no_circles():
    graph = {
        name: {target for target in relative_imports(name) if target in MODULES} for name in ENGINE
    }
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("name", ENGINE)
def test_engine_knows_nothing_of_blender_and_imports_relatively(name):
    assert not {"bpy", "mathutils", "engine", *BLENDER_SIDE} & set(absolute_imports(name))


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(BLENDER_SIDE)])
def test_blender_side_shares_only_the_protocol_with_the_engine(name):
    heavy = {"torch", "warp", "cv2", "scipy", "safetensors", "tyro", "engine", *BLENDER_SIDE}
    assert not heavy & set(absolute_imports(name))
    for target in relative_imports(name):
        if target.startswith("engine"):
            assert target in SHARED
        if name.startswith("partnerface_blender"):
            assert not target.startswith(("operators", "panels"))


def test_shared_modules_need_nothing_but_numpy():
    standard = {"__future__", "numpy"}
    import sys

    for name in ("engine.protocol", "engine.errors", "engine.job_folder"):
        foreign = set(absolute_imports(name)) - standard - set(sys.stdlib_module_names)
        assert not foreign, name


def test_architecture_names_every_module():
    text = (ROOT / "docs" / "architecture.md").read_text()
    missing = [
        name
        for name in MODULES
        if not name.endswith("__init__") and f"`{name.split('.')[-1]}`" not in text
    ]
    assert not missing, missing


def tracked(*patterns):
    """Tracked text files."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", *patterns]
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        pytest.skip("no git here to say which files are tracked")
    return [ROOT / name for name in done.stdout.decode().split("\0") if name]


def test_every_python_file_names_its_licence():
    for path in tracked("*.py"):
        head = path.read_text().splitlines()[:2]
        assert "# SPDX-License-Identifier: GPL-3.0-or-later" in head, path


def test_no_python_file_is_longer_than_400_lines():
    code = [path for path in tracked("*.py") if "tests" not in path.parts]
    long = {path.name: count for path in code if (count := lines(path)) > 400}
    assert not long


def lines(path):
    return len(path.read_text().splitlines()) if path.exists() else 0
