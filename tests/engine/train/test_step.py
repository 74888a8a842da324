# SPDX-License-Identifier: GPL-3.0-or-later
"""A step in shares: the same numbers however they come about, no more surveys than may be."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.avatar.model import Avatar
from engine.capture.folder import read_capture
from engine.jobs import Job
from engine.train import step as step_module
from engine.train.floating import floating_heights
from engine.train.frames import open_frames
from engine.train.per_frame import PerFrame
from engine.train.settings import preset
from engine.train.step import Found, Moment, Steps, put_together

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def moment(trained_avatar, tmp_path_factory):
    capture = read_capture(trained_avatar.parents[1] / "capture")
    frames = open_frames(
        capture, tmp_path_factory.mktemp("pixels"), 32, CPU, Job("train", quiet=True)
    )
    avatar = Avatar.load(trained_avatar, CPU).train().requires_grad_(True)
    settings = replace(preset("draft", "partnerface", 8), model=avatar.config)
    per_frame = PerFrame(avatar.config, len(frames), len(capture.head.expression_names))
    grown = torch.ones_like(avatar.occupancy.occupied)
    return Moment(
        settings, frames, avatar, per_frame, grown, floating_heights(avatar), 0, stage_two=True
    )


def parameters(moment):
    return [*moment.avatar.parameters(), *moment.per_frame.parameters()]


def worked_out(moment, chosen=(0, 3, 5), rays=96):
    steps = Steps(moment.avatar, parameters(moment))
    kept = torch.ones(len(chosen))
    return steps.work_out(moment, np.array(chosen), kept, rays, np.random.default_rng(4))


def test_shares_side_by_side_and_in_turn_say_the_same(moment, monkeypatch):
    together = worked_out(moment)
    monkeypatch.setattr(step_module, "over_cores", lambda work, items, _device: map(work, items))
    in_turn = worked_out(moment)
    assert (together.loss, together.mse, together.samples) == (
        in_turn.loss, in_turn.mse, in_turn.samples,
    )  # fmt: skip
    assert together.samples > 100
    some = 0
    for a, b in zip(together.gradients, in_turn.gradients, strict=True):
        assert (a is None) == (b is None)
        assert a is None or torch.equal(a, b)
        some += a is not None and bool(a.any())
    assert some > 10


def test_every_frame_of_a_step_reaches_its_own_code_alone(moment):
    index = [id(value) for value in parameters(moment)].index(id(moment.per_frame.code))
    gradient = worked_out(moment, chosen=(0, 3, 5)).gradients[index]
    assert gradient.abs().sum(1).nonzero()[:, 0].tolist() == [0, 3, 5]


def test_one_frame_is_one_share(moment):
    found = worked_out(moment, chosen=(2,), rays=40)
    assert len(found.alpha) == len(found.matte) == 40


def test_shares_count_by_their_frames():
    def share(value, loss, rays):
        alpha = torch.full((rays,), loss)
        gradients = [torch.tensor([value]), None, None]
        return Found(gradients, loss, 2 * loss, alpha, alpha + 1, rays, [rays])

    first, second = share(1.0, 0.25, 2), share(4.0, 0.5, 1)
    second.gradients[1] = torch.tensor([8.0])
    found = put_together([first, second], [0.75, 0.25])
    assert [g if g is None else g.item() for g in found.gradients] == [1.75, 2.0, None]
    assert (found.loss, found.mse, found.samples) == (0.3125, 0.625, 3)
    assert found.alpha.tolist() == [0.25, 0.25, 0.5]
    assert found.matte.tolist() == [1.25, 1.25, 1.5]
    assert found.surveys == [2, 1]


def test_no_more_surveys_are_kept_than_may_be(moment, monkeypatch):
    monkeypatch.setattr(step_module, "SURVEYS", 3)
    steps = Steps(moment.avatar, parameters(moment))
    for step, chosen in enumerate(([0, 1], [2, 3], [1, 4], [0, 4], [4, 5])):
        now = replace(moment, step=step)
        steps.work_out(now, np.array(chosen), torch.ones(2), 16, np.random.default_rng(0))
        assert len(steps.surveys) <= 3
        ages = [survey.step for survey in steps.surveys.values()]
        assert ages == sorted(ages)
        assert ages[-1] == step
    assert steps.surveys[4].step == 2  # it is still good


def test_a_share_whose_rays_all_miss_spoils_nothing(moment):
    nowhere = replace(moment, grown=torch.zeros_like(moment.grown))
    found = worked_out(nowhere)
    assert found.samples == 0
    assert np.isfinite(found.loss)
    assert all(g is None or bool(g.isfinite().all()) for g in found.gradients)
