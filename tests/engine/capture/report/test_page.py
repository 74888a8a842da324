# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: whole, offline, and true to what is there."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from engine.capture.folder import write_capture, write_frame
from engine.capture.matte import NeckCut
from engine.capture.posed import posed_frame
from engine.capture.quality import FILE_NAME, measure_quality, read_quality, write_quality
from engine.capture.report.page import write_report
from engine.capture.report.sections import marks_of
from engine.cli import main
from engine.head.skinning import HeadTensors
from tests.html_page import Page

KEPT = slice(100, 124)


@pytest.fixture(scope="module")
def made(made_up, tmp_path_factory):
    """A finished capture of 24 frames, with a video and nothing tracked."""
    whole = made_up(path=tmp_path_factory.mktemp("made") / "capture", size=64)
    capture = replace(
        whole, motion=whole.motion[KEPT], train=tuple(range(21)), test=(21, 22, 23),
        source={"kind": "clip", "clip": "films/<me>.mp4", "frames": [*range(12), *range(20, 32)]},
        figures={"frames_total": 32},
    )  # fmt: skip
    cut, tensors = NeckCut.of(capture.head), HeadTensors.of(capture.head)
    for index in range(24):
        seen = cut.ends(posed_frame(tensors, capture.motion, index), capture.camera)
        matte = ((seen.keep > 0.5) & seen.view.hit).astype(np.uint8) * 255
        write_frame(capture.path, index, np.full((64, 64, 3), 120, np.uint8), matte)
    (capture.path / "overlay.mp4").write_bytes(b"video")
    write_capture(capture)
    return capture, measure_quality(capture)


@pytest.fixture
def capture(made, tmp_path):
    """A copy of it, measured."""
    capture, quality = made
    copied = replace(capture, path=tmp_path / "capture")
    shutil.copytree(capture.path, copied.path)
    write_quality(copied.path, quality)
    return copied


def tracked(quality):
    """The same, as if it had been tracked."""
    error = np.linspace(1, 4, 48, dtype=np.float32).reshape(24, 2)
    return replace(quality, error=error, eye_distance=np.full(24, 50, np.float32))


def read(capture):
    return (capture.path / "report.html").read_text(encoding="utf-8")


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(capture):
    said = write_report(capture)
    text = read(capture)
    page = Page(text)
    assert page.open == []
    assert page.counts["video"] == 1
    assert page.counts["img"] == 3 * 6
    files = [source for source in page.sources if not source.startswith("data:image/jpeg;base64,")]
    assert files == ["overlay.mp4"]
    assert all((capture.path / file).is_file() for file in files)
    assert not re.search(r"https?://|@import|<script|url\(", text)
    assert "prefers-color-scheme: dark" in text
    assert "&lt;me&gt;.mp4" in text
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text).lower()
    assert said["verdict"] == "film again"
    for sentence in said["advice"]:
        assert sentence in text


def test_what_is_not_there_is_said(capture):
    (capture.path / "overlay.mp4").unlink()
    write_report(capture)
    text = read(capture)
    assert "no overlay video" in text
    assert "No landmarks were tracked" in text
    assert "have no names" not in text
    nameless = tuple(f"expression{i:03d}" for i in range(len(capture.head.expression_names)))
    write_report(replace(capture, head=replace(capture.head, expression_names=nameless)))
    assert "expressions have no names" in read(capture)


def test_a_tracked_capture_shows_its_error(capture, made):
    write_quality(capture.path, tracked(made[1]))
    again = read_quality(capture)
    assert (again.error == tracked(made[1]).error).all()
    assert again.error_share[0, 0] == pytest.approx(1 / 50)
    write_report(capture)
    text = read(capture)
    assert "Error, % of the eye distance" in text
    assert "frame 31, 8.0 %" in text  # the worst frame is on the sheet


def test_the_quality_of_another_capture_is_not_believed(capture, made):
    write_quality(capture.path, tracked(made[1]))
    assert not read_quality(replace(capture, motion=capture.motion[:3])).tracked
    (capture.path / FILE_NAME).write_text("damaged")
    found = read_quality(capture)
    assert not found.tracked
    assert np.nanmin(found.silhouettes[0]) > 0.9


def test_left_out_frames_are_on_the_timeline(capture):
    assert marks_of(capture) == {"ok": [[0, 11], [20, 31]], "left_out": [[12, 19]]}
    marks = {"ok": [[0, 9]], "blurred": [[10, 31]]}
    marked = replace(capture, source={**capture.source, "marks": marks})
    assert marks_of(marked) == marks
    write_report(marked)
    assert "blurred 22" in read(capture)


def test_the_command_writes_it_and_refuses_other_folders(capture, tmp_path, capfd):
    assert main(["report", str(capture.path), "--json", "--quiet"]) == 0
    result = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert result["verdict"] == "film again"
    assert result["silhouette_iou"] > 0.9
    assert (capture.path / "report.html").is_file()
    assert main(["report", str(tmp_path / "none"), "--json", "--quiet"]) == 1
    assert "no finished capture folder" in capfd.readouterr().err
