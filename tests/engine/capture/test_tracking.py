# SPDX-License-Identifier: GPL-3.0-or-later
"""Which landmarks are used, and what is said of a clip."""

import numpy as np
import pytest

from engine.capture.crop import choose_crop
from engine.capture.marks import Mark
from engine.capture.source import Selection
from engine.capture.track import Usable
from engine.capture.tracking import check_landmarks, notes
from engine.errors import ClipError

from .faces_on_paper import PaperSource, landmarks


def test_the_content_of_a_landmark_file_counts_and_not_its_name(tmp_path):
    for name, content in (("a.npz", b"1"), ("b.npz", b"1"), ("c.npz", b"2")):
        (tmp_path / name).write_bytes(content)
    a, b, c = (check_landmarks(tmp_path / f"{name}.npz", "") for name in "abc")
    assert a == b != c
    assert check_landmarks(None, "left") not in (a, c)


@pytest.mark.parametrize("name", ["points.txt", "points", "points.pkl"])
def test_other_files_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ClipError, match="no kind of landmark file"):
        check_landmarks(tmp_path / name, "")


def test_a_person_is_not_chosen_from_landmarks_of_one(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"")
    with pytest.raises(ClipError, match="of one person already"):
        check_landmarks(tmp_path / "a.npz", "left")


def noted(xs, marks):
    points = np.stack([landmarks(x, 100, 40) for x in xs])
    marks = np.asarray(marks, np.uint8)
    frames = list(range(len(xs)))
    track = Usable(frames, np.zeros(len(xs)), points, np.arange(len(xs)), np.zeros_like(marks))
    crop = choose_crop(points[marks == Mark.OK, :468], 1000, 240, 512)
    return notes(PaperSource(len(xs)), Selection(), track, marks, crop)


def test_all_well_says_nothing():
    assert noted([100, 104, 108], [0, 0, 0]) == {}


def test_what_was_left_out_and_a_head_that_wanders_are_said(caplog):
    told = noted([100, 450, 800, 104], [0, 0, 0, Mark.NOT_FITTED])["notes"]
    assert told.startswith("Left out of 4 frames: 1 that could not be fitted. The head moves")
    assert len(caplog.records) == 2


def test_frames_that_could_not_be_fitted_do_not_make_it_wander():
    assert "moves" not in noted([100, 104, 800], [0, 0, Mark.NOT_FITTED])["notes"]
