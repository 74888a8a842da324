# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny avatar, its capture and its training frames."""

import pytest
import torch

from engine.avatar.model import Avatar
from engine.bench.subject import subject_of
from engine.capture.folder import read_capture
from engine.jobs import Job
from engine.train.frames import open_frames

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def subject(trained_avatar):
    return subject_of(Avatar.load(trained_avatar, CPU))


@pytest.fixture(scope="module")
def capture(trained_avatar):
    return read_capture(trained_avatar.parents[1] / "capture")


@pytest.fixture(scope="module")
def frames(capture, tmp_path_factory, job):
    return open_frames(capture, tmp_path_factory.mktemp("pixels"), 32, CPU, job)


@pytest.fixture(scope="module")
def job():
    return Job("bench", quiet=True)
