# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps to canonical space in one pass, against the torch reference (nearest points: as asked)."""

from dataclasses import replace

import pytest
import torch

from engine.avatar.config import ModelConfig
from engine.avatar.model import Avatar
from engine.head.library import load_head_model
from engine.head.model import JAW, JOINTS
from engine.kernels import reference
from engine.kernels.landing import land_steps
from engine.render.posing import Poser

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def heads():
    """Two poses of the generic head, and a third of canonical space taken as empty."""
    torch.manual_seed(0)
    config = ModelConfig(table_bits=10, levels=2, finest=32, occupancy_cells=48)
    avatar = Avatar(config, load_head_model("generic").mean, CPU)
    avatar.occupancy.start(avatar.skin, avatar.low, avatar.size, config.shell)
    avatar.occupancy.occupied *= (torch.rand(48, 48, 48) > 1 / 3).byte()
    psi = 0.6 * torch.rand(2, len(avatar.head.expression_names))
    theta = 0.2 * torch.randn(2, len(JOINTS), 3)
    theta[1, JAW, 0] = 0.5  # wide open: some points are torn
    poser = Poser(avatar)
    return poser.heads(poser.pose(psi, theta, 0.02 * torch.randn(2, 3)))


def steps(heads, rays=160, each=40):
    """Rays through both heads, in no order, with `each` steps."""
    g = torch.Generator().manual_seed(1)
    frame = (torch.arange(rays) % 2).int()
    origins = torch.randn(rays, 3, generator=g)
    origins = origins / origins.norm(dim=1, keepdim=True)
    corner = torch.randint(heads.vertices.shape[1], (rays,), generator=g)
    directions = heads.vertices[frame.long(), corner] - origins
    ray = torch.arange(rays).repeat_interleave(each)
    t = 0.85 + 0.3 * torch.rand(rays * each, generator=g)
    return ray, t, origins, directions, frame


def test_matches_the_reference(heads):
    ray, t, origins, directions, frame = steps(heads)
    step = torch.randperm(len(t), generator=torch.Generator().manual_seed(2))[:5000]
    found = land_steps(step, ray, t, origins, directions, frame, heads)
    wanted = reference.land_steps(step, ray, t, origins, directions, frame, heads)
    same = found[0] == wanted[0]
    assert same.float().mean() > 0.999  # rounding may put a point on either side of a wall
    assert 0.2 < found[0].float().mean() < 0.8
    for ours, theirs in zip(found[1:], wanted[1:], strict=True):
        torch.testing.assert_close(ours[same], theirs[same], rtol=1e-3, atol=1e-4)


def test_torn_points_are_left_out(heads):
    arguments = steps(heads)
    step = torch.arange(len(arguments[1]))
    held, _, _ = land_steps(step, *arguments, heads)
    all_held, _, _ = land_steps(step, *arguments, replace(heads, tear=1.0))
    assert held.sum() < all_held.sum()
    assert not (held & ~all_held).any()


@pytest.mark.parametrize("count", [0, 1])
def test_few_steps(heads, count):
    arguments = steps(heads)
    held, u, view = land_steps(torch.arange(count), *arguments, heads)
    assert (held.shape, u.shape, view.shape) == ((count,), (count, 3), (count, 3))


def test_beyond_the_shell_is_nothing(heads):
    ray, t, origins, directions, frame = steps(heads, rays=4, each=2)
    held, u, view = land_steps(
        torch.arange(len(t)), ray, torch.zeros_like(t), origins, directions, frame, heads
    )
    assert not held.any()
    assert not u.any()
    assert not view.any()
