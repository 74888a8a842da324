# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop, watched."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.bench.subject import HeldOut, evenly, renders
from engine.bench.training import Enough, Race, as_finished, fresh_run, late_run, race, steps_of
from engine.train.settings import preset


@pytest.fixture(scope="module")
def settings():
    return replace(preset("draft", "partnerface", 8), samples=600, first_rays=64, frames_per_step=2)


@pytest.fixture(scope="module")
def held_out(capture, frames):
    return HeldOut(capture, frames.camera, evenly(capture.test, 1))


def test_a_race_ends_with_the_run_and_its_clock_leaves_looking_out(
    settings, frames, capture, held_out, job
):
    run = fresh_run(settings, frames, capture.head)
    found = race(run, capture, held_out, job, every_s=0.0)
    assert len(found.seconds) == len(found.psnr) == settings.steps
    assert all(np.diff(found.seconds) > 0)
    last = held_out.psnr(renders(as_finished(run), capture.motion))
    assert found.psnr[-1] == pytest.approx(last, abs=0.3)


def test_seconds_to_a_psnr():
    found = Race([1.0, 2.0, 3.0], [10.0, 15.0, 14.0])
    assert found.seconds_to(12) == 2.0
    assert found.seconds_to(15.1) is None


def test_steps_of_a_late_run_leave_the_avatar_alone(subject, settings, frames, job):
    before = {name: value.clone() for name, value in subject.avatar.state_dict().items()}
    run = late_run(settings, frames, subject.avatar)
    seconds, rate = steps_of(run, job, warm=1, measured=2)
    assert len(seconds) == 2
    assert min(seconds) > 0
    assert rate > 0
    assert not torch.equal(run.avatar.field.table, subject.avatar.field.table)
    for name, value in subject.avatar.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_run_goes_back_to_what_it_saved(settings, frames, capture, job):
    run = fresh_run(settings, frames, capture.head)

    def spoil(step):
        with torch.no_grad():
            run.avatar.field.table.fill_(torch.nan)
        run._restore()
        raise Enough

    run.go(job, spoil)
    assert torch.isfinite(run.avatar.field.table).all()
    assert run.progress.step == 0


def test_held_out_frames_are_compared_inside_the_head_box(capture, held_out):
    truths = iter([truth for _, _, truth in held_out._views])
    assert held_out.psnr(lambda camera, frame: next(truths)) == 100.0
    (_, camera, truth), *_ = held_out._views
    assert truth.shape == (camera.height, camera.width, 3)
    assert camera.width < capture.camera.width
