# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from engine.head.model import JAW
from engine.synthetic.motion import make_motion


@pytest.fixture(scope="module")
def clips(generic):
    names = generic.mean.expression_names
    return make_motion(names, 96, 2, strong=False), make_motion(names, 24, 2, strong=True)


def test_coefficients_are_plausible(clips):
    for clip in clips:
        assert clip.psi.min() >= 0
        assert clip.psi.max() <= 1.1
        assert 0 <= clip.theta[:, JAW, 0].min() <= clip.theta[:, JAW, 0].max() <= 0.48
        assert all(np.isfinite(array).all() for array in (clip.psi, clip.theta, clip.translation))


def test_testing_is_stronger_than_training(generic, clips):
    mild, strong = clips
    blink = [name.startswith("eyeBlink") for name in generic.mean.expression_names]
    size = [np.linalg.norm(clip.psi[:, ~np.array(blink)], axis=1) for clip in clips]
    assert 1.4 < np.percentile(size[1], 90) / np.percentile(size[0], 90) < 2.6
    assert strong.theta[:, JAW, 0].max() > 1.2 * mild.theta[:, JAW, 0].max()


def test_training_turns_the_head_far_enough(clips):
    turn = np.degrees(clips[0].theta[:, 0] + clips[0].theta[:, 1])
    assert turn[:, 1].max() > 10
    assert turn[:, 1].min() < -10
    assert np.abs(turn[:, 1]).max() < 21
    assert np.abs(turn[:, 0]).max() < 11


def test_motion_is_smooth_and_blinks(generic, clips):
    turn = np.degrees(clips[0].theta[:, 0] + clips[0].theta[:, 1])
    assert np.abs(np.diff(turn, axis=0)).max() < 4
    blink = clips[0].psi[:, generic.mean.expression_names.index("eyeBlinkLeft")]
    assert blink.max() > 0.85
    assert np.median(blink) < 0.1


def test_seeds_differ_and_repeat(generic, clips):
    names = generic.mean.expression_names
    np.testing.assert_array_equal(make_motion(names, 96, 2, strong=False).psi, clips[0].psi)
    assert not np.allclose(make_motion(names, 96, 3, strong=False).psi, clips[0].psi)


@pytest.mark.parametrize("frames", [1, 2, 7, 300])
@pytest.mark.parametrize("strong", [False, True])
def test_any_length(generic, frames, strong):
    clip = make_motion(generic.mean.expression_names, frames, 0, strong=strong)
    assert len(clip) == frames
    assert clip.theta.shape == (frames, 5, 3)
