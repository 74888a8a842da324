# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's environment is really made by uv: from a folder of (tiny) wheels, stopped, repaired.

Only the extension that is set up is small: two packages, and an engine whose doctor looks for them.
The whole set-up with the real packages is in tests/blender/test_set_up.py.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from engine.paths import cache_folder

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "partnerface_blender" / "launch.py"
DOCTOR = """
import json, sys, time, pathlib
time.sleep(float((pathlib.Path(__file__).parent / "patience").read_text()))
try:
    import tiny, tinier
except ImportError as error:
    told = {"error": {"code": "unfit", "message": f"The package {error.name} cannot be loaded.",
                      "hint": "Repair."}}
    print(json.dumps(told))
    sys.exit(1)
print(json.dumps({"python": "3.11", "torch": tiny.__version__, "problems": []}))
"""


def write_wheel(folder, name, content):
    """A wheel of one module."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    record = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record.append(f"{path},sha256={digest.decode()},{len(text)}")
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)


@pytest.fixture(scope="session")
def uv_wheel():
    """uv's own wheel, fetched once through the user's pip configuration."""
    folder = cache_folder() / "uv-wheel"
    if not list(folder.glob("uv-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "uv"]
        if subprocess.run(list(map(str, command)), capture_output=True).returncode:
            pytest.skip("NOT TESTED: pip can fetch no uv here")
    return next(folder.glob("uv-*.whl"))


@pytest.fixture
def extension(tmp_path):
    """An extension whose engine needs two tiny packages."""
    root = tmp_path / "extension"
    (root / "requirements").mkdir(parents=True)
    (root / "engine").mkdir()
    (root / "requirements" / "engine.txt").write_text("# pinned\ntiny==1.0\n")
    (root / "requirements" / "capture.txt").write_text("tinier==1.0\n")
    (root / "engine" / "__main__.py").write_text(DOCTOR)
    (root / "engine" / "patience").write_text("0")
    return root


@pytest.fixture
def wheels(tmp_path, uv_wheel):
    """A folder that holds all that is needed."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    shutil.copy(uv_wheel, folder)
    for name in ("tiny", "tinier"):
        write_wheel(folder, name, "__version__ = '1.0'\n")
    return folder


@pytest.fixture
def set_up(addon, extension, tmp_path):
    """Starts the set-up as a job does; `end` waits for it and gives its status."""

    class SetUp:
        places = addon("partnerface_blender.installing.places").Places(tmp_path / "user" / "engine")
        job = tmp_path / "job"

        def start(self, *words, path=""):
            self.job.mkdir(exist_ok=True)
            keep = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_"))}
            found = path or f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin"
            self.process = subprocess.Popen(
                [sys.executable, str(LAUNCH), "installing.command", "--root",
                 str(self.places.root), "--extension", str(extension), "--job", str(self.job),
                 *map(str, words)],
                env=keep | {"PATH": found, "HOME": str(tmp_path)},
            )  # fmt: skip
            return self

        def status(self):
            return json.loads((self.job / "status.json").read_text())

        def end(self, *words, **options):
            self.start(*words, **options).process.wait(120)
            return self.status()

    return SetUp()


