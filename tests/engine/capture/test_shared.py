# SPDX-License-Identifier: GPL-3.0-or-later
"""The key frames' common problem: its arrow against a dense matrix, its gradient, its offsets."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.capture.chain import Chain
from engine.capture.landmark_terms import LandmarkTerms
from engine.capture.priors import Priors
from engine.capture.shared import MOST_OFFSET, KeyFrames, _arrow_step

STEP = 1e-5
KEYS, OWN_UNKNOWNS, SHARED = 4, 6, 3


def random_arrow():
    random = torch.Generator().manual_seed(2)
    rows = torch.randn(KEYS, 20, OWN_UNKNOWNS + SHARED, generator=random, dtype=torch.float64)
    values = torch.randn(KEYS, 20, 1, generator=random, dtype=torch.float64)
    whole, right = rows.transpose(1, 2) @ rows, (rows.transpose(1, 2) @ values)[..., 0]
    u = OWN_UNKNOWNS
    system = (whole[:, :u, :u], whole[:, :u, u:], whole[:, u:, u:].sum(0),
              right[:, :u], right[:, u:].sum(0))  # fmt: skip
    return system, rows, values


def dense_step(rows, values, free):
    """Least squares over all unknowns at once; frames' unknowns outside `free` stay."""
    big = torch.zeros(KEYS * 20, KEYS * OWN_UNKNOWNS + SHARED, dtype=torch.float64)
    for k in range(KEYS):
        at = slice(20 * k, 20 * (k + 1))
        big[at, OWN_UNKNOWNS * k : OWN_UNKNOWNS * (k + 1)] = rows[k, :, :OWN_UNKNOWNS]
        big[at, -SHARED:] = rows[k, :, OWN_UNKNOWNS:]
    moving = torch.zeros(KEYS, OWN_UNKNOWNS, dtype=torch.bool)
    moving[:, free] = True
    chosen = torch.cat([moving.flatten(), torch.ones(SHARED, dtype=torch.bool)])
    step = torch.zeros(len(chosen), dtype=torch.float64)
    step[chosen] = torch.linalg.lstsq(big[:, chosen], -values.flatten()[:, None]).solution[:, 0]
    return step[:-SHARED].reshape(KEYS, OWN_UNKNOWNS), step[-SHARED:]


@pytest.mark.parametrize("free", [None, slice(0, 4)])
def test_the_arrow_s_step_is_the_dense_one(free):
    system, rows, values = random_arrow()
    own, shared = _arrow_step(*system, 0.0, free)
    wanted_own, wanted_shared = dense_step(rows, values, free or slice(None))
    torch.testing.assert_close(own, wanted_own, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(shared, wanted_shared, rtol=1e-6, atol=1e-8)


@pytest.fixture(scope="module")
def keys(landmark_scene, generic_model):
    """Key frames whose landmarks a somewhat different subject made: keys, frames, start, truth."""
    points, frames, truth = landmark_scene
    points = replace(points, slide=None)
    names = generic_model.mean.expression_names
    seen = points.view(frames, truth).pixels
    found = KeyFrames(
        LandmarkTerms.of(points, seen, Priors()),
        None,
        Chain.of(Priors(), np.array([3, 40, 90]), names),
        first_focal=650.0,
    )
    start = replace(
        truth, beta=0 * truth.beta, offset=0 * truth.offset, log_focal=torch.tensor(650.0).log()
    )
    return found, frames, start, truth


def test_the_shared_gradient_is_the_cost_s(keys):
    found, frames, subject, _ = keys
    subject = replace(subject, beta=subject.beta + 0.1, log_focal=subject.log_focal + 0.05)
    subject = replace(subject, log_focal=subject.log_focal.double())
    shared = found._system(frames, subject, None)[-1]

    def cost(column, step):
        beta, log_focal = subject.beta.clone(), subject.log_focal
        if column < len(beta):
            beta[column] += step
        else:
            log_focal = log_focal + step
        return found.cost(frames, replace(subject, beta=beta, log_focal=log_focal), None)

    for column in (0, 7, len(shared) - 1):
        slope = (cost(column, STEP) - cost(column, -STEP)) / (2 * STEP)
        assert float(2 * shared[column]) == pytest.approx(slope, rel=1e-2, abs=1e-3)


def test_settling_lowers_the_cost_and_nears_the_subject(keys):
    found, frames, start, truth = keys
    start = replace(start, log_focal=start.log_focal.double())
    told = []
    moved, settled = found.settle(frames, start, 8, lambda: told.append(1))
    assert told
    assert found.cost(moved, settled, None) < found.cost(frames, start, None)
    seen = found.landmarks
    # The subject's own offsets are no part of an identity: nothing gets below what they leave.
    least = seen.cost(frames, replace(truth, offset=0 * truth.offset)).sum()
    assert seen.cost(frames, start).sum() > 2 * least
    assert seen.cost(moved, settled).sum() < 1.2 * least

    def face(subject):
        return found.landmarks.points.head.subject(subject.beta, 0 * truth.offset).vertices

    before = (face(start) - face(truth)).norm(dim=1).mean()
    after = (face(settled) - face(truth)).norm(dim=1).mean()
    assert after < 0.6 * before


def test_offsets_are_capped_in_the_mean(keys):
    found, frames, start, truth = keys
    start = replace(start, beta=truth.beta, log_focal=truth.log_focal)
    seen = found.landmarks.seen + 60 * torch.randn_like(found.landmarks.seen[0])
    loose = replace(found.chain.priors, offset=1.0)
    pulled = replace(found, landmarks=replace(found.landmarks, seen=seen),
                     chain=replace(found.chain, priors=loose))  # fmt: skip
    offset = pulled._offsets(frames, start)
    assert float(offset.norm(dim=1).mean()) == pytest.approx(MOST_OFFSET, rel=1e-6)
