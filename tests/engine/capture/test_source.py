# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frames of which source."""

import cv2
import numpy as np
import pytest

from engine.capture.image_folder import ImageFolder
from engine.capture.source import Selection, open_source, parse_range, select
from engine.capture.video import Clip
from engine.errors import ClipError


def test_a_file_is_a_video_and_a_folder_is_pictures(head_clip, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    assert isinstance(open_source(head_clip), Clip)
    folder = open_source(tmp_path, 12.0)
    assert isinstance(folder, ImageFolder)
    assert folder.fps == 12
    assert open_source(tmp_path).fps == 25


def test_a_video_keeps_its_own_frame_rate(head_clip):
    with pytest.raises(ClipError, match="a frame rate of its own"):
        open_source(head_clip, 30.0)


@pytest.mark.parametrize("fps", [-1.0, 0.5, 5000.0])
def test_impossible_frame_rates_are_refused(tmp_path, fps):
    with pytest.raises(ClipError, match="no frame rate"):
        open_source(tmp_path, fps)


@pytest.mark.parametrize("selection", [
    Selection(), Selection(3), Selection(0, 7), Selection(2, 99), Selection(0, 0),
    Selection(1, 9, 4),
])  # fmt: skip
def test_frames_are_counted_as_they_are_read(head_clip, selection):
    clip = open_source(head_clip)
    read = list(clip.read(selection.first, selection.last, selection.stride))
    assert len(read) == selection.count(clip.frames)


def test_strides_below_one_are_refused():
    assert select("4-8", 2) == Selection(4, 8, 2)
    with pytest.raises(ClipError, match="no stride"):
        select("", 0)


@pytest.mark.parametrize(
    ("text", "range_"),
    [("", (0, None)), ("0-99", (0, 99)), (" 5 - 5 ", (5, 5)), ("120-640", (120, 640))],
)
def test_ranges(text, range_):
    assert parse_range(text) == range_


@pytest.mark.parametrize("text", ["9-3", "a-b", "-5", "3-", "1-2-3", "1.5-2"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(ClipError, match="no range"):
        parse_range(text)
