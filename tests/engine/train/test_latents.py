# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.avatar.model import Avatar
from engine.capture.folder import read_capture
from engine.head.projection import head_box
from engine.head.skinning import HeadTensors
from engine.render.frame import render_frame
from engine.train.evaluate import true_picture
from engine.train.latents import LatentFit
from engine.train.metrics import on_white, psnr
from engine.train.regions import true_vertices

FRAME = 21  # a test frame


@pytest.fixture
def avatar(trained_avatar):
    return Avatar.load(trained_avatar, torch.device("cpu"))


@pytest.fixture
def shot(trained_avatar):
    """Picture, head box, camera and motion of one frame."""
    capture = read_capture(trained_avatar.parents[1] / "capture")
    camera = capture.camera.of_height(24)
    posed = true_vertices(capture, FRAME, HeadTensors.of(capture.head))
    motion = capture.motion[[FRAME]]
    return (
        true_picture(capture, FRAME, camera),
        head_box(capture.head, posed, camera),
        camera,
        motion,
    )


def rendered(avatar, camera, motion, condition=None):
    planes = render_frame(
        avatar, camera, motion.psi[0], motion.theta[0], motion.translation[0], condition=condition
    )
    return on_white(planes.colour, planes.alpha)


def test_a_frame_whose_codes_were_others_is_explained_better(avatar, shot):
    _, box, camera, motion = shot
    told = avatar.condition(motion.psi[0], motion.theta[0], motion.translation[0])
    other = replace(told, appearance=told.appearance + 1.5, code=told.code - 0.5)
    truth = rendered(avatar, camera, motion, other)
    before = psnr(truth.colour, rendered(avatar, camera, motion).colour)
    found = LatentFit(avatar, 40).condition(truth, box, camera, motion)
    after = psnr(truth.colour, rendered(avatar, camera, motion, found).colour)
    assert after > before + 1


def test_codes_alone_are_changed(avatar, shot):
    truth, box, camera, motion = shot
    weights = {name: array.copy() for name, array in avatar.weights().items()}
    told = avatar.condition(motion.psi[0], motion.theta[0], motion.translation[0])
    found = LatentFit(avatar, 3).condition(truth, box, camera, motion)
    assert not torch.equal(found.code, told.code)
    assert not torch.equal(found.appearance, told.appearance)
    assert not found.code.requires_grad
    assert torch.equal(found.psi, told.psi)
    assert torch.equal(found.theta, told.theta)
    for name, array in avatar.weights().items():
        assert np.array_equal(array, weights[name]), name


def test_the_same_frame_gives_the_same_codes(avatar, shot):
    codes = [LatentFit(avatar, 3).condition(*shot).code for _ in range(2)]
    assert torch.allclose(*codes, atol=1e-5)


def test_a_box_beside_the_head_leaves_the_codes(avatar, shot):
    truth, _, camera, motion = shot
    told = avatar.condition(motion.psi[0], motion.theta[0], motion.translation[0])
    found = LatentFit(avatar, 3).condition(truth, (0, 0, 1, 1), camera, motion)
    assert torch.equal(found.code, told.code)
