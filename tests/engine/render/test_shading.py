# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in its steps a ray's depth lies."""

import math

import pytest
import torch

from engine.render.sampling import depth_in_front
from engine.render.scene import EMPTY_DEPTH
from engine.render.shading import median_depth


def fog(near, far, density, stride):
    """Steps through even fog: middles, extents and optical depths, the outer ones cut off."""
    edges = torch.arange(0.0, 1.0 + stride, stride, dtype=torch.float64)
    inside = (edges[1:].clamp(max=far) - edges[:-1].clamp(min=near)).clamp_min(0)
    kept = inside > 0
    middles = (torch.maximum(edges[:-1], torch.tensor(near))
               + torch.minimum(edges[1:], torch.tensor(far))) / 2  # fmt: skip
    return middles[kept], inside[kept], inside[kept] * density


@pytest.mark.parametrize("stride", [0.0025, 0.01, 0.083, 1.0])
@pytest.mark.parametrize("density", [0.7, 20.0, 900.0])
def test_depth_does_not_depend_on_the_steps(density, stride):
    near, far = 0.2, 0.9
    t, extent, optical = fog(near, far, density, stride)
    ray = torch.zeros(len(t), dtype=torch.int64)
    alpha = 1 - torch.exp(-optical.sum())[None]
    found = median_depth(t, extent, optical, depth_in_front(optical, ray), ray, alpha)
    expected = near - math.log(1 - float(alpha) / 2) / density
    assert float(found) == pytest.approx(expected, abs=1e-5)


def test_every_ray_has_its_own_depth_and_clear_ones_have_none():
    t = torch.tensor([1.0, 2.0, 3.0, 5.0, 6.0, 7.0])
    optical = torch.tensor([0.0, 50.0, 50.0, 1e-4, 0.0, 1.0])
    ray = torch.tensor([0, 0, 0, 2, 3, 3])
    alpha = 1 - torch.exp(-torch.zeros(4).index_add_(0, ray, optical))
    found = median_depth(t, torch.ones(6), optical, depth_in_front(optical, ray), ray, alpha)
    assert float(found[0]) == pytest.approx(1.5 + math.log(2) / 50, abs=1e-5)
    assert found[1] == EMPTY_DEPTH  # no steps
    assert found[2] == EMPTY_DEPTH  # next to nothing
    assert 6.5 < found[3] < 7.5
