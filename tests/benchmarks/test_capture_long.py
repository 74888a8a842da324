# SPDX-License-Identifier: GPL-3.0-or-later
"""The long capture's clip and comparison."""

import json

import cv2
import numpy as np
import pytest

from benchmarks.capture_long import differences, kill_points, to_and_fro, write_long_clip
from engine.capture.image_folder import open_image_folder
from engine.capture.video import open_clip


@pytest.fixture
def source(tmp_path):
    """Five pictures whose brightness tells their number."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(5):
        cv2.imwrite(str(folder / f"{n}.png"), np.full((48, 48, 3), 40 * n, np.uint8))
    return open_image_folder(folder)


@pytest.mark.parametrize("frames", [1, 3, 8, 21])
def test_plays_to_and_fro_without_a_jump(source, frames):
    shades = [round(picture.mean() / 40) for picture in to_and_fro(source, frames)]
    assert shades == [min(n % 8, 8 - n % 8) for n in range(frames)]


def test_the_long_clip_is_as_long_and_wide_as_asked(source, tmp_path):
    write_long_clip(source, tmp_path / "long.mp4", 19, 90)
    clip = open_clip(tmp_path / "long.mp4")
    assert (clip.width, clip.height) == (160, 90)
    assert len(list(clip.read())) == 19


def test_differences_leave_the_time_it_took_out(tmp_path):
    for name, seconds in (("one", 5), ("other", 7)):
        (tmp_path / name / "images").mkdir(parents=True)
        (tmp_path / name / "images" / "00000.png").write_bytes(b"same")
        (tmp_path / name / "capture.json").write_text(
            json.dumps({"figures": {"seconds": seconds, "px": 1}})
        )
    assert differences(tmp_path / "one", tmp_path / "other") == []
    (tmp_path / "other" / "images" / "00000.png").write_bytes(b"not the same")
    (tmp_path / "one" / "more").write_bytes(b"")
    assert differences(tmp_path / "one", tmp_path / "other") == ["images/00000.png", "more"]


@pytest.mark.parametrize("kills", [1, 3, 6])
def test_it_is_killed_while_landmarks_are_found_and_while_pictures_are_written(kills):
    points = kill_points(10, 500, kills, seed=0)
    assert points == sorted(points)
    assert 1 <= points[0] <= 10
    assert kills == 1 or 10 < points[-1] < 510
