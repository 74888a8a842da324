# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip's track: what is kept of it, going on after kill −9, and which clips are refused."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from engine.capture.follow import Follower
from engine.capture.marks import Mark
from engine.capture.source import Selection, open_source
from engine.capture.stages import Chunks
from engine.capture.track import CHUNK, Track, remarks, track_clip, usable
from engine.errors import Cancelled, ClipError

from .faces_on_paper import SIDE, PaperProvider, PaperSource, landmarks

ALL = Selection()


def track(script, job, selection=ALL, chunks=None, provider=None):
    source = PaperSource(len(script))
    follower = Follower(provider or PaperProvider(script), SIDE, SIDE, None)
    return track_clip(source, selection, follower, job, chunks)


def test_every_frame_is_noted_and_those_without_a_face_left_out(job):
    script = [[] if n % 5 == 0 else [(100 + n, 120, 40)] for n in range(40)]
    found = track(script, job)
    assert found.complete
    assert found.numbers == list(range(40))
    np.testing.assert_allclose(found.times, np.arange(40) / 25)
    assert [Mark(mark) for mark in found.marks] == [
        Mark.OK if faces else Mark.NO_FACE for faces in script
    ]
    assert all(np.isnan(p).all() == (n % 5 == 0) for n, p in enumerate(found.points))


def test_a_stride_takes_every_so_many_th_frame(job):
    found = track([[(120, 120, 40)]] * 90, job, Selection(3, 80, 3))
    assert found.numbers == list(range(3, 81, 3))


@pytest.mark.parametrize(
    ("told", "seconds", "wanted"),
    [(25, 0.04, 25), (23.976, 0.0417, 23.976), (1000, 1 / 15, 15), (20, 1 / 15, 15), (25, 0.0, 25)],
)
def test_the_frames_times_have_the_last_word_on_the_rate(job, told, seconds, wanted):
    script = [[] if n % 7 == 3 else [(120, 120, 40)] for n in range(60)]
    found = track(script, job)
    found.times = [n * seconds for n in found.numbers]
    assert usable(found, PaperSource(60), ALL).fps(told) == pytest.approx(wanted)


@pytest.mark.parametrize("stride", [1, 3])
def test_goes_on_from_the_last_chunk_to_the_same_bytes(job, tmp_path, stride):
    frames = 3 * CHUNK * stride + 7
    script = [[(80 + 30 * np.sin(n / 9), 120, 40)] for n in range(frames)]
    script[70 * stride] = []
    selection = Selection(0, None, stride)
    whole = track(script, job, selection).to_arrays()

    class Stopping(PaperProvider):
        def follow(self, picture):
            if self.looks == CHUNK + 30:
                job._interrupted = True
            return super().follow(picture)

    for _ in range(2):
        chunks = Chunks(tmp_path / "out", "landmarks", "key")
        with pytest.raises(Cancelled):
            track(script, job, selection, chunks, Stopping(script))
        job._interrupted = False
    kept = sum(len(arrays["numbers"]) for arrays in chunks.read())
    assert kept == 2 * CHUNK
    last = PaperProvider(script)
    resumed = track(script, job, selection, Chunks(tmp_path / "out", "landmarks", "key"), last)
    assert last.looks < 2 * CHUNK
    for name, array in resumed.to_arrays().items():
        assert array.tobytes() == whole[name].tobytes(), name
    nothing = PaperProvider(script)
    again = track(script, job, selection, Chunks(tmp_path / "out", "landmarks", "key"), nothing)
    assert nothing.looks == 0
    assert again.complete
    assert again.numbers == resumed.numbers


def test_nothing_is_kept_of_a_clip_with_too_few_faces(job, tmp_path):
    script = [[(120, 120, 40)] if n < 19 else [] for n in range(2 * CHUNK)]
    found = track(script, job, chunks=Chunks(tmp_path / "out", "landmarks", "key"))
    assert not (tmp_path / "out").exists()
    with pytest.raises(ClipError, match=f"Only 19 of {2 * CHUNK} frames show a usable face"):
        usable(found, PaperSource(2 * CHUNK), ALL)


def test_nothing_is_kept_of_a_clip_with_a_second_face(job, tmp_path):
    script = [[(80, 120, 40)] + [(120, 120, 40)] * (n > CHUNK) for n in range(2 * CHUNK)]
    with pytest.raises(ClipError, match="two faces"):
        track(script, job, chunks=Chunks(tmp_path / "out", "landmarks", "key"))
    assert not (tmp_path / "out").exists()


def test_frames_beyond_the_clip_are_refused(job):
    found = track([[]] * 40, job, Selection(400, 500))
    with pytest.raises(ClipError, match="has no frame 400"):
        usable(found, PaperSource(40), Selection(400, 500))


def noted(marks, cut=False):
    """A track of frames with these marks; landmarks partly beyond the picture where `cut`."""
    found = Track()
    random = np.random.default_rng(0)
    picture = random.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    for number, mark in enumerate(marks):
        points = landmarks(15 if cut else 120, 120, 60) if mark == Mark.OK else None
        found.add(number, number / 25, mark, points, picture)
    return found


@pytest.mark.parametrize(
    ("marks", "cut", "says"),
    [
        ([Mark.NO_FACE] * 30, False, "No face was found"),
        ([Mark.NO_FACE] * 20 + [Mark.OK] * 10, False, r"10 of 30 .*\(20 without a face\)"),
        ([Mark.OK] * 30, True, r"0 of 30 .*\(30 cut by the picture's edge\)"),
        ([Mark.SECOND_PERSON] * 25 + [Mark.OK] * 5, False, "25 with a second person near"),
        ([Mark.OK] * 3, False, "Only 3 of 3 frames show a usable face; at least 20"),
    ],
)
def test_the_sentence_says_what_is_wrong_with_most_frames(marks, cut, says):
    with pytest.raises(ClipError, match=says) as raised:
        usable(noted(marks, cut), PaperSource(len(marks)), ALL)
    assert raised.value.hint


