# SPDX-License-Identifier: GPL-3.0-or-later
"""Marks: blurred, covered and cut faces are told from good ones."""

import cv2
import numpy as np
import pytest

from engine.capture.marks import Mark, judge, measure, runs, strange_colours
from engine.capture.mediapipe_models import MediaPipeFaces

SIZE = 256


@pytest.fixture(scope="module")
def faces(head_pictures):
    """The painted head's landmarks [24, 478, 2] px."""
    provider = MediaPipeFaces()
    found = [provider.follow(picture)[0] for picture in head_pictures]
    provider.close()
    return np.stack(found)


def judged(pictures, faces, width=SIZE, height=SIZE):
    sharpness, colours = zip(*map(measure, pictures, faces), strict=True)
    good = np.zeros(len(pictures), np.uint8)
    return judge(good, faces, np.array(sharpness), np.stack(colours), width, height)


def changed(pictures, change, frames):
    return [change(p) if n in frames else p for n, p in enumerate(pictures)]


def test_a_head_that_turns_and_speaks_is_good_throughout(head_pictures, faces):
    assert (judged(head_pictures, faces) == Mark.OK).all()


@pytest.mark.parametrize("way", ["softly", "sideways", "upwards", "aslant"])
def test_blurred_frames_are_found(head_pictures, faces, way):
    kernel = np.zeros((13, 13), np.float32)
    kernel[{"sideways": (6, slice(None)), "upwards": (slice(None), 6)}.get(way, (0, 0))] = 1
    if way == "aslant":
        kernel = np.eye(13, dtype=np.float32)

    def blur(picture):
        if way == "softly":
            return cv2.GaussianBlur(picture, (0, 0), 3)
        return cv2.filter2D(picture, -1, kernel / kernel.sum())

    marks = judged(changed(head_pictures, blur, {4, 5, 17}), faces)
    assert np.flatnonzero(marks == Mark.BLURRED).tolist() == [4, 5, 17]
    assert (marks != Mark.OK).sum() == 3


@pytest.mark.parametrize("gain", [0.6, 1.3])
def test_light_and_contrast_make_no_frame_blurred_or_covered(head_pictures, faces, gain):
    def light(picture):
        return np.clip(picture * gain, 0, 255).astype(np.uint8)

    assert (judged(changed(head_pictures, light, {3, 9}), faces) == Mark.OK).all()


def test_a_thing_before_the_face_is_found(head_pictures, faces):
    hidden = {8, 9, 10}
    pictures = [picture.copy() for picture in head_pictures]
    for n in hidden:
        x, y = faces[n, 13].astype(int)
        cv2.circle(pictures[n], (int(x), int(y)), 30, (30, 60, 40), -1)
    marks = judged(pictures, faces)
    assert set(np.flatnonzero(marks == Mark.COVERED).tolist()) == hidden
    assert (marks != Mark.OK).sum() == 3


def test_a_bare_wall_in_place_of_a_face_is_covered(head_pictures, faces):
    random = np.random.default_rng(0)
    pictures = list(head_pictures)
    pictures[6] = random.normal(150, 4, pictures[6].shape).clip(0, 255).astype(np.uint8)
    assert judged(pictures, faces)[6] == Mark.COVERED


def test_landmarks_beyond_the_picture_mean_that_the_face_is_cut(head_pictures, faces):
    right = int(np.sort(faces[7, :468, 0])[-40])
    marks = judged(head_pictures, faces, width=right)
    assert marks[7] == Mark.OUTSIDE


@pytest.mark.parametrize("by", [(-300, 0), (300, 0), (0, -300), (250, 250)])
def test_a_face_wholly_beyond_the_picture_is_measured_as_nothing(head_pictures, faces, by):
    away = faces.copy()
    away[5] += by
    sharpness, colours = measure(head_pictures[5], away[5])
    assert sharpness == 0
    assert not colours.any()
    marks = judged(head_pictures, away)
    assert np.flatnonzero(marks != Mark.OK).tolist() == [5]
    assert marks[5] == Mark.OUTSIDE


def test_marks_given_while_tracking_stay(faces):
    marks = np.full(24, Mark.NO_FACE, np.uint8)
    marks[3] = Mark.SECOND_PERSON
    nothing = np.full_like(faces, np.nan)
    kept = judge(marks, nothing, np.zeros(24), np.zeros((24, 468, 3), np.uint8), SIZE, SIZE)
    assert (kept == marks).all()


def test_strange_colours_are_a_share_of_what_is_seen():
    random = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(26), np.arange(18)), -1).reshape(-1, 2)
    face = np.tile(grid * 5 + random.uniform(-1, 1, grid.shape), (20, 1, 1)).astype(np.float32)
    colours = np.full((20, 468, 3), (190, 150, 130), np.uint8)
    colours[11, :117] = (40, 90, 160)
    share = strange_colours(face, colours, np.ones(20, bool))
    assert share[11] == pytest.approx(117 / 468, abs=0.02)
    assert np.delete(share, 11).max() == 0


def test_many_covered_frames_do_not_pass_for_usual_ones():
    random = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(26), np.arange(18)), -1).reshape(-1, 2)
    face = np.tile(grid * 5 + random.uniform(-1, 1, grid.shape), (30, 1, 1)).astype(np.float32)
    colours = np.full((30, 468, 3), (190, 150, 130), np.uint8)
    colours[:10] = random.integers(0, 255, (10, 468, 3))
    colours[20, :80] = (145, 115, 100)
    share = strange_colours(face, colours, np.ones(30, bool))
    assert share[:10].min() > 0.5
    assert share[20] == pytest.approx(80 / 468, abs=0.02)


def test_runs_end_where_the_mark_changes():
    numbers = np.array([10, 12, 14, 16, 18])
    marks = np.array([0, 0, 2, 2, 0])
    assert runs(numbers, marks) == {"ok": [[10, 12], [18, 18]], "blurred": [[14, 16]]}
