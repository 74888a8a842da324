# SPDX-License-Identifier: GPL-3.0-or-later
"""What the capture command refuses: a sentence each, and nothing left behind."""

import json

import cv2
import numpy as np
import pytest

from engine.capture.command import run
from engine.cli import main
from engine.config import Capture as CaptureConfig
from engine.errors import ClipError, DeviceError, HeadError, SpaceError


def bad_clips(name, write_clip, head_pictures, tmp_path):
    grey = np.tile(np.linspace(0, 255, 96).astype(np.uint8)[None, :, None], (96, 1, 3))
    if name == "no face":
        return write_clip("gradient.mp4", [np.roll(grey, 4 * n, 1) for n in range(24)])
    if name == "two faces":
        return write_clip("two.mp4", [np.concatenate([p, p[:, ::-1]], 1) for p in head_pictures])
    if name == "too short":
        return write_clip("short.mp4", head_pictures[:19])
    if name == "three frames":
        return write_clip("three.mp4", head_pictures[:3])
    if name == "black":
        return write_clip("black.mp4", [np.zeros((128, 128, 3), np.uint8)] * 24)
    if name == "half a face":
        return write_clip("half.mp4", [np.ascontiguousarray(p[:, :124]) for p in head_pictures])
    if name == "cut short":
        path = tmp_path / "cut.mp4"
        path.write_bytes(write_clip("whole.mp4", head_pictures).read_bytes()[:-3000])
        return path
    if name in ("no pictures", "mixed sizes", "one bad picture"):
        folder = tmp_path / "pictures"
        folder.mkdir()
        for n, picture in enumerate(head_pictures if name != "no pictures" else []):
            size = 100 if (name, n) == ("mixed sizes", 20) else 128
            cv2.imwrite(str(folder / f"{n}.png"), cv2.resize(picture, (size, size)))
        if name == "one bad picture":
            (folder / "7.png").write_bytes((folder / "7.png").read_bytes()[:200])
        return folder
    path = tmp_path / "bad.mp4"
    if name != "missing":
        path.write_text("No video at all." * 100 if name == "text" else "")
    return path


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no face", "No face"), ("two faces", "two faces"), ("too short", "Only 19 of 19"),
        ("missing", "no video file"), ("empty", "is empty"), ("text", "cannot be read"),
        ("three frames", "Only 3 of 3"), ("black", "No face"),
        ("half a face", "cut by the picture's edge|No face"), ("cut short", "cannot be read"),
        ("no pictures", "holds no pictures"), ("mixed sizes", "differ in size"),
        ("one bad picture", r"7\.png cannot be read"),
    ],
)  # fmt: skip
def test_bad_clips_leave_nothing(name, says, write_clip, head_pictures, tmp_path, job):
    clip = bad_clips(name, write_clip, head_pictures, tmp_path)
    out = tmp_path / "deep" / "out"
    with pytest.raises(ClipError, match=says) as raised:
        run(CaptureConfig(clip=clip, out=out, size=96, device="cpu"), job)
    assert raised.value.hint
    assert not out.parent.exists()


def test_a_wrong_head_file_leaves_nothing(head_clip, tmp_path, job):
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, something=np.zeros(3))
    out = tmp_path / "out"
    with pytest.raises(HeadError):
        run(CaptureConfig(clip=head_clip, out=out, head=str(wrong), device="cpu"), job)
    assert not out.exists()


def test_a_gpu_that_is_not_there_is_refused(head_clip, tmp_path, job):
    with pytest.raises(DeviceError):
        run(CaptureConfig(clip=head_clip, out=tmp_path / "out", device="cuda:77"), job)


def test_a_file_in_the_way_is_refused_before_the_work(head_clip, tmp_path, job):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SpaceError, match="is a file"):
        run(CaptureConfig(clip=head_clip, out=tmp_path / "file" / "out", device="cpu"), job)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"landmarks": "points.txt"}, "no kind of landmark file"),
        ({"landmarks": "none.npz"}, "cannot be read"),
        ({"landmarks": "none.task"}, "cannot be read"),
        ({"person": "tallest"}, "names no person"),
        ({"fps": 30.0}, "frame rate of its own"),
        ({"stride": 0}, "no stride"),
        ({"stride": 2}, "Only 12 of 12 frames"),
    ],
)
def test_wrong_options_leave_nothing(head_clip, tmp_path, job, options, says):
    options = {k: tmp_path / v if k == "landmarks" else v for k, v in options.items()}
    config = CaptureConfig(clip=head_clip, out=tmp_path / "out", device="cpu", **options)
    with pytest.raises(ClipError, match=says):
        run(config, job)
    assert not config.out.exists()


def test_the_command_line_says_a_sentence_and_fails(tmp_path, capfd):
    status = main(
        ["capture", str(tmp_path / "none.mp4"), str(tmp_path / "out"), "--json", "--quiet"]
    )
    out, err = capfd.readouterr()
    assert status == 1
    assert "There is no video file" in err
    assert json.loads(out.splitlines()[-1])["error"]["code"] == "bad_clip"
    assert len(out.splitlines()) == 1
