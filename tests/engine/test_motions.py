# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracked motion for another head: what is read, refused, and comes over the border."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from engine.avatar.file import AvatarFile
from engine.capture.folder import read_capture
from engine.errors import AvatarError, CaptureError, InputError, ProtocolError
from engine.files import read_tensors, write_tensors
from engine.motions import TrackedMotion, carry, read_tracked_motion
from engine.session import Session


@pytest.fixture(scope="module")
def capture_folder(trained_avatar):
    return trained_avatar.parents[1] / "capture"


@pytest.fixture
def own_capture(capture_folder, tmp_path):
    """A copy without pictures, to be spoilt."""
    for name in ("capture.json", "head.safetensors", "parameters.safetensors"):
        shutil.copy(capture_folder / name, tmp_path / name)
    return tmp_path


def test_a_capture_and_an_avatar_made_of_it_tell_the_same_motion(capture_folder, trained_avatar):
    filmed, learned = read_tracked_motion(capture_folder), read_tracked_motion(trained_avatar)
    capture = read_capture(capture_folder)
    for name in ("psi", "theta", "translation"):
        assert np.array_equal(getattr(filmed.motion, name), getattr(capture.motion, name))
        assert np.allclose(getattr(filmed.motion, name), getattr(learned.motion, name), atol=1e-6)
    assert filmed.fps == learned.fps == capture.fps
    assert np.allclose(filmed.seconds, np.arange(len(capture.motion)) / capture.fps)
    assert np.allclose(filmed.seconds, learned.seconds)


def test_frames_keep_the_time_at_which_they_were_filmed(own_capture):
    data = json.loads((own_capture / "capture.json").read_text())
    times = [2.0 + 0.1 * index for index in range(data["frames"])]
    times[-1] += 0.7  # a frame was dropped before the last one
    (own_capture / "capture.json").write_text(json.dumps({**data, "times": times}))
    seconds = read_tracked_motion(own_capture).seconds
    assert np.allclose(seconds, np.array(times) - 2.0)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("motion.psi", lambda a: np.where(np.arange(a.size).reshape(a.shape) == 7, np.nan, a)),
        ("motion.theta", lambda a: a[:, :4]),
        ("motion.translation", lambda a: a[:-1]),
    ],
)
def test_motion_that_no_rig_could_take_is_refused(own_capture, name, spoil):
    file = own_capture / "parameters.safetensors"
    header, arrays = read_tensors(file, "motion", 1, CaptureError)
    write_tensors(file, header, {**arrays, name: np.ascontiguousarray(spoil(arrays[name]))})
    with pytest.raises(CaptureError, match=name.removeprefix("motion.")):
        read_tracked_motion(own_capture)


def test_frames_that_go_back_in_time_are_refused(own_capture):
    data = json.loads((own_capture / "capture.json").read_text())
    data["times"] = list(reversed(range(data["frames"])))
    (own_capture / "capture.json").write_text(json.dumps(data))
    with pytest.raises(CaptureError, match="follow each other"):
        read_tracked_motion(own_capture)


def test_what_holds_no_motion_is_a_sentence(tmp_path):
    with pytest.raises(CaptureError, match="no finished capture"):
        read_tracked_motion(tmp_path)
    with pytest.raises(InputError, match="neither a capture folder nor an avatar"):
        read_tracked_motion(tmp_path / "clip.mp4")
    with pytest.raises(AvatarError):
        read_tracked_motion(tmp_path / "none.safetensors")
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(AvatarError):
        read_tracked_motion(tmp_path / "other.safetensors")


def test_the_same_head_model_passes_as_it_is(capture_folder, trained_avatar):
    tracked = read_tracked_motion(capture_folder)
    motion, told = carry(tracked, AvatarFile.read(trained_avatar).head)
    assert motion is tracked.motion
    assert told == {"source_model": "generic", "transferred": False, "lost": 0.0}


def test_another_head_model_does_the_same_thing(capture_folder):
    tracked = read_tracked_motion(capture_folder)
    names = tracked.head.expression_names
    order = np.random.default_rng(0).permutation(len(names))
    other = replace(
        tracked.head, model_name="other", model_fingerprint="other",
        expression_names=tuple(names[e] for e in order),
        expressions=tracked.head.expressions[order],
    )  # fmt: skip
    motion, told = carry(TrackedMotion(other, *_ordered(tracked, order)), tracked.head)
    assert told["transferred"]
    assert told["lost"] < 0.2
    assert motion.psi.shape == tracked.motion.psi.shape
    assert np.abs(motion.psi - tracked.motion.psi).mean() < 0.02
    assert np.allclose(motion.translation, tracked.motion.translation, atol=1e-3)


def _ordered(tracked, order):
    motion = replace(tracked.motion, psi=tracked.motion.psi[:, order])
    return motion, tracked.fps, tracked.seconds


def test_the_session_answers_for_an_open_avatar_only(capture_folder, trained_avatar):
    session = Session("cpu")
    with pytest.raises(ProtocolError, match="does not know this avatar"):
        session.open_motion(capture_folder, "1")
    handle = session.open_avatar(trained_avatar)[0]["avatar"]
    header, arrays = session.open_motion(capture_folder, handle)
    assert header["frames"] == len(arrays["motion.seconds"]) == len(arrays["motion.psi"])
    assert header["fps"] == read_capture(capture_folder).fps
    with pytest.raises(CaptureError, match="no finished capture"):
        session.open_motion(Path(trained_avatar).parent, handle)


def test_motion_comes_over_the_border_and_a_mistake_is_a_sentence(
    start_engine, capture_folder, trained_avatar, tmp_path
):
    engine = start_engine(device="cpu")
    opened = engine.open_avatar(trained_avatar)
    with pytest.raises(Exception, match="no finished capture"):
        engine.open_motion(tmp_path, opened.handle)
    found = engine.open_motion(capture_folder, opened.handle)
    assert np.array_equal(found.arrays["motion.psi"], opened.arrays["motion.psi"])
    assert not found.header["transferred"]


def test_an_open_avatar_tells_how_parts_share_each_vertex(trained_avatar):
    _, arrays = Session("cpu").open_avatar(trained_avatar)
    weights = arrays["part_weights"].astype(np.float32)
    assert weights.shape[0] == len(arrays["vertices"])
    assert np.allclose(weights.sum(1), 1, atol=5e-3)
    assert (weights.argmax(1) == arrays["vertex_part"]).mean() > 0.85
