# SPDX-License-Identifier: GPL-3.0-or-later
"""The papers' field: it samples where it should, asks all nets, and learns."""

from dataclasses import replace

import pytest
import torch

from engine.bench.paper_field import AllParts, PaperAvatar, PaperConfig, bounds, finer
from engine.bench.paper_training import race_of_paper
from engine.bench.subject import HeldOut, evenly
from engine.render.sampling import Rays
from engine.train.settings import preset

TINY = PaperConfig(width=16, depth=4, coarse=8, fine=8, rays=48, rate=5e-3)


def test_bounds_are_the_box_of_the_shell():
    vertices = torch.tensor([[[-1.0, -1, -1], [1, 1, 1]]])
    rays = Rays(
        origins=torch.tensor([[0.0, 0, -5], [9.0, 0, -5]]),
        directions=torch.tensor([[1e-6, 1e-6, 1.0], [1e-6, 1e-6, 1.0]]),
        frame=torch.zeros(2, dtype=torch.int32),
        jitter=torch.zeros(2),
    )
    near, far = bounds(vertices, rays, 0.5)
    assert near[0].item() == pytest.approx(3.5, abs=1e-4)
    assert far[0].item() == pytest.approx(6.5, abs=1e-4)
    assert far[1] - near[1] == pytest.approx(1e-3, abs=1e-4)  # the second one misses


def test_fine_samples_lie_where_the_weights_are():
    t = torch.linspace(0, 1, 33).expand(2, 33)
    weights = torch.zeros(2, 33)
    weights[:, 20] = 1.0
    more = finer(t, weights, 16)
    assert more.shape == (2, 16)
    assert ((more > 0.58) & (more < 0.67)).float().mean() > 0.95


def test_asking_all_parts_with_hard_labels_asks_the_one_that_counts(subject):
    """With hard labels the engine's own deformation asks one net; the result must be the same."""
    ours = subject.avatar.deformation
    all_parts = AllParts(subject.avatar.config, subject.avatar.head, subject.avatar.partition)
    all_parts.load_state_dict(ours.state_dict())
    condition = subject.avatar.condition(subject.motion.psi, subject.motion.theta)
    g = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(64, 3, generator=g) - 1
    labels = torch.arange(64) % subject.avatar.config.parts
    results = [net(x, torch.ones(64, 1), condition, 3.0, labels) for net in (ours, all_parts)]
    torch.testing.assert_close(results[0].offset, results[1].offset, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(results[0].ambient, results[1].ambient, rtol=1e-4, atol=1e-4)


def test_it_learns(capture, frames, job):
    settings = replace(preset("draft", "partnerface"), frames_per_step=2)
    held_out = HeldOut(capture, frames.camera, evenly(capture.test, 1))
    found = race_of_paper(TINY, settings, frames, capture, held_out, 4.0, 4, job)
    assert len(found.psnr) >= 2
    assert found.psnr[-1] > found.psnr[0]


def test_every_sample_has_a_weight_and_the_picture_is_in_range(subject, capture):
    avatar = PaperAvatar(TINY, subject.avatar.config, capture.head, torch.device("cpu"))
    motion = capture.motion[[0]]
    pose = avatar.poser.pose(*(torch.from_numpy(v).float() for v in vars(motion).values()))
    origin, directions = capture.camera.rays()
    some = torch.from_numpy(directions[::37].copy())
    rays = Rays(
        torch.from_numpy(origin).expand_as(some).contiguous(), some,
        torch.zeros(len(some), dtype=torch.int32), torch.zeros(len(some)),
    )  # fmt: skip
    condition = avatar.avatar.condition(motion.psi[0], motion.theta[0])
    coarse, fine = avatar.shade(pose, rays, condition, training=False)
    assert len(coarse.weights) == 8 * len(some)
    assert len(fine.weights) == 16 * len(some)
    for shaded in (coarse, fine):
        assert (shaded.alpha >= 0).all()
        assert (shaded.alpha <= 1.0001).all()
        assert (shaded.colour <= shaded.alpha[:, None] + 1e-4).all()
