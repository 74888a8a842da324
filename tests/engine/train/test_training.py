# SPDX-License-Identifier: GPL-3.0-or-later
"""Training for real, on a tiny capture: it learns, it stops and goes on, and its avatar renders."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.avatar.model import Avatar
from engine.capture.folder import read_capture
from engine.config import Train
from engine.errors import Cancelled
from engine.files import read_tensors
from engine.jobs import Job
from engine.render.frame import EMPTY_DEPTH, on_white, render_frame
from engine.train import command
from engine.train.checkpoints import SCHEMA_VERSION
from tests.engine.command_line import engine, result_of

CPU = torch.device("cpu")
TRAIN = ["--preset", "draft", "--device", "cpu"]


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train") / "capture"
    result_of("synth", folder, "--size", 48, "--frames", 20, "--test-frames", 3)
    return folder


@pytest.fixture(scope="module")
def trained(capture):
    out = capture.parent / "trained"
    return result_of("train", capture, out, *TRAIN, "--steps", 120), out


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
    avatar = Avatar.load(Path(trained[0]["avatar"]), CPU)
    motion = avatar.file.motion
    with pytest.raises(Cancelled):
        render_frame(
            avatar, avatar.file.camera, motion.psi[0], motion.theta[0], motion.translation[0],
            should_stop=lambda: True,
        )  # fmt: skip


def test_a_resumed_run_equals_an_uninterrupted_one(capture, tmp_path):
    class StoppedOnce(Job):
        """Stopped after some steps of its training, as by Ctrl-C."""

        def update(self, message, step, total, **figures):
            if message.startswith("stage") and step == 5:
                (tmp_path / "job" / "cancel").touch()
            super().update(message, step, total, **figures)

    whole = result_of("train", capture, tmp_path / "a", *TRAIN, "--steps", 12)
    again = Train(capture=capture, out=tmp_path / "b", preset="draft", steps=12, device="cpu")
    with pytest.raises(Cancelled), StoppedOnce("train", tmp_path / "job", quiet=True) as job:
        command.run(again, job)
    latest = tmp_path / "b" / "checkpoints" / "latest.safetensors"
    header, _ = read_tensors(latest, "checkpoint", SCHEMA_VERSION)
    assert header["progress"]["step"] == 5
    assert not (tmp_path / "b" / "avatar.safetensors").exists()
    resumed = result_of("train", capture, tmp_path / "b", *TRAIN, "--steps", 12)
    assert resumed["psnr_train"] == pytest.approx(whole["psnr_train"], abs=0.05)
    curves = json.loads((tmp_path / "b" / "curves.json").read_text())
    assert curves["seconds"][-1] > header["progress"]["seconds"]


def test_render_command_writes_pictures_of_any_camera(trained, tmp_path):
    avatar = Avatar.load(Path(trained[0]["avatar"]), CPU)
    camera = tmp_path / "camera.json"
    camera.write_text(json.dumps(avatar.file.camera.resized(40, 30).to_json()))
    result = result_of(
        "render", trained[0]["avatar"], tmp_path / "out", "--frames", "1-2", "--camera", camera
    )
    assert result["frames"] == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["00001.png", "00002.png"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--frames", "5-900"], "no range of the frames"),
        (["--camera", "nowhere.json"], "camera file"),
        (["--size", "-3"], "cannot be -3 pixels"),
        (["--device", "cuda:7" if torch.cuda.is_available() else "cuda"], "GPU"),
    ],
)
def test_bad_requests_get_a_sentence(trained, tmp_path, arguments, said):
    done = engine("render", trained[0]["avatar"], tmp_path / "out", *arguments)
    assert done.status == 1
    assert said in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "out").exists()


def test_training_on_an_unfinished_capture_gets_a_sentence(tmp_path):
    (tmp_path / "capture").mkdir()
    done = engine("train", tmp_path / "capture", tmp_path / "out")
    assert done.status == 1
    assert "no finished capture" in done.err
    assert not (tmp_path / "out").exists()
