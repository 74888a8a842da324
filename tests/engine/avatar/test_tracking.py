# SPDX-License-Identifier: GPL-3.0-or-later
"""The tracker's bias: nothing at first, bounded outside what was seen, and learnable."""

import torch

from engine.avatar.config import ModelConfig
from engine.avatar.tracking import FEATURES, SHIFT, TrackerBias


def poses(count=40, seed=0):
    """Random root rotations within theta [N, 5, 3] and translations [N, 3]."""
    g = torch.Generator().manual_seed(seed)
    theta = torch.zeros(count, 5, 3)
    theta[:, 0] = torch.tensor([0.2, 0.1, 0.0]) + 0.15 * torch.randn(count, 3, generator=g)
    return theta, 0.01 * torch.randn(count, 3, generator=g)


def test_an_untrained_bias_changes_nothing():
    bias, (theta, translation) = TrackerBias(ModelConfig()), poses()
    bias.observe(theta, translation)
    features = bias.features(theta, translation)
    assert features.shape == (40, FEATURES)
    for before, after in zip(
        (theta, translation), bias.corrected(features, theta, translation), strict=True
    ):
        torch.testing.assert_close(before, after)
    assert bias.size().item() == 0


def test_outside_the_clip_the_bias_stays_at_its_border():
    bias, (theta, translation) = TrackerBias(ModelConfig()), poses()
    bias.observe(theta, translation)
    far, farther = theta[:1] + 2.0, theta[:1] + 20.0
    torch.testing.assert_close(
        bias.features(far, translation[:1] + 1), bias.features(farther, translation[:1] + 9)
    )
    assert bias.features(farther, translation[:1] + 9).abs().max() < 30


def test_a_pose_that_never_changes_has_no_say():
    bias = TrackerBias(ModelConfig())
    theta, translation = torch.zeros(6, 5, 3), torch.zeros(6, 3)
    bias.observe(theta, translation)
    assert bias.features(theta + 0.3, translation)[:, :6].abs().max() == 0


def test_it_learns_a_shift_that_follows_the_nod():
    torch.manual_seed(0)
    bias, (theta, translation) = TrackerBias(ModelConfig()), poses()
    bias.observe(theta, translation)
    wanted = translation + torch.stack(
        [torch.zeros(40), 0.02 * (theta[:, 0, 0] - theta[:, 0, 0].mean()), torch.zeros(40)], 1
    )
    optimiser = torch.optim.Adam([bias.pose], lr=0.05)
    for _ in range(1500):
        _, found = bias.corrected(bias.features(theta, translation), theta, translation)
        loss = ((found - wanted) / SHIFT).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (found - wanted).abs().max() < 2e-4
    assert (wanted - translation).abs().max() > 4e-3
