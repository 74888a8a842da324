# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole-clip fit on landmarks that a known head, motion and lens made."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine import cores
from engine.capture import fit as fit_module
from engine.capture.crop import Crop
from engine.capture.fit import STEPS, choose_keys, figures, fit_clip
from engine.capture.gaze import eye_rotations
from engine.capture.landmark_head import LandmarkHead
from engine.capture.outline import Outlines, outside_distance
from engine.capture.priors import landmark_weights, psi_ceiling
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
                   told.append)  # fmt: skip
    return fit, psi, theta, translation, head, told


def test_the_landmarks_are_explained(fitted):
    measured = figures(fitted[0])
    assert measured["reprojection_eye_fraction"] < 0.01
    assert (
        measured["reprojection_eye_fraction"]
        <= measured["reprojection_eye_fraction_without_offsets"] + 1e-4
    )
    assert measured["offset_mm"] < 1.0


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


def test_the_head_stays_near_the_origin_and_the_camera_in_front(fitted, generic_model):
    fit, psi, theta, translation, head, _ = fitted
    assert abs(fit.translation[:, 2].mean()) < 1e-5
    assert 0.7 < fit.distance / DISTANCE < 1.4  # it goes with the focal length
    # The face moves sideways as it did, whatever the joint that it hangs from does.
    tracks = []
    for subject, *state in (
        (head, psi, theta, translation),
        (generic_model.subject(fit.beta), fit.psi, fit.theta, fit.translation),
    ):
        posed = posed_vertices(HeadTensors.of(subject), *map(torch.as_tensor, state)).numpy()
        tracks.append(subject.landmarks468.on(posed).mean(1)[:, 0])
    np.testing.assert_allclose(*(track - track.mean() for track in tracks), atol=0.003)


def test_progress_reaches_its_end(fitted):
    told = fitted[-1]
    assert told == sorted(told)
    assert told[-1] == STEPS


def test_on_one_core_the_same_numbers_come_out(generic_model, fitted, monkeypatch):
    one = ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,))
    monkeypatch.setattr(cores, "_pool", one)
    points = made_landmarks(generic_model)[0]
    alone = fit_clip(generic_model, points, np.arange(COUNT), (WIDTH, HEIGHT), torch.device("cpu"))
    for name, values in fitted[0].to_arrays().items():
        np.testing.assert_array_equal(alone.to_arrays()[name], values, err_msg=name)


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
    alone = posed_vertices(reduced, psi, theta, shift).numpy()
    away = np.linalg.norm(alone - whole, axis=-1)  # skinning weights blended before or after
    assert away.mean() < 1e-4
    assert away.max() < 1e-3


def test_a_narrow_outline_narrows_the_skull(generic_model, fitted):
    points = made_landmarks(generic_model)[0]
    crop = Crop(0, -80, WIDTH, 256)
    # Nothing but a strip around the middle of the landmarks is the person's.
    masks = []
    for n in range(COUNT):
        mask = np.zeros((256, 256), np.float32)
        low, high = crop.points(points[n, [234, 454]])[:, 0]
        mask[:, int(low) : int(high) + 1] = 1
        masks.append(outside_distance(mask))
    outlines = Outlines(np.stack(masks), crop)
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


def test_windows_go_on_from_each_other(generic_model, fitted, monkeypatch):
    monkeypatch.setattr(fit_module, "WINDOW", 32)
    monkeypatch.setattr(fit_module, "OVERLAP", 8)
    points = made_landmarks(generic_model)[0]
    parts = fit_clip(generic_model, points, np.arange(COUNT), (WIDTH, HEIGHT), torch.device("cpu"))
    turn = np.abs(parts.theta[:, 0] - fitted[0].theta[:, 0])
    assert turn.max() < np.radians(0.5)
    assert np.abs(np.diff(parts.translation - fitted[0].translation, axis=0)).max() < 0.001


def test_keys_leave_every_other_frame_out(generic_model):
    points = np.concatenate([made_landmarks(generic_model)[0]] * 10)
    keys = choose_keys(points)
    assert len(keys) == fit_module.KEY_FRAMES
    assert (keys % 2 == 0).all()
    assert (np.diff(keys) > 0).all()
    # A clip that repeats itself: all its faces are among the keys.
    assert {0, 6, 12, 18} <= {int(key) % COUNT for key in keys}


def test_offsets_are_learned_from_even_frames_and_help_the_odd_ones(generic_model):
    points = made_landmarks(generic_model)[0].copy()
    random = np.random.default_rng(1)
    points += random.normal(0, 2.0, (1, 468, 2)).astype(np.float32)  # the same in all frames
    fit = fit_clip(generic_model, points, np.arange(COUNT), (WIDTH, HEIGHT), torch.device("cpu"))
    assert fit.error[1::2, 1].mean() < 0.6 * fit.error[1::2, 0].mean()
    assert np.linalg.norm(fit.offset, axis=1).mean() <= 0.002 + 1e-6


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


def test_names_tell_which_expressions_have_one_side():
    names = ("jawForward", "mouthSmileLeft", "expression_03", "exp7")
    one_sided, most = psi_ceiling(names)
    assert one_sided.tolist() == [1, 1, 0, 0]
    assert most.tolist() == [1.2, 1.2, 4.0, 4.0]


def test_lips_and_lids_count_for_more():
    weights = landmark_weights()
    assert weights.mean() == pytest.approx(1, abs=1e-5)
    assert weights[159] > weights[13] > 1.5 * weights[10]


def test_few_frames_of_a_model_without_names_and_some_landmarks(generic_model):
    """Twenty frames, coefficients that go both ways, and a hundred landmarks that are not there."""
    points = made_landmarks(generic_model)[0][:20]
    mean = generic_model.mean
    known = mean.landmarks468.weights.copy()
    known[100:200] = 0
    model = replace(generic_model, mean=replace(
        mean, landmarks468=replace(mean.landmarks468, weights=known),
        expression_names=tuple(f"expression{n:03d}" for n in range(len(mean.expression_names))),
    ))  # fmt: skip
    points[:, 100:200] = 0  # whatever stands there is not looked at
    fit = fit_clip(model, points, np.arange(20), (WIDTH, HEIGHT), torch.device("cpu"))
    assert all(np.isfinite(array).all() for array in fit.to_arrays().values())
    assert figures(fit)["reprojection_eye_fraction"] < 0.02
