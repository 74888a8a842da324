# SPDX-License-Identifier: GPL-3.0-or-later
"""A capture's motion on an avatar, whichever head model the capture was made with."""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.capture.folder import read_capture, write_capture
from engine.config import Render
from engine.errors import HeadMismatchError
from engine.head.anatomy import vertex_landmarks
from engine.head.motion import Motion
from engine.jobs import Job
from engine.render.command import run


@pytest.fixture
def capture_folder(trained_avatar, tmp_path):
    return shutil.copytree(trained_avatar.parents[1] / "capture", tmp_path / "capture")


def render(avatar, capture, out):
    config = Render(avatar=avatar, out=out, capture=capture, frames="0-1", size=48, device="cpu")
    with Job("render", quiet=True) as job:
        result = run(config, job)
    return result, [cv2.imread(str(out / f"{i:05d}.png"), -1).astype(float) for i in (0, 1)]


def change_head(folder, **changes):
    """The capture with its head's coefficients in reverse order, under another fingerprint."""
    capture = read_capture(folder)
    head, motion = capture.head, capture.motion
    turned = replace(
        head, model_name="reversed", model_fingerprint="reversed",
        expression_names=head.expression_names[::-1],
        expressions=np.ascontiguousarray(head.expressions[::-1]), **changes,
    )  # fmt: skip
    reverse = Motion(np.ascontiguousarray(motion.psi[:, ::-1]), motion.theta, motion.translation)
    write_capture(replace(capture, head=turned, motion=reverse))


def test_motion_of_another_head_model_is_carried_over(trained_avatar, capture_folder, tmp_path):
    own, truth = render(trained_avatar, capture_folder, tmp_path / "own")
    assert "motion_transferred" not in own
    change_head(capture_folder)
    result, found = render(trained_avatar, capture_folder, tmp_path / "other")
    assert result["motion_transferred"] == "from head model reversed to generic"
    assert result["motion_not_expressed"] < 0.1
    for a, b in zip(truth, found, strict=True):
        assert a[..., 3].max() > 100
        assert np.abs(a - b).mean() < 1.5  # of 255


def test_where_nothing_can_be_laid_onto_each_other_it_is_refused(
    trained_avatar, capture_folder, tmp_path
):
    change_head(capture_folder, landmarks68=vertex_landmarks(np.zeros(0, np.int32)))
    with pytest.raises(HeadMismatchError, match="reversed has no landmarks"):
        render(trained_avatar, capture_folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
