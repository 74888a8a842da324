# SPDX-License-Identifier: GPL-3.0-or-later
"""Divergence is noticed in time, and training finds its way back."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.avatar.model import Avatar
from engine.config import Train
from engine.errors import Cancelled
from engine.jobs import Job
from engine.train import command
from engine.train.settings import preset
from engine.train.watch import TRIES, DivergedError, Watch, slowed
from tests.engine.command_line import result_of

MATTE = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.5])


def steps_until_trouble(losses, alpha):
    """How many steps a watch needs to see something wrong (None: it never does)."""
    watch = Watch()
    for step, loss in enumerate(losses):
        if watch.observe(loss, torch.tensor(alpha), MATTE):
            return step, watch.trouble
    return None, ""


@pytest.mark.parametrize(
    ("losses", "alpha", "said"),
    [
        ([0.1] * 5 + [float("nan")], [1.0, 1.0, 0.0, 0.0, 0.5], "not finite"),
        ([0.1] * 5 + [float("inf")], [1.0, 1.0, 0.0, 0.0, 0.5], "not finite"),
        ([0.1] * 300, [0.0, 0.01, 0.0, 0.0, 0.0], "empty"),
        ([0.1] * 300, [1.0, 1.0, 0.99, 0.98, 1.0], "fog"),
    ],
)
def test_trouble_is_seen_within_200_steps(losses, alpha, said):
    step, trouble = steps_until_trouble(losses, alpha)
    assert step is not None
    assert step <= 200
    assert said in trouble


def test_a_sane_training_is_left_alone():
    assert steps_until_trouble([0.3] * 400, [0.9, 0.8, 0.3, 0.2, 0.5]) == (None, "")
    watch = Watch()
    for _ in range(30):  # foggy at first, as any field may be
        watch.observe(0.3, torch.ones(5), MATTE)
    assert not watch.healthy
    for _ in range(100):
        watch.observe(0.2, MATTE, MATTE)
    assert watch.healthy
    assert not watch.trouble


def test_rates_are_halved_and_at_last_it_gives_up():
    assert slowed(1.0, "x", 0) == 0.5
    with pytest.raises(DivergedError, match="because the scene is empty"):
        slowed(0.1, "the scene is empty", TRIES)


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watch") / "capture"
    result_of("synth", folder, "--size", 32, "--frames", 12, "--test-frames", 1)
    return folder


def test_a_broken_training_goes_back_and_ends_well(capture, tmp_path, caplog, monkeypatch):
    """A weight is broken once, in mid-training."""
    break_at, broken = 12, []
    real = command.train

    def train(
        settings, frames, avatar, per_frame, optimiser, random, progress, job, save, restore, show
    ):
        class Saboteur:
            """The job, but for one weight that it turns into a NaN at one step."""

            def update(self, message, step, total, **figures):
                if step == break_at and not broken:
                    broken.append(step)
                    with torch.no_grad():
                        avatar.field.colour[0].weight[0, 0] = float("nan")
                job.update(message, step, total, **figures)

        return real(
            settings, frames, avatar, per_frame, optimiser, random, progress, Saboteur(), save,
            restore, show,
        )  # fmt: skip

    monkeypatch.setattr(command, "train", train)
    config = Train(capture=capture, out=tmp_path, preset="draft", steps=30, device="cpu")
    with caplog.at_level(logging.WARNING), Job("train", quiet=True) as job:
        result = command.run(config, job)
    assert broken == [break_at]
    assert result["steps"] == 30
    assert result["setbacks"] == 1
    assert "not finite" in caplog.text
    avatar = Avatar.load(Path(result["avatar"]), torch.device("cpu"))
    assert "not finite" in avatar.file.record["setbacks"][0]
    assert all(np.isfinite(weight).all() for weight in avatar.weights().values())


def test_what_looks_wrong_is_not_kept_when_training_is_stopped(capture, tmp_path, monkeypatch):
    config = Train(capture=capture, out=tmp_path, preset="draft", steps=30, device="cpu")

    def first_of_five_steps():
        steps = []

        class Stopped(Job):
            def update(self, message, step, total, **figures):
                if total == config.steps:  # of training, not of reading pictures
                    steps.append(step)
                if len(steps) == 5:
                    raise Cancelled("Stopped.", "Go on.")

        with pytest.raises(Cancelled), Stopped("train", quiet=True) as job:
            command.run(config, job)
        return steps[0]

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "healthy", False)
        assert first_of_five_steps() == 1
    assert first_of_five_steps() == 1
    assert first_of_five_steps() == 6


def test_hopeless_settings_end_in_a_sentence(capture, tmp_path, monkeypatch):
    """Rates far too high blow up however often they are halved."""
    settings = replace(preset("draft", "partnerface", 60), rate_nets=1e12, rate_table=1e12)
    monkeypatch.setattr(command, "preset", lambda *_: settings)
    config = Train(capture=capture, out=tmp_path, preset="draft", device="cpu")
    with pytest.raises(DivergedError, match="failed 5 times"), Job("train", quiet=True) as job:
        command.run(config, job)
    assert not (tmp_path / "avatar.safetensors").exists()
