# SPDX-License-Identifier: GPL-3.0-or-later
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.paths import cache_folder
from engine.protocol import Message
from engine.render.camera import Camera
from engine.session import Session

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


def test_an_idle_engine_can_be_terminated(start_engine):
    engine = start_engine(device="cpu")
    engine.process.terminate()
    assert engine.process.wait(5) == -signal.SIGTERM


def test_the_log_of_the_last_start_is_kept(start_engine, tmp_path):
    with pytest.raises(Exception, match="no device"):
        start_engine(device="tpu")
    (tmp_path / "engine.log").write_text("the reason")
    start_engine(device="cpu")
    assert (tmp_path / "engine.previous.log").read_text() == "the reason"


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
    monkeypatch.setattr(addon("engine.protocol"), "PROTOCOL_VERSION", 99)
    with pytest.raises(Exception, match="different versions") as caught:
        start_engine(device="cpu")
    assert caught.value.code == "protocol"
    assert "Restart Blender" in caught.value.hint


def test_a_python_without_packages_is_a_sentence(start_engine, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    with pytest.raises(Exception, match="cannot load the package") as caught:
        start_engine(tmp_path / "bare" / "bin" / "python")
    assert "build.py setup" in str(caught.value)


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


# What follows renders a really trained avatar.


def request_for(addon, opened, size=32, **changes):
    requests = addon("partnerface_blender.connection.engine_requests")
    camera = Camera.from_json(opened.header["camera"]).resized(size, size)
    frame = {name: opened.arrays[f"motion.{name}"][0] for name in ("psi", "theta", "translation")}
    return requests.RenderRequest(opened.handle, camera.to_json(), **frame, **changes)


def test_a_frame_comes_over_the_border(start_engine, addon, trained_avatar):
    engine = start_engine(device="cpu")
    opened = engine.open_avatar(trained_avatar)
    assert opened.header["method"] == "partnerface"
    request = request_for(addon, opened, 136, planes=("combined", "depth", "parts"))
    told = []
    planes = engine.render(request, on_progress=told.append)
    assert planes["combined"].shape == (136, 136, 4)
    assert planes["combined"].dtype == np.float16
    assert planes["depth"].shape == (136, 136)
    assert planes["parts"].shape == (136, 136, len(opened.header["part_names"]))
    assert planes["combined"][..., 3].max() > 0.1
    seen = planes["depth"] < 1e10
    assert 0.1 < planes["depth"][seen].mean() < 10  # metres
    assert told == sorted(told)

    request = request_for(addon, opened, 24)
    planes = engine.render(request)
    session = Session("cpu")
    header, _ = session.open_avatar(trained_avatar)
    arrays = {name: getattr(request, name) for name in ("psi", "theta", "translation")}
    asked = {"avatar": header["avatar"], "camera": request.camera, "planes": ["combined"]}
    truth = session.render(Message("render", 1, asked, arrays))[1]["combined"]
    assert np.array_equal(planes["combined"], truth)


def test_an_odd_request_is_a_sentence_and_the_engine_goes_on(start_engine, addon, trained_avatar):
    engine = start_engine(device="cpu")
    opened = engine.open_avatar(trained_avatar)
    with pytest.raises(Exception, match="psi of shape"):
        engine.render(replace(request_for(addon, opened), psi=np.zeros(2)))
    with pytest.raises(Exception, match="not finite"):
        engine.render(replace(request_for(addon, opened), translation=np.full(3, np.nan)))
    assert engine.render(request_for(addon, opened))["depth"].shape == (32, 32)


def test_a_render_is_cancelled_midway_and_the_engine_goes_on(start_engine, addon, trained_avatar):
    engine = start_engine(device="cpu")
    opened = engine.open_avatar(trained_avatar)
    engine.render(request_for(addon, opened))  # kernels are compiled
    told = []
    with pytest.raises(Exception, match="stopped") as caught:
        engine.render(
            request_for(addon, opened, 2048),
            should_stop=lambda: len(told) > 0,
            on_progress=told.append,
        )
    assert caught.value.code == "cancelled"
    assert 0 < told[0] < 1
    assert engine.render(request_for(addon, opened))["depth"].shape == (32, 32)


def test_a_request_that_waits_its_turn_is_cancelled_at_once(start_engine, addon, trained_avatar):
    engine = start_engine(device="cpu")
    opened = engine.open_avatar(trained_avatar)
    engine.render(request_for(addon, opened))
    long = engine.submit_render(request_for(addon, opened, 2048))
    deadline = time.monotonic() + 60
    while not long.progress:  # it has begun
        assert time.monotonic() < deadline
        time.sleep(0.02)
    waiting = engine.submit_render(request_for(addon, opened))
    waiting.cancel()
    with pytest.raises(Exception, match="cancelled"):
        waiting.result()
    assert not long.done()
    long.cancel()
    with pytest.raises(Exception, match="stopped"):
        long.result()


def test_an_engine_killed_midway_is_noticed_at_once(start_engine, addon, trained_avatar):
    engine = start_engine(device="cpu")
    opened = engine.open_avatar(trained_avatar)
    pending = engine.submit_render(request_for(addon, opened, 2048))
    time.sleep(0.5)
    engine.process.kill()
    began = time.monotonic()
    with pytest.raises(Exception, match="killed by signal 9"):
        pending.result()
    assert time.monotonic() - began < 2


def test_an_engine_that_falls_silent_midway_is_ended_though_nobody_waits(
    start_engine, addon, trained_avatar, monkeypatch
):
    monkeypatch.setattr(
        addon("partnerface_blender.connection.engine_process"), "SILENCE_TIMEOUT_S", 2.0
    )
    engine = start_engine(device="cpu")
    opened = engine.open_avatar(trained_avatar)
    pending = engine.submit_render(request_for(addon, opened, 2048))
    time.sleep(0.5)
    os.kill(engine.process.pid, signal.SIGSTOP)
    deadline = time.monotonic() + 10
    while not pending.done() and time.monotonic() < deadline:  # as the viewport does
        time.sleep(0.05)
    assert pending.done()
    with pytest.raises(Exception, match="did not answer for") as caught:
        pending.result()
    assert caught.value.code == "engine_hung"


def test_an_engine_at_work_dies_with_its_client(trained_avatar, tmp_path):
    """Whatever it is doing, and though the client cannot say goodbye."""
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, ROOT, cache_folder(), tmp_path / "log", trained_avatar],
        stdout=subprocess.PIPE,
        text=True,
    )
    pid = int(client.stdout.readline())
    time.sleep(0.5)
    assert _lives(pid)
    client.kill()
    client.wait()
    deadline = time.monotonic() + 5
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(pid)


CLIENT = """
import importlib, sys, time, types
from pathlib import Path
root, cache, log, avatar = map(Path, sys.argv[1:])
package = types.ModuleType("partnerface")
package.__path__ = [str(root)]
sys.modules["partnerface"] = package
module = importlib.import_module("partnerface.partnerface_blender.connection.engine_process")
python = Path(sys.executable)
engine = module.EngineProcess.start(python, root, cache, log, device="cpu")
opened = engine.open_avatar(avatar)
camera = {**opened.header["camera"], "width": 4096, "height": 4096}
frame = {name: opened.arrays["motion." + name][0] for name in ("psi", "theta", "translation")}
pending = engine.submit_render(module.RenderRequest(opened.handle, camera, **frame))
time.sleep(1.0)
assert not pending.done()
print(engine.process.pid, flush=True)
time.sleep(60)
"""
