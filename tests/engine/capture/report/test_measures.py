# SPDX-License-Identifier: GPL-3.0-or-later
"""What was filmed, against motions that are known."""

from dataclasses import replace

import numpy as np
import pytest

from engine.capture.report.measures import measure_motion
from engine.head.model import NECK
from engine.head.motion import Motion


def rested(capture, count=60):
    """The capture with a head that does nothing for `count` frames."""
    motion = capture.motion[:count]
    return replace(capture, motion=Motion(*(np.zeros_like(a) for a in vars(motion).values())))


def test_a_face_at_rest_measures_nothing(made_up):
    found = measure_motion(rested(made_up()))
    for name in ("yaw", "pitch", "roll", "lip_gap", "brow_left", "corner_right", "jaw"):
        np.testing.assert_allclose(getattr(found, name), 0, atol=1e-4)
    for name in ("lid_left", "lid_right", "mouth_width"):
        np.testing.assert_allclose(getattr(found, name), 1, atol=1e-4)
    assert found.resting[5:-5].all()
    assert np.nanmax(found.rotation_jitter) < 1e-6


@pytest.mark.parametrize(("joint", "axis", "name", "sign"), [
    (0, 1, "yaw", 1), (NECK, 1, "yaw", 1), (0, 0, "pitch", -1), (NECK, 2, "roll", -1),
])  # fmt: skip
def test_turns_of_root_and_neck_are_views(made_up, joint, axis, name, sign):
    capture = rested(made_up())
    capture.motion.theta[:, joint, axis] = np.radians(17)
    found = measure_motion(capture)
    np.testing.assert_allclose(getattr(found, name), sign * 17, atol=1e-3)
    others = {"yaw", "pitch", "roll"} - {name}
    np.testing.assert_allclose([getattr(found, other) for other in others], 0, atol=1e-3)


def test_a_turned_head_keeps_its_face(made_up):
    capture = made_up()
    straight = replace(capture, motion=replace(capture.motion, theta=capture.motion.theta.copy()))
    straight.motion.theta[:, [0, NECK]] = 0
    turned, still = measure_motion(capture), measure_motion(straight)
    for name in ("lip_gap", "mouth_width", "lid_left", "brow_right"):
        np.testing.assert_allclose(getattr(turned, name), getattr(still, name), atol=1e-5)


def test_one_side_is_told_from_the_other(made_up):
    capture = rested(made_up())
    names = capture.head.expression_names
    capture.motion.psi[:, names.index("eyeBlinkLeft")] = 1
    capture.motion.psi[:, names.index("mouthSmileRight")] = 1
    found = measure_motion(capture)
    assert found.lid_left.max() < 0.3
    assert found.lid_right.min() > 0.95
    assert found.corner_right.min() > found.corner_left.max() + 0.02


def test_jitter_is_the_second_difference(made_up):
    capture = rested(made_up())
    shake = np.where(np.arange(60) % 2, 1, -1)  # second difference: 4 times the amplitude
    capture.motion.theta[:, 0, 1] = np.radians(0.05) * shake
    found = measure_motion(capture)
    np.testing.assert_allclose(found.rotation_jitter[1:-1], 0.2, rtol=1e-3)
    assert found.resting[5:-5].all()
    capture.motion.theta[:] = 0
    capture.motion.translation[:, 0] = 0.0002 * shake
    found = measure_motion(capture)
    np.testing.assert_allclose(found.position_jitter[1:-1], 0.8, rtol=1e-3)


def test_gaps_between_frames_are_no_jitter(made_up):
    capture = rested(made_up())
    capture.motion.theta[30:, 0, 1] = 0.5  # a jump where frames are missing
    numbers = [*range(30), *range(60, 90)]
    found = measure_motion(replace(capture, source={"frames": numbers}))
    assert np.nanmax(found.rotation_jitter) < 1e-3
    assert np.isnan(found.rotation_jitter[29:31]).all()
    assert np.nanmax(measure_motion(capture).rotation_jitter) > 10
