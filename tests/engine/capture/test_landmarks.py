# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracking: what is kept of a clip's faces, and which clips are refused."""

import numpy as np
import pytest

from engine.capture.landmarks import POINTS, Track, track_clip
from engine.capture.mediapipe_models import MediaPipeFaces, MediaPipeMatte
from engine.capture.video import open_clip
from engine.errors import Cancelled, ClipError


class Script:
    """A provider that finds what it is told: for each frame the places of faces."""

    name = "script"

    def __init__(self, frames):
        self.frames = iter(frames)

    def detect(self, picture):
        return [np.full((POINTS, 2), place, np.float32) for place in next(self.frames)]

    def close(self):
        pass


@pytest.fixture(scope="module")
def grey(write_clip):
    return open_clip(write_clip("grey.mp4", [np.full((64, 64, 3), 99, np.uint8)] * 40))


def test_frames_without_a_face_are_left_out(grey, job):
    track = Track([], [])
    track_clip(grey, 0, None, Script([[] if n % 5 == 0 else [n] for n in range(40)]), job, track)
    assert track.frames == [n for n in range(40) if n % 5]
    assert track.seen == 40
    assert track.complete


def test_a_flickering_second_face_is_ignored_and_the_first_followed(grey, job):
    frames = [[40, 10] if n % 4 == 3 else [10] for n in range(40)]
    track = Track([], [])
    track_clip(grey, 0, None, Script(frames), job, track)
    assert {float(points[0, 0]) for points in track.points} == {10.0}


def test_a_second_face_that_stays_is_refused_with_its_frame(grey, job):
    frames = [[10, 40] if n >= 22 else [10] for n in range(40)]
    with pytest.raises(ClipError, match="two faces from frame 22"):
        track_clip(grey, 0, None, Script(frames), job, Track([], []))


def test_too_few_faces_are_refused(grey, job):
    frames = [[10] if n < 19 else [] for n in range(40)]
    with pytest.raises(ClipError, match="Only 19 of 40 frames"):
        track_clip(grey, 0, None, Script(frames), job, Track([], []))


def test_frames_beyond_the_clip_are_refused(grey, job):
    with pytest.raises(ClipError, match="has no frame 400"):
        track_clip(grey, 400, 500, Script([]), job, Track([], []))


def test_goes_on_where_it_was_stopped(grey, job):
    class Stop(Script):
        def detect(self, picture):
            faces = super().detect(picture)
            if faces[0][0, 0] == 25:
                job._interrupted = True
            return faces

    track = Track([], [])
    with pytest.raises(Cancelled):
        track_clip(grey, 0, None, Stop([[n] for n in range(40)]), job, track)
    job._interrupted = False
    assert not track.complete
    assert track.frames == list(range(26))
    track = Track.from_arrays(track.to_arrays())
    track_clip(grey, 0, None, Script([[n] for n in range(26, 40)]), job, track)
    assert track.frames == list(range(40))
    assert [int(points[0, 0]) for points in track.points] == list(range(40))


def test_mediapipe_finds_the_face_where_it_is(head_pictures, generic_model, capfd):
    provider = MediaPipeFaces()
    found = [provider.detect(picture) for picture in head_pictures[:3]]
    provider.close()
    assert all(len(faces) == 1 and faces[0].shape == (POINTS, 2) for faces in found)
    outside = (head_pictures[0] > 250).all(-1)  # the white around the head
    x, y = found[0][0][:468].astype(int).clip(0, 255).T
    assert outside[y, x].mean() < 0.05
    assert capfd.readouterr() == ("", "")


def test_mediapipe_mattes_the_person(head_pictures):
    model = MediaPipeMatte()
    mask = model.person(head_pictures[0])
    model.close()
    head = ~(head_pictures[0] > 250).all(-1)
    assert mask.shape == (256, 256)
    assert mask[head].mean() > 0.8 > 0.2 > mask[~head].mean()


def test_mediapipe_sees_two_faces(head_pictures, write_clip, job):
    pair = [np.concatenate([picture, picture[:, ::-1]], 1) for picture in head_pictures]
    clip = open_clip(write_clip("pair.mp4", pair))
    with pytest.raises(ClipError, match="two faces from frame"):
        track_clip(clip, 0, None, MediaPipeFaces(), job, Track([], []))


def test_mediapipe_finds_no_face_in_noise(write_clip, job):
    random = np.random.default_rng(0)
    noise = [random.integers(0, 255, (128, 128, 3)).astype(np.uint8) for _ in range(24)]
    clip = open_clip(write_clip("static.mp4", noise))
    with pytest.raises(ClipError, match="No face was found"):
        track_clip(clip, 0, None, MediaPipeFaces(), job, Track([], []))