def test_usable_frames_keep_their_numbers_and_misfits_are_marked():
    marks = [Mark.OK] * 25 + [Mark.NO_FACE] * 2 + [Mark.OK] * 3
    good = usable(noted(marks), PaperSource(30), ALL)
    assert good.frames == [*range(25), 27, 28, 29]
    assert good.seen == 30
    fitted = np.ones(28, bool)
    fitted[[4, 26]] = False
    assert np.flatnonzero(good.with_misfits(fitted) == Mark.NOT_FITTED).tolist() == [4, 28]


def test_remarks_name_what_was_left_out_and_what_could_not_be_read():
    source = PaperSource(40)
    marks = np.array([Mark.OK] * 30 + [Mark.BLURRED] * 2 + [Mark.NO_FACE], np.uint8)
    said = remarks(source, ALL, np.arange(33), marks)
    assert "of 40 frames only 33 could be read" in said[0]
    assert said[1] == "Left out of 33 frames: 2 blurred, 1 without a face."
    assert remarks(source, ALL, np.arange(40), np.zeros(40, np.uint8)) == []
    assert remarks(source, Selection(0, 9), np.arange(10), np.zeros(10, np.uint8)) == []


RUN = """
import sys
from pathlib import Path
from engine.capture.source import Selection, open_source
from engine.capture.tracking import find_face
from engine.jobs import Job
clip, out = map(Path, sys.argv[1:])
with Job("capture", quiet=True) as job:
    find_face(open_source(clip), Selection(), None, "", out, "key", job)
"""


@pytest.mark.slow
def test_kill_9_twice_and_the_landmarks_are_the_same(write_clip, head_pictures, tmp_path):
    clip = write_clip("long.mp4", [head_pictures[n % 24] for n in range(3 * CHUNK)])
    command = [sys.executable, "-c", RUN, str(clip)]

    def arrays(out):
        return Chunks(out, "landmarks", "key").read()

    subprocess.run([*command, str(tmp_path / "whole")], check=True)
    for chunk in range(2):
        file = tmp_path / "out" / "stages" / "landmarks" / f"{chunk:05d}.safetensors"
        process = subprocess.Popen([*command, str(tmp_path / "out")])
        while not file.exists() and process.poll() is None:
            time.sleep(0.005)
        process.kill() if sys.platform == "win32" else os.kill(process.pid, signal.SIGKILL)
        assert process.wait() not in (0, 1), "it was done before it could be killed"
    assert len(arrays(tmp_path / "out")) < 4
    subprocess.run([*command, str(tmp_path / "out")], check=True)
    whole, resumed = arrays(tmp_path / "whole"), arrays(tmp_path / "out")
    assert len(whole) == len(resumed) == 4
    for one, other in zip(whole, resumed, strict=True):
        for name, array in one.items():
            assert array.tobytes() == other[name].tobytes(), name


def test_mediapipe_refuses_two_faces_and_follows_one_of_them(head_pictures, write_clip, job):
    from engine.capture.mediapipe_models import MediaPipeFaces
    from engine.capture.person import parse_person

    pair = [np.concatenate([picture, picture[:, ::-1]], 1) for picture in head_pictures]
    clip = open_source(write_clip("pair.mp4", pair))
    provider = MediaPipeFaces()
    with pytest.raises(ClipError, match="two faces from frame 0 on"):
        track_clip(clip, ALL, Follower(provider, 512, 256, None), job)
    for who, left in (("left", 0), ("right", 256)):
        follower = Follower(provider, 512, 256, parse_person(who))
        found = np.stack(track_clip(clip, ALL, follower, job).points)
        middle = found[:, :468, 0].mean(1)
        assert ((middle > left) & (middle < left + 256)).all()
    provider.close()


def test_mediapipe_finds_no_face_in_noise(write_clip, job):
    from engine.capture.mediapipe_models import MediaPipeFaces

    random = np.random.default_rng(0)
    noise = [random.integers(0, 255, (128, 128, 3)).astype(np.uint8) for _ in range(24)]
    clip = open_source(Path(write_clip("static.mp4", noise)))
    provider = MediaPipeFaces()
    found = track_clip(clip, ALL, Follower(provider, 128, 128, None), job)
    provider.close()
    with pytest.raises(ClipError, match="No face was found"):
        usable(found, clip, ALL)


def test_a_small_face_in_a_large_frame_is_seen(head_pictures, write_clip, job):
    """A head a tenth as high as its 1080p frame: too small for the net that sees whole frames."""
    import cv2

    from engine.capture.mediapipe_models import MediaPipeFaces

    large = []
    for picture in head_pictures[::2]:
        frame = np.full((1080, 1920, 3), 250, np.uint8)
        frame[300:500, 1200:1400] = cv2.resize(picture, (200, 200), interpolation=cv2.INTER_AREA)
        large.append(frame)
    clip = open_source(write_clip("small.mp4", large))
    provider = MediaPipeFaces()
    found = track_clip(clip, ALL, Follower(provider, 1920, 1080, None), job)
    provider.close()
    assert found.marks == [Mark.OK] * 12
    points = np.stack(found.points)[:, :468]
    assert (points.min((0, 1)) > (1200, 300)).all()
    assert (points.max((0, 1)) < (1400, 500)).all()