def packages(python):
    command = [str(python), "-c", "import tiny, tinier; print(tiny.__file__)"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def test_a_folder_of_wheels_becomes_an_environment(set_up, wheels, extension, addon):
    status = set_up.end("--wheels", wheels)
    assert status["state"] == "done", status
    assert status["fraction"] == 1.0
    assert set_up.places.ready()
    assert packages(set_up.places.python).startswith(str(set_up.places.environment))
    stamp = set_up.places.read_stamp()
    assert stamp["torch"] == "1.0"
    digest = addon("partnerface_blender.installing.places").digest
    assert stamp["requirements"] == digest(extension)
    (extension / "requirements" / "engine.txt").write_text("tiny==1.0\ntinier==1.0\n")
    assert stamp["requirements"] != digest(extension)  # the add-on was updated
    log = (set_up.job / "log.txt").read_text()
    assert "tiny==1.0" in log


def test_one_stopped_on_the_way_is_not_believed_and_goes_on(set_up, wheels, extension):
    (extension / "engine" / "patience").write_text("60")
    set_up.start("--wheels", wheels)
    deadline = time.monotonic() + 90
    while not set_up.job.joinpath("status.json").is_file() or (
        set_up.status().get("message") != "Trying the engine"
    ):
        assert time.monotonic() < deadline, set_up.status()
        time.sleep(0.05)
    assert not set_up.places.ready()
    (set_up.job / "cancel").touch()
    set_up.process.wait(30)
    assert set_up.status()["state"] == "cancelled"
    assert not set_up.places.ready()
    (extension / "engine" / "patience").write_text("0")
    assert set_up.end("--wheels", wheels)["state"] == "done"
    assert set_up.places.ready()


def test_a_killed_set_up_is_not_believed_even_where_one_was_before(set_up, wheels, extension):
    assert set_up.end("--wheels", wheels)["state"] == "done"
    (extension / "engine" / "patience").write_text("60")
    set_up.start("--wheels", wheels, "--repair")
    deadline = time.monotonic() + 60
    while set_up.places.ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    set_up.process.kill()
    set_up.process.wait()
    assert not set_up.places.ready()


def test_repair_brings_back_what_was_deleted(set_up, wheels):
    set_up.end("--wheels", wheels)
    Path(packages(set_up.places.python)).unlink()
    assert not packages(set_up.places.python)
    failed = set_up.end("--wheels", wheels)  # to pip's eyes nothing is missing
    assert failed["state"] == "failed"
    assert "tiny" in failed["error"]["message"]
    assert not set_up.places.ready()
    assert set_up.end("--wheels", wheels, "--repair")["state"] == "done"
    assert packages(set_up.places.python)


@pytest.mark.parametrize("lacking", ["uv", "tiny", "tinier", "everything"])
def test_what_a_folder_lacks_is_said(set_up, wheels, lacking):
    for wheel in wheels.glob("*.whl" if lacking == "everything" else f"{lacking}-*.whl"):
        wheel.unlink()
    status = set_up.end("--wheels", wheels)
    assert status["state"] == "failed"
    said = f"{status['error']['message']} {status['error']['hint']}"
    assert str(wheels) in said
    assert (lacking if lacking != "everything" else "no wheels") in said
    assert "\n" not in said
    assert "Traceback" not in said
    assert not set_up.places.ready()


def test_no_room_is_said_before_anything_is_fetched(set_up, wheels, tiny_disk):
    object.__setattr__(set_up.places, "root", tiny_disk / "engine")
    status = set_up.end("--wheels", wheels)
    assert status["error"]["code"] == "setup_failed"
    assert "GB more" in status["error"]["message"]
    assert not any(path.is_file() for path in tiny_disk.rglob("*"))


SAID = {  # what uv says → what the sentence holds
    "error: Failed to fetch: x\n  Caused by: dns error\n": "could not be reached",
    "error: Failed to extract\n  Caused by: No space left on device": "disk is full",
    "error: failed to create directory\n  Caused by: Permission denied": "permissions",
    "  x No solution found:\n  Because torch==2.13.0 has no wheels with a matching platform tag":
        "for this system",
    "error: something nobody has seen\n": "something nobody has seen",
    "": "nothing",
}  # fmt: skip


@pytest.mark.parametrize("said", SAID)
def test_why_uv_failed_is_one_sentence(addon, said):
    sentence = str(addon("partnerface_blender.installing.reasons").reason(said, None))
    assert SAID[said] in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_uv_looks_where_pip_was_told_to(addon, tmp_path, monkeypatch):
    machine = addon("partnerface_blender.installing.machine")
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = /index/a\nfind-links =\n    /one\n    /two\n"
        "[install]\nextra-index-url = /index/b /index/c\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("PIP_CERT", "/my/ca.pem")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "/index/mine")
    found = machine.uv_environment(tmp_path / "packages")
    assert "UV_DEFAULT_INDEX" not in found  # what is set for uv itself goes first
    assert found["UV_FIND_LINKS"] == "/one,/two"
    assert found["UV_INDEX"] == "/index/b /index/c"
    assert found["SSL_CERT_FILE"] == "/my/ca.pem"
    assert found["UV_CACHE_DIR"] == str(tmp_path / "packages")


def test_a_python_that_suits_is_found(addon):
    machine = addon("partnerface_blender.installing.machine")
    found = machine.find_pythons()
    assert found
    assert {machine.python_version(path) for path in found} <= set(machine.PYTHONS)


def test_what_is_there_twice_counts_once(addon, tmp_path):
    size_of = addon("partnerface_blender.installing.command").size_of
    (tmp_path / "a").write_bytes(bytes(1000))
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "d").write_bytes(bytes(500))
    assert size_of(tmp_path) == 1500
    assert size_of(tmp_path / "nothing") == 0
