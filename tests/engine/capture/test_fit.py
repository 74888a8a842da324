# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole-clip fit on landmarks that a known head, motion and lens made."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.capture.crop import Crop
from engine.capture.fit import figures, fit_clip
from engine.capture.gaze import eye_rotations
from engine.capture.landmark_head import LandmarkHead
from engine.capture.outline import Outlines, key_frames, outside_distance
from engine.capture.priors import bend, landmark_weights, one_sided
from engine.head.model import EYE_LEFT, EYE_RIGHT, JAW
from engine.head.skinning import HeadTensors, posed_vertices

COUNT, WIDTH, HEIGHT = 24, 640, 480
FOCAL, DISTANCE = 1150.0, 0.75


def made_landmarks(model, focal=FOCAL):
    """Landmarks [N, 468, 2] px of a head that nods, turns and speaks, and the truth."""
    random = np.random.default_rng(3)
    head = model.subject(random.normal(0, 0.5, len(model.identities)))
    t = np.linspace(0, 2 * np.pi, COUNT)
    theta = np.zeros((COUNT, 5, 3), np.float32)
    theta[:, 0] = np.stack([0.15 * np.sin(t), 0.5 * np.sin(t + 1), 0.1 * np.cos(t)], 1)
    theta[:, JAW, 0] = 0.12 * (1 - np.cos(2 * t))
    psi = np.zeros((COUNT, len(head.expression_names)), np.float32)
    names = head.expression_names
    psi[:, names.index("mouthSmileLeft")] = 0.35 * (1 - np.cos(t))
    psi[:, names.index("eyeBlinkRight")] = 0.4 * (1 - np.cos(2 * t))
    translation = np.stack([0.02 * np.sin(t), 0.015 * np.cos(t), 0.03 * np.sin(2 * t)], 1).astype(
        np.float32
    )
    tensors = LandmarkHead.of(model, model.mean.landmarks468, torch.device("cpu")).subject(
        torch.as_tensor(head.beta)
    )
    world = posed_vertices(
        tensors, *(torch.as_tensor(a) for a in (psi, theta, translation))
    ).numpy()
    pixels = np.stack([world[..., 0], -world[..., 1]], -1) / (DISTANCE - world[..., 2:]) * focal
    pixels += np.array([WIDTH, HEIGHT]) / 2
    return pixels.astype(np.float32), psi, theta, translation, head


@pytest.fixture(scope="module")
def fitted(generic_model):
    points, psi, theta, translation, head = made_landmarks(generic_model)
    told = []
    fit = fit_clip(generic_model, points, np.arange(COUNT), (WIDTH, HEIGHT), torch.device("cpu"),
                   lambda step, loss: told.append(step))  # fmt: skip
    return fit, psi, theta, translation, head, told


def test_the_landmarks_are_explained(fitted):
    measured = figures(fitted[0])
    assert measured["reprojection_eye_fraction"] < 0.01
    assert (
        measured["reprojection_eye_fraction_with_offsets"]
        <= measured["reprojection_eye_fraction"] + 1e-4
    )
    assert measured["offset_mm"] < 2.0


def test_the_rotation_is_found(fitted):
    fit, _, theta, *_ = fitted
    np.testing.assert_allclose(fit.theta[:, 0], theta[:, 0], atol=np.radians(4.0))
    assert np.abs(fit.theta[:, 0] - theta[:, 0]).mean() < np.radians(1.5)


def test_expressions_move_as_they_should(fitted):
    fit, psi, theta, _, head, _ = fitted
    for name in ("mouthSmileLeft", "eyeBlinkRight"):
        index = head.expression_names.index(name)
        assert np.corrcoef(fit.psi[:, index], psi[:, index])[0, 1] > 0.9, name
    assert np.corrcoef(fit.theta[:, JAW, 0], theta[:, JAW, 0])[0, 1] > 0.9


def test_one_sided_expressions_stay_in_range(fitted):
    fit = fitted[0]
    assert fit.psi.min() >= 0
    assert fit.psi.max() <= 1.2
    assert fit.theta[:, JAW, 0].min() >= 0


def test_the_head_stays_near_the_origin_and_the_camera_in_front(fitted):
    fit, _, _, translation, *_ = fitted
    assert abs(fit.translation[:, 2].mean()) < 1e-5
    # Depth goes with the focal length, which landmarks hardly show; sideways motion does not.
    scale = fit.distance / DISTANCE
    assert 0.7 < scale < 1.4
    sideways = fit.translation[:, 0] - fit.translation[:, 0].mean()
    np.testing.assert_allclose(sideways, translation[:, 0] - translation[:, 0].mean(), atol=0.008)


def test_progress_reaches_its_end(fitted):
    told = fitted[-1]
    assert told == sorted(told)
    assert told[-1] == 340


