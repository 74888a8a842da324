# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading clips, and what is no clip."""

import numpy as np
import pytest

from engine.capture.video import open_clip, parse_range
from engine.errors import ClipError


@pytest.fixture(scope="module")
def counted(write_clip):
    """A clip of 12 frames whose brightness tells their number."""
    return write_clip(
        "counted.mp4", [np.full((64, 96, 3), 20 * n, np.uint8) for n in range(12)], fps=20
    )


def test_says_what_the_clip_is(counted):
    clip = open_clip(counted)
    assert (clip.width, clip.height, clip.fps, clip.frames) == (96, 64, 20.0, 12)


def test_reads_a_range_of_frames(counted):
    frames = list(open_clip(counted).read(3, 5))
    assert [number for number, _ in frames] == [3, 4, 5]
    for number, picture in frames:
        assert picture.shape == (64, 96, 3)
        assert abs(picture.mean() - 20 * number) < 4


def test_reads_chosen_frames_alone(counted):
    frames = dict(open_clip(counted).read_only([9, 2]))
    assert list(frames) == [2, 9]
    assert abs(frames[9].mean() - 180) < 4


def test_a_range_past_the_end_stops_there(counted):
    assert [number for number, _ in open_clip(counted).read(10, 50)] == [10, 11]


def test_colours_are_red_green_blue(write_clip):
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 250
    _, picture = next(open_clip(write_clip("red.mp4", [red] * 3)).read())
    assert picture[..., 0].mean() > 200 > 50 > picture[..., 2].mean()


def test_the_digest_tells_clips_apart(counted, write_clip):
    other = write_clip(
        "other.mp4", [np.full((64, 96, 3), 7 * n, np.uint8) for n in range(12)], fps=20
    )
    assert open_clip(counted).digest() == open_clip(counted).digest() != open_clip(other).digest()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.mp4", None, "no video file"),
        ("empty.mp4", b"", "is empty"),
        ("text.mp4", b"This is a text, not a video.\n" * 50, "cannot be read"),
        ("noise.mp4", bytes(range(256)) * 40, "cannot be read"),
    ],
)
def test_what_is_no_clip_is_refused(tmp_path, capfd, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ClipError, match=says) as raised:
        open_clip(tmp_path / name)
    assert raised.value.hint
    assert capfd.readouterr() == ("", "")  # no decoder's complaints beside our sentence


def test_a_truncated_clip_is_refused(counted, tmp_path):
    part = tmp_path / "part.mp4"
    part.write_bytes(counted.read_bytes()[:600])
    with pytest.raises(ClipError, match="cannot be read"):
        open_clip(part)


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
