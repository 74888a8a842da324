# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a training shows the avatar, and changes nothing."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from safetensors.numpy import load_file

ROOT = Path(__file__).parents[3]


def test_a_training_that_is_watched_learns_the_same(trained_avatar, tmp_path):
    capture = trained_avatar.parents[1] / "capture"
    command = [sys.executable, "-m", "engine", "train", capture, tmp_path / "out"]
    command += ["--preset", "draft", "--steps", "6", "--device", "cpu", "--quiet"]
    command += ["--job", tmp_path / "job"]
    subprocess.run(list(map(str, command)), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    picture = cv2.imread(str(tmp_path / "job" / "preview.png"))
    assert picture.shape == (32, 64, 3)  # as filmed, and the avatar beside it
    assert picture[:, :32].std() > 10
    unseen = load_file(trained_avatar)  # the same training without a job folder
    seen = load_file(tmp_path / "out" / "avatar.safetensors")
    assert seen.keys() == unseen.keys()
    for name, array in unseen.items():
        np.testing.assert_array_equal(seen[name], array, err_msg=name)
