# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest

from engine.capture.folder import read_capture
from engine.head.model import PARTS
from engine.head.skinning import HeadTensors
from engine.train.regions import (
    MOVING,
    NOTHING,
    REGIONS,
    grown,
    region_masks,
    seen_parts,
    true_vertices,
)


@pytest.fixture(scope="module")
def capture(trained_avatar):
    return read_capture(trained_avatar.parents[1] / "capture")


def parts_of(capture, size=96, **changes):
    motion = replace(capture.motion, **changes)
    posed = true_vertices(replace(capture, motion=motion), 0, HeadTensors.of(capture.head))
    return seen_parts(capture.head, posed, capture.camera.of_height(size))


def middle(mask):
    return np.argwhere(mask).mean(0)  # y, x


def test_parts_lie_where_a_face_has_them(capture):
    still = {name: np.zeros_like(getattr(capture.motion, name)) for name in ("psi", "theta")}
    parts = parts_of(capture, **still)
    assert parts[0, 0] == NOTHING
    y = {name: middle(parts == PARTS.index(name)) for name in PARTS}
    assert y["brows"][0] < y["eye_left"][0] < y["nose"][0] < y["mouth"][0]
    # The camera looks at the face: the subject's left is the picture's right.
    assert y["eye_right"][1] < y["nose"][1] < y["eye_left"][1]
    assert y["cheek_right"][1] < y["mouth"][1] < y["cheek_left"][1]


def test_an_open_mouth_shows_its_inside_as_mouth(capture):
    theta = np.zeros_like(capture.motion.theta)
    closed = parts_of(capture, psi=capture.motion.psi * 0, theta=theta)
    theta = theta.copy()
    theta[:, 2, 0] = 0.4
    opened = parts_of(capture, psi=capture.motion.psi * 0, theta=theta)
    mouth = PARTS.index("mouth")
    assert (opened == mouth).sum() > 1.15 * (closed == mouth).sum()


def test_regions_follow_the_head(capture):
    before = parts_of(capture)
    shifted = capture.motion.translation + np.float32([0.02, 0, 0])
    after = parts_of(capture, translation=shifted)
    nose = PARTS.index("nose")
    assert middle(after == nose)[1] > middle(before == nose)[1] + 2


def test_masks_hold_their_parts_and_a_rim_of_the_matte_alone():
    parts = np.full((100, 100), NOTHING, np.int8)
    parts[20:30, 20:30] = PARTS.index("eye_left")
    parts[20:30, 60:70] = PARTS.index("eye_right")
    parts[60:70, 40:60] = PARTS.index("mouth")
    matte = np.ones((100, 100), np.float32)
    matte[:, :15] = 0
    masks = region_masks(parts, matte)
    assert set(masks) == {*REGIONS, "moving"}
    assert masks["eyes"][25, 25]
    assert masks["eyes"][25, 65]
    assert masks["eyes"][25, 31]  # the rim
    assert not masks["eyes"][25, 35]
    assert not masks["cheeks"].any()
    assert (masks["moving"] == np.any([masks[name] for name in MOVING], axis=0)).all()
    parts[20:30, 0:10] = PARTS.index("brows")
    assert not region_masks(parts, matte)["brows"][:, :10].any()  # outside the matte


def test_the_rim_scales_with_the_picture():
    for size, radius in ((40, 1), (128, 2), (512, 8)):
        dot = np.zeros((size, size), bool)
        dot[size // 2, size // 2] = True
        assert grown(dot).any(0).sum() == 2 * radius + 1
