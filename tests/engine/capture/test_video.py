# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading clips, and what is no clip."""

import numpy as np
import pytest

from engine.capture.video import open_clip
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
    assert [number for number, _, _ in frames] == [3, 4, 5]
    for number, _, picture in frames:
        assert picture.shape == (64, 96, 3)
        assert abs(picture.mean() - 20 * number) < 4


def test_reads_chosen_frames_alone(counted):
    frames = dict(open_clip(counted).read_only([9, 2]))
    assert list(frames) == [2, 9]
    assert abs(frames[9].mean() - 180) < 4


def test_a_range_past_the_end_stops_there(counted):
    assert [frame.number for frame in open_clip(counted).read(10, 50)] == [10, 11]


def test_reads_every_third_frame_of_a_range(counted):
    frames = list(open_clip(counted).read(1, 9, 3))
    assert [frame.number for frame in frames] == [1, 4, 7]
    assert all(abs(frame.picture.mean() - 20 * frame.number) < 4 for frame in frames)
    np.testing.assert_allclose([frame.time for frame in frames], [0.05, 0.2, 0.35], atol=1e-6)


def test_colours_are_red_green_blue(write_clip):
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 250
    picture = next(open_clip(write_clip("red.mp4", [red] * 3)).read()).picture
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
    ("degrees", "size", "corner"),
    [(0, (96, 64), "upper left"), (90, (64, 96), "lower left"),
     (180, (96, 64), "lower right"), (270, (64, 96), "upper right")],
)  # fmt: skip
def test_a_rotation_noted_in_the_file_is_applied(ffmpeg, tmp_path, degrees, size, corner):
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:20, :20] = 250
    plain, turned = tmp_path / "plain.mp4", tmp_path / "turned.mp4"
    ffmpeg([picture] * 3, "-c:v", "libx264", "-pix_fmt", "yuv420p", plain)
    ffmpeg(None, "-display_rotation", str(degrees), "-i", plain, "-c", "copy", turned)
    clip = open_clip(turned)
    seen = next(clip.read()).picture
    assert (clip.width, clip.height) == size == seen.shape[1::-1]
    places = {"upper left": (8, 8), "upper right": (8, -8), "lower left": (-8, 8),
              "lower right": (-8, -8)}  # fmt: skip
    assert [name for name, at in places.items() if seen[at].mean() > 128] == [corner]


def test_a_variable_frame_rate_keeps_its_times_and_numbers(ffmpeg, tmp_path):
    path = tmp_path / "variable.mp4"
    pictures = [np.full((64, 96, 3), 20 * n, np.uint8) for n in range(12)]
    # A pause after every third frame; B-frames, so that decoding and showing differ in order.
    ffmpeg(pictures, "-vf", "setpts='(N+floor(N/3))*0.05/TB'", "-fps_mode", "vfr",
           "-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p", path)  # fmt: skip
    clip = open_clip(path)
    times = np.array([(n + n // 3) * 0.05 for n in range(12)])
    frames = list(clip.read())
    np.testing.assert_allclose([frame.time for frame in frames], times, atol=1e-3)
    assert [round(frame.picture.mean() / 20) for frame in frames] == list(range(12))
    np.testing.assert_allclose([f.time for f in clip.read(5, None, 2)], times[5::2], atol=1e-3)
    for number, picture in clip.read_only([4, 7, 11]):
        assert abs(picture.mean() - 20 * number) < 5


def test_a_clip_that_breaks_off_is_read_as_far_as_it_goes(ffmpeg, tmp_path):
    whole, part = tmp_path / "whole.mp4", tmp_path / "part.mp4"
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (64, 96, 3)).astype(np.uint8) for _ in range(40)]
    ffmpeg(pictures, "-c:v", "libx264", "-g", "5", "-movflags", "+faststart",
           "-pix_fmt", "yuv420p", whole)  # fmt: skip
    data = whole.read_bytes()
    part.write_bytes(data[: len(data) // 2])
    clip = open_clip(part)
    numbers = [frame.number for frame in clip.read()]
    assert clip.frames == 40
    assert numbers == list(range(len(numbers)))
    assert 10 < len(numbers) < 30


def test_damaged_frames_do_not_stop_the_program(ffmpeg, tmp_path, capfd):
    path = tmp_path / "damaged.mp4"
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (64, 96, 3)).astype(np.uint8) for _ in range(40)]
    ffmpeg(pictures, "-c:v", "libx264", "-pix_fmt", "yuv420p", path)
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 3, len(data) // 3 + 6000, 7):
        data[at] = 255 - data[at]
    path.write_bytes(bytes(data))
    clip = open_clip(path)
    first, again = (list(clip.read()) for _ in range(2))
    assert 0 < len(first) <= 40
    assert [frame.number for frame in first] == [frame.number for frame in again]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("width", "height"), [(640, 360), (3840, 2160)])
def test_sizes_from_360p_to_4k(write_clip, width, height):
    clip = open_clip(write_clip(f"{height}.mp4", [np.zeros((height, width, 3), np.uint8)] * 2))
    assert (clip.width, clip.height) == (width, height)
    assert next(clip.read()).picture.shape == (height, width, 3)
