# SPDX-License-Identifier: GPL-3.0-or-later
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_an_engine_introduces_itself_and_leaves(start_engine):
    engine = start_engine(device="cpu")
    assert engine.alive
    assert engine.about["device"] == "cpu"
    assert engine.about["torch"]
    assert engine.about["pid"] == engine.process.pid
    engine.close()
    assert engine.process.returncode == 0
    assert not engine.alive


def test_starting_does_not_block(start_engine):
    began = time.monotonic()
    engine = start_engine(device="cpu", wait=False)
    assert time.monotonic() - began < 0.5
    with pytest.raises(Exception, match="no avatar file"):
        engine.open_avatar(Path("/nowhere/avatar.safetensors"))


def test_a_bad_device_is_a_sentence(start_engine):
    with pytest.raises(Exception, match="“tpu” is no device") as caught:
        start_engine(device="tpu")
    assert caught.value.code == "no_device"
    assert "auto, cpu or cuda" in caught.value.hint


def test_an_avatar_that_is_not_there_is_a_sentence(start_engine, tmp_path):
    engine = start_engine(device="cpu")
    with pytest.raises(Exception, match="There is no avatar file") as caught:
        engine.open_avatar(tmp_path / "none.safetensors")
    assert caught.value.code == "bad_avatar"
    assert engine.alive  # and goes on


def test_a_killed_engine_is_noticed_at_once(start_engine):
    engine = start_engine(device="cpu")
    os.kill(engine.process.pid, signal.SIGSTOP)
    pending = engine.submit("open_avatar", {"path": "x"})
    os.kill(engine.process.pid, signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(Exception, match="killed by signal 9") as caught:
        pending.result()
    assert time.monotonic() - began < 2
    assert caught.value.code == "engine_died"
    with pytest.raises(Exception, match="killed by signal 9"):
        engine.open_avatar(Path("x"))


def test_a_hung_engine_is_ended(start_engine):
    engine = start_engine(device="cpu")
    os.kill(engine.process.pid, signal.SIGSTOP)
    with pytest.raises(Exception, match="did not answer for 1 seconds") as caught:
        engine.open_avatar(Path("x"), timeout_s=1.0)
    assert caught.value.code == "engine_hung"
    assert engine.process.wait(5) == -signal.SIGKILL


def test_requests_to_a_hung_engine_never_block(start_engine):
    engine = start_engine(device="cpu")
    os.kill(engine.process.pid, signal.SIGSTOP)
    began = time.monotonic()
    for _ in range(2000):
        engine.submit("open_avatar", {"path": "x" * 1000})
    assert time.monotonic() - began < 2


def test_another_protocol_version_is_a_sentence(start_engine, addon, monkeypatch):
    monkeypatch.setattr(addon("engine.protocol"), "PROTOCOL_VERSION", 2)
    with pytest.raises(Exception, match="different versions") as caught:
        start_engine(device="cpu")
    assert caught.value.code == "protocol"
    assert "Restart Blender" in caught.value.hint


def test_a_python_without_packages_is_a_sentence(start_engine, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    with pytest.raises(Exception, match="cannot load the package") as caught:
        start_engine(tmp_path / "bare" / "bin" / "python")
    assert "Install" in str(caught.value) or "install" in str(caught.value)


def test_a_python_that_is_not_there_is_a_sentence(start_engine, tmp_path):
    with pytest.raises(Exception, match="cannot be started") as caught:
        start_engine(tmp_path / "python")
    assert caught.value.code == "engine_start"


def test_something_that_is_no_engine_is_ended(start_engine, tmp_path):
    """A program that neither connects nor ends."""
    sleeper = tmp_path / "python"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    began = time.monotonic()
    with pytest.raises(Exception, match="did not answer for 1 seconds"):
        start_engine(sleeper, timeout_s=1.0)
    assert time.monotonic() - began < 5


def test_blenders_python_settings_stay_out(start_engine, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert start_engine(device="cpu").alive


def test_nothing_is_left_behind(start_engine, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    engine = start_engine(device="cpu")
    assert not list(tmp_path.glob("partnerface-*"))  # the socket is gone once both have met
    engine.close()
    names = {thread.name for thread in threading.enumerate()}
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and any(name.startswith("partnerface") for name in names):
        time.sleep(0.05)
        names = {thread.name for thread in threading.enumerate()}
    assert not any(name.startswith("partnerface") for name in names)


def test_a_long_temporary_folder_falls_back_to_loopback(start_engine, monkeypatch, tmp_path):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    assert start_engine(device="cpu").alive
    shutil.rmtree(long)


def test_the_engine_dies_with_its_client(tmp_path):
    """Even when the client is killed and cannot say goodbye."""
    script = tmp_path / "client.py"
    script.write_text(
        "import importlib, sys, time, types\n"
        "from pathlib import Path\n"
        "package = types.ModuleType('partnerface')\n"
        f"package.__path__ = [{str(ROOT)!r}]\n"
        "sys.modules['partnerface'] = package\n"
        "module = importlib.import_module('partnerface.partnerface_blender.engine_process')\n"
        f"here = Path({str(tmp_path)!r})\n"
        f"engine = module.EngineProcess.start(Path(sys.executable), Path({str(ROOT)!r}),\n"
        "    here / 'cache', here / 'log', device='cpu')\n"
        "print(engine.process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    client = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    pid = int(client.stdout.readline())
    client.kill()
    client.wait()
    deadline = time.monotonic() + 5
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(pid)


def test_serve_by_hand_says_what_it_is_for():
    done = subprocess.run(
        [sys.executable, "-m", "engine", "serve"],
        cwd=ROOT, input="", capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "started by Blender" in done.stderr
    assert done.stdout == ""


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
