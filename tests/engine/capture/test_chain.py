# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain of frames: its banded step against a dense one, and what smoothness counts."""

from dataclasses import replace

import numpy as np
import torch

from engine.capture.chain import Chain, banded_step
from engine.capture.priors import Priors
from engine.capture.unknowns import JAW_TURN, OWN, Frames, Subject
from engine.head.skinning import rotation_matrix

COUNT, WIDE = 7, 12


def random_system(seed=0):
    random = torch.Generator().manual_seed(seed)
    root = torch.randn(COUNT, WIDE, WIDE, generator=random, dtype=torch.float64)
    matrix = root @ root.transpose(1, 2) + torch.eye(WIDE, dtype=torch.float64)
    gradient = torch.randn(COUNT, WIDE, generator=random, dtype=torch.float64)
    bend = torch.randn(COUNT - 2, WIDE, generator=random, dtype=torch.float64)
    weight = torch.rand(COUNT - 2, WIDE, generator=random, dtype=torch.float64)
    return matrix, gradient, bend, weight


def dense_step(matrix, gradient, bend, weight, damping, moving):
    """The same by one big matrix; `moving` [N, U] bool."""
    size = COUNT * WIDE
    whole = torch.block_diag(*matrix)
    right = -gradient.reshape(-1).clone()
    for n in range(COUNT - 2):
        for u in range(WIDE):
            row = torch.zeros(size, dtype=torch.float64)
            for share, at in ((1, n), (-2, n + 1), (1, n + 2)):
                row[at * WIDE + u] = share
            whole += weight[n, u] * row[:, None] * row
            right -= weight[n, u] * bend[n, u] * row
    whole += damping * whole.diagonal().diag()
    chosen = moving.reshape(-1).nonzero()[:, 0]
    step = torch.zeros(size, dtype=torch.float64)
    step[chosen] = torch.linalg.solve(whole[chosen[:, None], chosen], right[chosen])
    return step.reshape(COUNT, WIDE)


def test_banded_step_is_the_dense_one():
    system = random_system()
    moving = torch.ones(COUNT, WIDE, dtype=torch.bool)
    found = banded_step(*system, 0.01, None, 0)
    torch.testing.assert_close(found, dense_step(*system, 0.01, moving))


def test_frames_that_are_held_and_unknowns_that_are_not_free_stay():
    system = random_system(1)
    moving = torch.zeros(COUNT, WIDE, dtype=torch.bool)
    moving[2:, :6] = True
    found = banded_step(*system, 0.0, slice(0, 6), 2)
    torch.testing.assert_close(found, dense_step(*system, 0.0, moving))
    assert (found[:2] == 0).all()
    assert (found[:, 6:] == 0).all()


def still_frames(count=5, expressions=3):
    return Frames(
        rotation=torch.eye(3, dtype=torch.float64).repeat(count, 1, 1),
        place=torch.zeros(count, 2, dtype=torch.float64),
        size=torch.full((count,), -6.0, dtype=torch.float64),
        jaw=torch.zeros(count, 3, dtype=torch.float64),
        psi=torch.zeros(count, expressions, dtype=torch.float64),
    )


def subject():
    nothing = torch.zeros(0, dtype=torch.float64)
    return Subject(nothing, torch.tensor(1000.0, dtype=torch.float64).log(), nothing)


def test_smoothness_counts_second_differences_of_neighbours_alone():
    names = ("mouthSmileLeft", "eyeBlinkLeft", "jawForward")
    chain = Chain.of(Priors(), np.array([0, 1, 2, 4, 5]), names)
    steady = still_frames()
    assert float(chain.bends(steady, subject())[2]) == 0
    turns = torch.zeros(5, 3, dtype=torch.float64)
    turns[:, 1] = torch.linspace(0, 0.4, 5)  # a steady turn is no bend
    turning = replace(steady, rotation=rotation_matrix(turns))
    assert chain.bends(turning, subject())[0].abs().max() < 1e-6
    steady.jaw[:, 0] = torch.tensor([0.0, 1.0, 2.0, 5.0, 6.0])
    bend, weight, cost = chain.bends(steady, subject())
    assert bend[:, JAW_TURN.start].tolist() == [0, 2, -2]
    assert weight[:, JAW_TURN.start].tolist() == [Priors().smooth_jaw, 0, 0]  # frame 3 is missing
    assert float(cost) == 0


def test_quick_lids_cost_less_than_their_square():
    chain = Chain.of(Priors(), np.arange(5), ("eyeBlinkLeft",))
    frames = still_frames(5, 1)
    frames.psi[2, 0] = 1.0
    quick = float(chain.bends(frames, subject())[2])
    frames.psi[2, 0] = 0.01
    slow = float(chain.bends(frames, subject())[2])
    assert quick < 0.2 * slow * 100**2


def test_priors_of_a_frame_are_the_slope_of_their_cost():
    names = ("mouthSmileLeft", "expression000")
    chain = Chain.of(Priors(psi_mean=0.0), np.arange(3), names)
    frames = still_frames(3, 2)
    frames.psi[:] = torch.tensor([[-0.2, -0.2], [1.5, 1.5], [0.3, 4.0]])
    frames.jaw[:] = torch.tensor([[-0.1, 0.02, 0.0], [0.2, 0.0, -0.01], [0.0, 0.0, 0.0]])
    single, _ = chain.single(frames)
    for column in range(6, OWN + 2):
        step = torch.zeros(3, OWN + 2, dtype=torch.float64)
        step[:, column] = 1e-6
        ahead, behind = (chain.single(frames.moved(sign * step))[1] for sign in (1, -1))
        slope = (ahead - behind) / 2e-6
        torch.testing.assert_close(2 * single.gradient[:, column], slope, rtol=1e-4, atol=1e-3)
