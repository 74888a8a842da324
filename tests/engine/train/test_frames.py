# SPDX-License-Identifier: GPL-3.0-or-later
"""The training pictures' file: it is of the capture at hand, whole, and alone."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.capture.folder import read_capture, write_frame
from engine.errors import CaptureError, SpaceError
from engine.jobs import Job
from engine.train.frames import capture_key, open_frames

CPU = torch.device("cpu")


@pytest.fixture
def capture(trained_avatar):
    return read_capture(trained_avatar.parents[1] / "capture")


def opened(capture, folder, size=32):
    return open_frames(capture, folder, size, CPU, Job("train", quiet=True))


def test_pictures_and_mattes_of_the_training_frames(capture, tmp_path):
    frames = opened(capture, tmp_path)
    assert len(frames) == len(capture.train)
    index = capture.train[3]
    np.testing.assert_array_equal(frames.pixels[3, ..., :3], capture.image(index))
    np.testing.assert_array_equal(frames.pixels[3, ..., 3], capture.matte(index))


def test_what_is_there_is_taken_and_what_is_of_another_capture_is_not(capture, tmp_path):
    """Another clip may have as many frames of the same size, and the same motion."""
    opened(capture, tmp_path)
    (first,) = tmp_path.iterdir()
    stamp = first.stat().st_mtime_ns
    opened(capture, tmp_path)
    assert [path.stat().st_mtime_ns for path in tmp_path.iterdir()] == [stamp]

    other = replace(capture, source={**capture.source, "seed": 77})
    assert capture_key(other) != capture_key(capture)
    (tmp_path / "pixels-unfinished.part").write_bytes(b"left by a kill")
    opened(other, tmp_path)
    (second,) = tmp_path.iterdir()
    assert second.name != first.name


def test_a_file_cut_short_is_made_anew(capture, tmp_path):
    opened(capture, tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    opened(capture, tmp_path)
    assert file.read_bytes() == whole


def test_a_full_disk_is_a_sentence(capture, tiny_disk):
    with pytest.raises(SpaceError, match="no space left"):
        opened(capture, tiny_disk)
    assert not list(tiny_disk.iterdir())


def test_mattes_without_a_head_are_refused(capture, tmp_path):
    black = tmp_path / "capture"
    shutil.copytree(capture.path, black)
    for index in capture.train:
        write_frame(black, index, capture.image(index), np.zeros_like(capture.matte(index)))
    with pytest.raises(CaptureError, match="show no head"):
        opened(read_capture(black), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["capture"]
