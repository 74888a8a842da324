# SPDX-License-Identifier: GPL-3.0-or-later
"""Training for real, on a tiny capture: it learns, it stops and goes on, and its avatar renders."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.avatar.model import Avatar
from engine.capture.folder import read_capture
from engine.files import read_tensors
from engine.render.frame import EMPTY_DEPTH, on_white, render_frame

ROOT = Path(__file__).parents[3]
CPU = torch.device("cpu")
TRAIN = ["--preset", "draft", "--device", "cpu", "--json"]


def engine(*arguments, check=True):
    """Run the command line; its last JSON line."""
    command = [sys.executable, "-m", "engine", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    assert not check or done.returncode == 0, done.stderr
    return done if not check else json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train") / "capture"
    engine("synth", folder, "--size", 48, "--frames", 20, "--test-frames", 3, "--json")
    return folder


@pytest.fixture(scope="module")
def trained(capture):
    out = capture.parent / "trained"
    return engine("train", capture, out, *TRAIN, "--steps", 120), out


def test_it_learns(trained):
    result, out = trained
    curves = json.loads((out / "curves.json").read_text())
    assert result["steps"] == 120
    assert result["psnr_train"] > curves["psnr"][0] + 3
    assert curves["loss"][-1] < curves["loss"][0]


def test_its_avatar_looks_like_the_subject(trained, capture):
    result, _ = trained
    avatar, truth = Avatar.load(Path(result["avatar"]), CPU), read_capture(capture)
    i = truth.train[3]
    planes = render_frame(
        avatar,
        truth.camera,
        truth.motion.psi[i],
        truth.motion.theta[i],
        truth.motion.translation[i],
    )
    matte = truth.matte(i)[..., None] / 255
    wanted = truth.image(i) / 255 * matte + 1 - matte
    psnr = -10 * np.log10(np.mean((on_white(planes) - wanted) ** 2))
    assert psnr > 18
    solid = (planes.alpha > 0.9) & (matte[..., 0] == 1)
    assert solid.sum() > 100
    true_depth = truth.depth(i)[solid]
    assert np.median(np.abs(planes.depth[solid] - true_depth)) < 0.02
    assert (planes.depth[planes.alpha < 0.01] == EMPTY_DEPTH).all()
    np.testing.assert_allclose(planes.parts.sum(-1), planes.alpha, atol=2e-2)


def test_rendering_stops_when_asked(trained, capture):
    from engine.errors import Cancelled

    avatar = Avatar.load(Path(trained[0]["avatar"]), CPU)
    motion = avatar.file.motion
    with pytest.raises(Cancelled):
        render_frame(
            avatar, avatar.file.camera, motion.psi[0], motion.theta[0], motion.translation[0],
            should_stop=lambda: True,
        )  # fmt: skip


def test_ctrl_c_loses_nothing_and_the_run_goes_on(capture, tmp_path):
    out, job = tmp_path / "out", tmp_path / "job"
    arguments = ["train", capture, out, *TRAIN, "--steps", "400", "--job", job]
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", *map(str, arguments)], cwd=ROOT, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.time() + 120
    while time.time() < deadline:
        time.sleep(0.2)
        status = job / "status.json"
        found = json.loads(status.read_text()) if status.exists() else {}
        if found.get("message", "").startswith("stage") and found["step"] >= 5:
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    header, _ = read_tensors(out / "checkpoints" / "latest.safetensors", "checkpoint", 1)
    reached = header["progress"]["step"]
    assert reached >= 5
    assert not (out / "avatar.safetensors").exists()
    result = engine("train", capture, out, *TRAIN, "--steps", reached + 5)
    assert result["steps"] == reached + 5
    curves = json.loads((out / "curves.json").read_text())
    assert curves["seconds"][-1] > header["progress"]["seconds"]


def test_a_resumed_run_equals_an_uninterrupted_one(capture, tmp_path):
    whole = engine("train", capture, tmp_path / "a", *TRAIN, "--steps", 12)
    # The rates depend on the number of steps, so the second run is stopped by the same schedule.
    job = tmp_path / "job"
    job.mkdir()
    first = subprocess.Popen(
        [sys.executable, "-m", "engine", "train", str(capture), str(tmp_path / "b"), *TRAIN,
         "--steps", "12", "--job", str(job)], cwd=ROOT,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while first.poll() is None:
        time.sleep(0.05)
        status = job / "status.json"
        if status.exists() and "stage" in json.loads(status.read_text()).get("message", ""):
            (job / "cancel").touch()
            break
    first.wait(timeout=60)
    resumed = engine("train", capture, tmp_path / "b", *TRAIN, "--steps", 12)
    assert resumed["psnr_train"] == pytest.approx(whole["psnr_train"], abs=0.05)


def test_render_command_writes_pictures_of_any_camera(trained, tmp_path):
    avatar = Avatar.load(Path(trained[0]["avatar"]), CPU)
    camera = tmp_path / "camera.json"
    camera.write_text(json.dumps(avatar.file.camera.resized(40, 30).to_json()))
    result = engine(
        "render",
        trained[0]["avatar"],
        tmp_path / "out",
        "--frames",
        "1-2",
        "--camera",
        camera,
        "--json",
    )
    assert result["frames"] == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["00001.png", "00002.png"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--frames", "5-900"], "no range of the frames"),
        (["--camera", "nowhere.json"], "camera file"),
        (["--device", "cuda:7" if torch.cuda.is_available() else "cuda"], "GPU"),
    ],
)
def test_bad_requests_get_a_sentence(trained, tmp_path, arguments, said):
    done = engine("render", trained[0]["avatar"], tmp_path / "out", *arguments, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_training_on_an_unfinished_capture_gets_a_sentence(tmp_path):
    (tmp_path / "capture").mkdir()
    done = engine("train", tmp_path / "capture", tmp_path / "out", check=False)
    assert done.returncode == 1
    assert "no finished capture" in done.stderr
    assert not (tmp_path / "out").exists()
