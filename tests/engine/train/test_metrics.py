# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from engine.train.metrics import (
    Picture,
    alpha_iou,
    compare,
    flip,
    flip_picture,
    l1,
    mean_figures,
    on_white,
    psnr,
    ssim,
)


@pytest.fixture
def noise():
    return np.random.default_rng(0).random((40, 48, 3)).astype(np.float32)


def test_psnr_of_a_constant_difference(noise):
    picture = noise * 0.5
    assert psnr(picture, picture + 0.1) == pytest.approx(20, abs=1e-4)
    assert psnr(picture, picture + 0.01) == pytest.approx(40, abs=1e-3)


def test_equal_pictures_score_best(noise):
    assert psnr(noise, noise) == 100
    assert ssim(noise, noise) == pytest.approx(1)
    assert flip(noise, noise)[0] == 0
    assert l1(noise, noise) == 0


def test_ssim_of_constant_pictures_is_the_luminance_term():
    dark, light = np.full((20, 20, 3), 0.2), np.full((20, 20, 3), 0.6)
    c1 = 0.01**2
    expected = (2 * 0.2 * 0.6 + c1) / (0.2**2 + 0.6**2 + c1)
    assert ssim(dark, light) == pytest.approx(expected, abs=1e-9)


def test_flip_of_black_and_white_is_near_one(capfd):
    black, white = np.zeros((32, 32, 3), np.float32), np.ones((32, 32, 3), np.float32)
    mean, picture = flip(black, white)
    assert mean == pytest.approx(picture.mean(), abs=1e-4)
    assert picture.shape == (32, 32)
    assert mean > 0.9
    assert flip_picture(black, black).max() < 0.02
    assert flip_picture(black, white).shape == (32, 32, 3)
    assert capfd.readouterr().out == ""


def test_l1_of_a_constant_difference(noise):
    assert l1(noise, noise + 0.25) == pytest.approx(0.25, abs=1e-4)


def test_alpha_iou_of_half_overlapping_boxes():
    a, b = np.zeros((10, 30), np.float32), np.zeros((10, 30), np.float32)
    a[:, 0:20] = 1
    b[:, 10:30] = 1
    assert alpha_iou(a, b) == pytest.approx(1 / 3)
    assert alpha_iou(a * 0, b * 0) == 1
    assert alpha_iou(a, b * 0) == 0


def test_on_white_composites_premultiplied_colour():
    colour, alpha = np.full((2, 2, 3), 0.2, np.float32), np.full((2, 2), 0.5, np.float32)
    picture = on_white(colour, alpha)
    assert np.allclose(picture.colour, 0.7)
    assert np.allclose(on_white(colour * 0, alpha * 0).colour, 1)


def test_head_box_is_measured_on_its_own(noise):
    alpha = np.ones(noise.shape[:2], np.float32)
    found = noise.copy()
    found[10:20, 5:25] = np.clip(noise[10:20, 5:25] + 0.1, 0, None)
    figures = compare(Picture(noise, alpha), Picture(found, alpha), (5, 10, 25, 20))
    assert figures["psnr_head"] == pytest.approx(20, abs=1e-3)
    share = 10 * 20 / (40 * 48)
    assert figures["psnr"] == pytest.approx(20 - 10 * np.log10(share), abs=1e-3)
    assert figures["l1_head"] == pytest.approx(0.1, abs=1e-4)
    assert figures["ssim_head"] < figures["ssim"]
    assert figures["flip_head"] > figures["flip"]
    assert set(figures) == {
        name + suffix
        for name in ("psnr", "ssim", "flip", "l1", "alpha_iou")
        for suffix in ("", "_head")
    }


def test_tiny_box_does_not_fail(noise):
    alpha = np.ones(noise.shape[:2], np.float32)
    assert compare(Picture(noise, alpha), Picture(noise, alpha), (0, 0, 2, 2))["ssim_head"] == 1


def test_mean_is_over_frames():
    assert mean_figures([{"psnr": 20.0, "l1": 0.1}, {"psnr": 30.0, "l1": 0.3}]) == pytest.approx(
        {"psnr": 25.0, "l1": 0.2}
    )
