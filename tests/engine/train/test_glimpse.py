# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a training shows the avatar, and changes nothing."""

import cv2
import numpy as np
from safetensors.numpy import load_file

from tests.engine.command_line import result_of


def test_a_training_that_is_watched_learns_the_same(trained_avatar, tmp_path):
    capture = trained_avatar.parents[1] / "capture"
    result_of(
        "train", capture, tmp_path / "out", "--preset", "draft", "--steps", 6, "--device", "cpu",
        "--job", tmp_path / "job",
    )  # fmt: skip
    picture = cv2.imread(str(tmp_path / "job" / "preview.png"))
    assert picture.shape == (32, 64, 3)  # as filmed, and the avatar beside it
    assert picture[:, :32].std() > 10
    unseen = load_file(trained_avatar)  # the same training without a job folder
    seen = load_file(tmp_path / "out" / "avatar.safetensors")
    assert seen.keys() == unseen.keys()
    for name, array in unseen.items():
        np.testing.assert_array_equal(seen[name], array, err_msg=name)
