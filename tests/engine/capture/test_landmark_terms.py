# SPDX-License-Identifier: GPL-3.0-or-later
"""The landmarks' cost: its gradient, its robustness, and gaps that the model may lack."""

from dataclasses import replace

import pytest
import torch

from engine.capture.landmark_terms import LandmarkTerms
from engine.capture.priors import GAPS, Priors
from engine.capture.unknowns import SIZE

STEP = 1e-5


@pytest.fixture(scope="module")
def terms(landmark_scene):
    """Landmarks seen some pixels beside where the guess has them: terms, frames, subject."""
    points, frames, subject = landmark_scene
    points = replace(points, slide=None)  # whose derivatives are approximate
    seen = points.view(frames, subject).pixels
    torch.manual_seed(8)
    return LandmarkTerms.of(points, seen + 3 * torch.randn_like(seen), Priors()), frames, subject


def test_the_gradient_is_the_cost_s(terms):
    terms, frames, subject = terms
    gradient = terms.normal(frames, subject).gradient
    for column in range(gradient.shape[1]):
        if column == SIZE:  # it also changes what a percent is, which is left out
            continue
        step = torch.zeros_like(gradient)
        step[:, column] = STEP
        ahead = terms.cost(frames.moved(step), subject)
        behind = terms.cost(frames.moved(-step), subject)
        found = (ahead - behind) / (2 * STEP)
        torch.testing.assert_close(2 * gradient[:, column], found, rtol=5e-3, atol=1e-3)


def test_the_matrix_can_be_solved(terms):
    terms, frames, subject = terms
    matrix = terms.normal(frames, subject).matrix
    torch.testing.assert_close(matrix, matrix.transpose(1, 2))
    assert float(torch.linalg.eigvalsh(matrix).min()) > -1e-6 * float(
        matrix.diagonal(0, 1, 2).max()
    )


def test_a_step_lowers_the_cost(terms):
    terms, frames, subject = terms
    normal = terms.normal(frames, subject)
    some = torch.eye(normal.matrix.shape[1], dtype=torch.float64)
    step = -torch.linalg.solve(normal.matrix + 1e-2 * some, normal.gradient[..., None])[..., 0]
    assert (terms.cost(frames.moved(step), subject) < terms.cost(frames, subject)).all()


def test_one_frame_s_landmarks_do_not_touch_another_s(terms):
    terms, frames, subject = terms
    seen = terms.seen.clone()
    seen[0] += 50
    moved = replace(terms, seen=seen)
    assert moved.cost(frames, subject)[0] > terms.cost(frames, subject)[0]
    torch.testing.assert_close(moved.cost(frames, subject)[1:], terms.cost(frames, subject)[1:])
    torch.testing.assert_close(terms[1:].cost(frames[1:], subject), terms.cost(frames, subject)[1:])


def test_a_landmark_far_off_counts_linearly(terms):
    terms, frames, subject = terms
    costs = []
    for miss in (0, 1e4, 2e4, 3e4):
        seen = terms.points.view(frames, subject).pixels.clone()
        seen[0, 5, 0] += miss
        costs.append(float(replace(terms, seen=seen).cost(frames, subject)[0]))
    assert costs[0] == pytest.approx(0, abs=1e-12)
    assert costs[3] - costs[2] == pytest.approx(costs[2] - costs[1], rel=1e-2)


def test_landmarks_that_the_model_lacks_say_nothing(terms):
    terms, frames, subject = terms
    upper = GAPS[0][0]
    weights = terms.weights.clone()
    weights[upper] = 0
    lacking = replace(terms, weights=weights)
    seen = terms.seen.clone()
    seen[:, upper] += 30
    torch.testing.assert_close(
        replace(lacking, seen=seen).cost(frames, subject), lacking.cost(frames, subject)
    )
