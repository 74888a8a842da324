# SPDX-License-Identifier: GPL-3.0-or-later
"""The square around the head."""

import numpy as np

from engine.capture.crop import CHIN, FOREHEAD, WANDERS, Crop, choose_crop, wandering


def face(x, y, height=100.0):
    """Landmarks [478, 2] px that fill a box about (x, y)."""
    random = np.random.default_rng(0)
    points = np.array([x, y]) + random.uniform(-0.5, 0.5, (478, 2)) * (0.8 * height, height)
    points[FOREHEAD], points[CHIN] = (x, y - height / 2), (x, y + height / 2)
    return points


def test_holds_the_head_of_every_frame_with_room_for_hair():
    points = np.stack([face(x, 300) for x in np.linspace(400, 520, 9)])
    crop = choose_crop(points, 1920, 1080, 4096)
    assert crop.left < points[..., 0].min() - 30
    assert crop.left + crop.side > points[..., 0].max() + 30
    assert crop.top < points[..., 1].min() - 50
    assert crop.top + crop.side > points[..., 1].max() + 40
    assert crop.side < 500
    assert crop.size == crop.side  # never more pixels than there are


def test_stays_inside_the_picture():
    crop = choose_crop(face(80, 90)[None], 640, 480, 128)
    assert crop.left >= 0
    assert crop.top >= 0
    assert crop.size == 128


def test_a_square_clip_filled_by_the_head_is_kept_whole():
    assert choose_crop(face(256, 250, 260)[None], 512, 512, 256) == Crop(0, 0, 512, 256)


def test_pads_what_lies_beyond_the_picture():
    crop = choose_crop(np.stack([face(150, 200, 180), face(850, 200, 180)]), 1000, 400, 256)
    frame = np.full((400, 1000, 3), 90, np.uint8)
    assert crop.side > 400
    picture = crop.picture(frame)
    assert picture.shape == (256, 256, 3)
    assert (picture == 90).all()
    outside = crop.outside(1000, 400)
    assert outside[0].all()
    assert not outside[128].any()


def test_points_follow_the_picture():
    crop = Crop(100, 50, 200, 100)
    frame = np.zeros((400, 400, 3), np.uint8)
    frame[150:152, 220:222] = 255  # centre (221, 151)
    picture = crop.picture(frame)[..., 0].astype(float)
    y, x = np.mgrid[0:100, 0:100] + 0.5
    seen = [(picture * x).sum() / picture.sum(), (picture * y).sum() / picture.sum()]
    np.testing.assert_allclose(seen, crop.points(np.array([221.0, 151.0])), atol=0.05)


def test_the_way_back_of_points():
    crop = Crop(-30, 50, 200, 90)
    points = np.random.default_rng(0).uniform(0, 300, (5, 2))
    np.testing.assert_allclose(crop.clip_points(crop.points(points)), points)


def test_a_head_that_wanders_is_noticed():
    still = np.stack([face(x, 300) for x in np.linspace(400, 440, 9)])
    assert 1 <= wandering(still, choose_crop(still, 1920, 1080, 512)) < 1.5
    away = np.stack([face(x, 300) for x in np.linspace(200, 1200, 9)])
    assert wandering(away, choose_crop(away, 1920, 1080, 512)) > WANDERS
