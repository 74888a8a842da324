# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from engine.render.camera import Camera
from engine.train.metrics import (
    Picture,
    alpha_iou,
    compare,
    compare_surfaces,
    expression_strength,
    flip,
    flip_picture,
    l1,
    mean_figures,
    normals,
    on_white,
    psnr,
    region_psnr,
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


def test_mean_leaves_out_frames_without_the_figure():
    frames = [{"psnr": 20.0, "psnr_eyes": 10.0}, {"psnr": 30.0}]
    assert mean_figures(frames) == {"psnr": 25.0, "psnr_eyes": 10.0}


def test_a_region_counts_its_own_pixels_alone(noise):
    alpha = np.ones(noise.shape[:2], np.float32)
    mask, empty = np.zeros(alpha.shape, bool), np.zeros(alpha.shape, bool)
    mask[10:20, 5:25] = True
    found = np.where(mask[..., None], noise * 0.5 + 0.1, 1 - noise).astype(np.float32)
    truth = np.where(mask[..., None], noise * 0.5, noise).astype(np.float32)
    figures = region_psnr(Picture(truth, alpha), Picture(found, alpha), {"a": mask, "b": empty})
    assert figures == {"psnr_a": pytest.approx(20, abs=1e-4)}


@pytest.fixture
def view():
    return Camera(60, 40, 120.0, 120.0, 30.0, 20.0, np.eye(4))


def plane(view, slope, distance=0.7):
    """Depth of the plane z = distance + slope · x, whose normal leans by atan(slope)."""
    x = (np.arange(view.width) + 0.5 - view.cx) / view.fx
    return np.tile(distance / (1 - slope * x), (view.height, 1)).astype(np.float32)


@pytest.mark.parametrize("degrees", [0, 10, 30])
def test_a_tilted_plane_is_off_by_its_tilt(view, degrees):
    truth, found = plane(view, 0.0), plane(view, np.tan(np.radians(degrees)))
    ones = np.ones(truth.shape, np.float32)
    figures = compare_surfaces(truth, found, ones, ones, view)
    assert figures["normal_deg"] == pytest.approx(degrees, abs=0.4)
    assert figures["depth_mm"] == pytest.approx(1000 * np.abs(truth - found).mean(), rel=1e-4)


def test_normals_point_to_the_camera(view):
    ones = np.ones((view.height, view.width), bool)
    normal, sure = normals(plane(view, 0.0), ones, view)
    assert np.allclose(normal[sure], (0, 0, -1), atol=1e-4)
    assert not sure[0].any()
    assert sure[1:-1, 1:-1].all()


def test_surfaces_are_compared_where_both_are(view):
    truth, found = plane(view, 0.0), plane(view, 0.0) + 0.002
    alpha = np.ones(truth.shape, np.float32)
    truth[:10] = np.inf
    found[:, :10] = 1e10
    faint = alpha.copy()
    faint[30:] = 0.4
    found[30:] = 5.0
    figures = compare_surfaces(truth, found, alpha, faint, view)
    assert figures["depth_mm"] == pytest.approx(2, abs=1e-3)
    assert figures["normal_deg"] < 0.3
    assert compare_surfaces(truth, found, alpha, alpha * 0, view) == {}


def test_strength_is_rms_of_expressions_and_jaw_angle():
    psi, theta = np.zeros(16, np.float32), np.zeros((5, 3), np.float32)
    assert expression_strength(psi, theta) == 0
    psi[3], theta[2, 0], theta[1] = 1.0, 0.3, 0.5  # a turned neck is no expression
    assert expression_strength(psi, theta) == pytest.approx(0.25 + 0.3)
