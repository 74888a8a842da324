# SPDX-License-Identifier: GPL-3.0-or-later
"""The sentences for the artist, for motions that lack one thing each."""

from dataclasses import replace

import numpy as np
import pytest

from engine.capture.quality import Quality
from engine.capture.report.advice import findings, verdict
from engine.capture.report.measures import measure_motion


def quality_of(error=0.01, overlap=0.95, count=300, eyes=100.0):
    """A tracked clip's quality."""
    return Quality(
        error=np.full((count, 2), error * eyes, np.float32),
        eye_distance=np.full(count, eyes, np.float32),
        frames=np.arange(0, count, 10),
        silhouettes=np.full((3, len(range(0, count, 10))), overlap, np.float32),
    )


def said(capture, quality=None):
    found = findings(capture, quality or quality_of(), measure_motion(capture))
    return verdict(found), [finding.text for finding in found]


def test_a_clip_that_shows_everything_is_good(made_up):
    word, texts = said(made_up())
    assert texts == []
    assert word.word == "good"


@pytest.mark.parametrize(("without", "says"), [
    ("right", "turned to your right beyond 20°"), ("nod", "never raised your chin"),
    ("nod", "never lowered your chin"),
    ("blink", "never closed your eyes fully"), ("open", "never opened your eyes wide"),
    ("yawn", "never wide open"), ("smile", "broad smile"), ("pucker", "pursed lips"),
    ("brows up", "never raised"), ("brows down", "never drawn down"),
])  # fmt: skip
def test_what_was_not_done_is_said(made_up, without, says):
    word, texts = said(made_up(without))
    assert [text for text in texts if says in text]
    assert len(texts) <= 2
    assert word.word == "usable"


def test_a_mouth_that_never_shuts_is_said(made_up):
    capture = made_up()
    capture.motion.theta[:, 2, 0] = np.maximum(capture.motion.theta[:, 2, 0], 0.15)
    assert [text for text in said(capture)[1] if "lips never met" in text]


def test_eyes_that_were_not_tracked_are_not_blamed(made_up):
    assert said(made_up("gaze"))[1] == []
    capture = made_up()
    capture.motion.theta[:, 3:, 1] = np.minimum(capture.motion.theta[:, 3:, 1], 0.02)
    assert [text for text in said(capture)[1] if "to your left with your eyes" in text]


@pytest.mark.parametrize(("quality", "says", "word"), [
    (quality_of(error=0.03), "3.0 % of the eye distance", "usable"),
    (quality_of(error=0.09), "9.0 % of the eye distance", "film again"),
    (quality_of(overlap=0.8), "80 % only", "usable"),
    (quality_of(overlap=0.5), "50 % only", "film again"),
    (quality_of(eyes=25.0), "small", "film again"),
])  # fmt: skip
def test_bad_tracking_is_said(made_up, quality, says, word):
    found, texts = said(made_up(), quality)
    assert [text for text in texts if says in text]
    assert found.word == word
    assert (says in found.text) == (word == "film again")


def test_trembling_and_lost_frames_are_said(made_up):
    capture = made_up()
    still = capture.motion.theta
    still[:, [0, 1]] = 0
    still[:, 0, 1] = np.radians(0.5) * np.where(np.arange(300) % 2, 1, -1)
    assert [text for text in said(capture)[1] if "trembles by 2.0" in text]
    lost = replace(made_up(), figures={"frames_total": 500})
    assert [text for text in said(lost)[1] if "Only 60 %" in text]


def test_a_short_clip_is_filmed_again(made_up):
    capture = made_up()
    short = replace(capture, motion=capture.motion[:40])
    word, _ = said(short, quality_of(count=40))
    assert word.word == "film again"
    assert "there are 40 frames only" in word.text
