# SPDX-License-Identifier: GPL-3.0-or-later
"""Resampling and retargeting, against brute force."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp


@pytest.fixture(scope="module")
def timing(addon):
    return addon("partnerface_blender.motion.timing")


@pytest.fixture(scope="module")
def retarget(addon):
    return addon("partnerface_blender.motion.retarget")


def random_motion(retarget, count, seed):
    rng = np.random.default_rng(seed)
    return retarget.Posed(
        rng.normal(size=(count, 7)),
        0.4 * rng.normal(size=(count, 5, 3)),
        rng.normal(size=(count, 3)),
    )


def test_the_same_rate_changes_nothing(timing):
    seconds = 0.3 + np.arange(50) / 29.97 + np.random.default_rng(0).normal(0, 1e-6, 50)
    values = np.random.default_rng(1).normal(size=(50, 4))
    times = timing.whole_frames(seconds, 29.97)
    assert len(times) == 50
    assert np.array_equal(timing.at_times(times, seconds, values), values)


@pytest.mark.parametrize("fps", [12.5, 24, 60])
def test_other_rates_and_gaps_are_interpolated(timing, fps):
    seconds = np.delete(np.arange(40) / 25, [7, 8, 9, 30])
    values = np.random.default_rng(2).normal(size=(len(seconds), 3))
    times = timing.whole_frames(seconds, fps)
    assert np.allclose(np.diff(times), 1 / fps)
    assert times[-1] <= seconds[-1] + 1e-6 < times[-1] + 1.01 / fps
    wanted = np.stack([np.interp(times, seconds, column) for column in values.T], 1)
    assert np.allclose(timing.at_times(times, seconds, values), wanted, atol=5e-3)


def test_turns_go_the_straight_way(timing):
    seconds = np.array([0.0, 0.1, 0.35, 0.4])
    turns = np.random.default_rng(3).normal(size=(4, 2, 3))
    times = np.linspace(0, 0.4, 23)
    found = timing.turns_at_times(times, seconds, turns)
    for j in range(2):
        wanted = Slerp(seconds, Rotation.from_rotvec(turns[:, j]))(times)
        left = (wanted.inv() * Rotation.from_rotvec(found[:, j])).magnitude()
        assert left.max() < 5e-3  # at the samples themselves time snaps


def test_one_frame_is_one_frame(timing):
    times = timing.whole_frames(np.array([0.7]), 24)
    assert timing.at_times(times, np.array([0.7]), np.ones((1, 2))).tolist() == [[1, 1]]


def test_smoothing_keeps_what_is_even_and_calms_what_is_not(timing):
    line = np.linspace(0, 1, 60)[:, None]
    noise = np.random.default_rng(4).normal(size=(60, 1))
    assert timing.smoothed(line, 0) is line
    assert np.allclose(timing.smoothed(line, 2)[8:-8], line[8:-8])
    assert timing.smoothed(noise, 2).std() < 0.5 * noise.std()


def test_from_its_own_neutral_frame_to_itself_is_the_identity(retarget):
    motion = random_motion(retarget, 6, 0)
    found = retarget.relative_motion(motion, motion[2], motion[2])
    for name in ("psi", "theta", "translation"):
        assert np.allclose(getattr(found, name), getattr(motion, name))


def test_the_source_s_neutral_frame_is_the_target_s(retarget):
    source, target = random_motion(retarget, 6, 1), random_motion(retarget, 1, 2)[0]
    found = retarget.relative_motion(source, source[4], target)[4]
    for name in ("psi", "theta", "translation"):
        assert np.allclose(getattr(found, name), getattr(target, name))


def test_rotations_are_composed_not_subtracted(retarget):
    source, target = random_motion(retarget, 6, 3), random_motion(retarget, 1, 4)[0]
    found = retarget.relative_motion(source, source[0], target)
    for j in range(5):
        step = Rotation.from_rotvec(source.theta[0, j]).inv() * Rotation.from_rotvec(
            source.theta[:, j]
        )
        wanted = Rotation.from_rotvec(target.theta[j]) * step
        assert (wanted.inv() * Rotation.from_rotvec(found.theta[:, j])).magnitude().max() < 1e-6


def test_a_step_forward_is_one_for_the_target_too(retarget):
    """The source looks aside and steps along its own gaze; the target looks ahead."""
    still = retarget.Posed(np.zeros(2), np.zeros((5, 3)), np.zeros(3))
    aside = np.zeros((2, 5, 3))
    aside[:, 0, 1] = np.pi / 2
    ahead = Rotation.from_rotvec([0, np.pi / 2, 0]).apply([0, 0, 0.1])
    source = retarget.Posed(np.zeros((2, 2)), aside, np.stack([np.zeros(3), ahead]))
    found = retarget.relative_motion(source, source[0], still)
    assert np.allclose(found.translation[1], [0, 0, 0.1])


def test_gains(retarget):
    motion, neutral = random_motion(retarget, 5, 5), random_motion(retarget, 1, 6)[0]
    same = retarget.gained(motion, neutral, 1, 1)
    still = retarget.gained(motion, neutral, 0, 0)
    half = retarget.gained(motion, neutral, 0.5, 0.25)
    assert np.allclose(same.psi, motion.psi)
    assert np.allclose(same.theta, motion.theta)
    assert np.allclose(still.theta, neutral.theta)
    assert np.allclose(still.translation, neutral.translation)
    assert np.allclose(half.psi, (motion.psi + neutral.psi) / 2)
    for joint, gain in ((retarget.JAW, 0.5), (retarget.NECK, 0.25)):
        begin = Rotation.from_rotvec(neutral.theta[joint])
        whole = (begin.inv() * Rotation.from_rotvec(motion.theta[:, joint])).magnitude()
        part = (begin.inv() * Rotation.from_rotvec(half.theta[:, joint])).magnitude()
        assert np.allclose(part, gain * whole)


def test_the_calmest_frame_has_the_least_expression_and_the_mouth_shut(retarget):
    motion = random_motion(retarget, 9, 7)
    motion.psi[[3, 5]] = 0.01
    motion.theta[3, retarget.JAW] = [0.3, 0, 0]
    motion.theta[5, retarget.JAW] = 0
    assert retarget.calmest_frame(motion) == 5