def test_landmarks_alone_move_as_the_whole_head_does(generic_model):
    model, random = generic_model, np.random.default_rng(0)
    beta = random.normal(0, 1, len(model.identities)).astype(np.float32)
    psi = torch.as_tensor(
        random.uniform(0, 1, (3, len(model.mean.expression_names))), dtype=torch.float32
    )
    theta = torch.as_tensor(random.normal(0, 0.1, (3, 5, 3)), dtype=torch.float32)
    shift = torch.as_tensor(random.normal(0, 0.1, (3, 3)), dtype=torch.float32)
    head = model.subject(beta)
    whole = head.landmarks468.on(posed_vertices(HeadTensors.of(head), psi, theta, shift).numpy())
    points = replace(model.mean.landmarks468, offset=0 * model.mean.landmarks468.offset)
    reduced = LandmarkHead.of(model, points, torch.device("cpu")).subject(torch.as_tensor(beta))
    alone = posed_vertices(reduced, psi, theta, shift).numpy() - 0
    away = np.linalg.norm(alone - whole, axis=-1)  # skinning weights blended before or after
    assert away.mean() < 1e-4
    assert away.max() < 1e-3


def test_a_narrow_outline_narrows_the_skull(generic_model, fitted):
    points = made_landmarks(generic_model)[0]
    crop = Crop(0, -80, WIDTH, 256)
    # Nothing but a strip around the middle of the landmarks is the person's.
    masks = []
    for n in (chosen := key_frames(COUNT)):
        mask = np.zeros((256, 256), np.float32)
        low, high = crop.points(points[n, [234, 454]])[:, 0]
        mask[:, int(low) : int(high) + 1] = 1
        masks.append(outside_distance(mask))
    outlines = Outlines(chosen, np.stack(masks), crop)
    held = fit_clip(
        generic_model,
        points,
        np.arange(COUNT),
        (WIDTH, HEIGHT),
        torch.device("cpu"),
        outlines=outlines,
    )

    def width(fit):
        subject = generic_model.subject(fit.beta)
        return np.ptp(subject.vertices[subject.vertices_in("scalp"), 0])

    assert width(held) < width(fitted[0]) - 0.001


def test_outlines_measure_how_far_outside():
    mask = np.zeros((64, 64), np.float32)
    mask[:, :32] = 1
    outlines = Outlines(np.array([0]), outside_distance(mask)[None], Crop(100, 0, 128, 64))
    pixels = torch.tensor([[[100 + 2 * 42.0, 60.0], [100 + 2 * 12.0, 60.0]]])
    np.testing.assert_allclose(outlines.distance(pixels)[0], [20, -40], atol=2.0)


def test_eyes_turn_to_where_the_irises_are(generic_model):
    head = generic_model.mean
    turn = np.zeros((8, 5, 3), np.float32)
    for joint in (EYE_LEFT, EYE_RIGHT):
        turn[:, joint] = np.stack(
            [np.linspace(-0.2, 0.2, 8), np.linspace(0.3, -0.3, 8), np.zeros(8)], 1
        )
    root = np.tile(np.array([0.1, -0.4, 0.05], np.float32), (8, 1))
    turn[:, 0] = root
    points = np.zeros((8, 478, 2))
    # Irises: the foremost point of each eyeball. Lids: wide open.
    tensors = HeadTensors.of(head)
    still = torch.zeros(8, len(head.expression_names)), torch.as_tensor(turn), torch.zeros(8, 3)
    posed = posed_vertices(tensors, *still).numpy()
    balls = head.vertices_in("eyeball")
    for joint, iris in ((EYE_LEFT, 473), (EYE_RIGHT, 468)):
        own = balls[np.linalg.norm(head.vertices[balls] - head.joints[joint], axis=1) < 0.02]
        front = own[(head.vertices[own] - head.joints[joint])[:, 2].argmax()]
        world = posed[:, front]
        points[:, iris] = (
            np.stack([world[:, 0], -world[:, 1]], -1) / (0.7 - world[:, 2:]) * 1000 + 256
        )
    for outer, inner, upper, lower in ((33, 133, 159, 145), (263, 362, 386, 374)):
        points[:, outer], points[:, inner] = (0, 0), (30, 0)
        points[:, upper], points[:, lower] = (15, -6), (15, 6)
    found = eye_rotations(
        head, points, root, np.zeros((8, 3), np.float32), (1000.0, 0.7), (256.0, 256.0)
    )
    for joint in (EYE_LEFT, EYE_RIGHT):
        np.testing.assert_allclose(found[joint][1:-1], turn[1:-1, joint], atol=0.06)


def test_smoothness_counts_second_differences_of_neighbours_alone():
    track = torch.tensor([[0.0], [1.0], [2.0], [5.0], [6.0]])
    assert float(bend(track, torch.ones(3))) == pytest.approx(0 + 4 + 4)
    assert float(bend(track, torch.tensor([1.0, 0.0, 1.0]))) == pytest.approx(4)
    assert float(bend(track, torch.ones(3), 0.1)) < 1.0  # linear for quick moves


def test_names_tell_which_expressions_have_one_side():
    names = ("jawForward", "mouthSmileLeft", "expression_03", "exp7")
    assert one_sided(names).tolist() == [1, 1, 0, 0]


def test_lips_and_lids_count_for_more():
    weights = landmark_weights()
    assert weights.mean() == pytest.approx(1, abs=1e-5)
    assert weights[159] > weights[13] > 2 * weights[10]
