# SPDX-License-Identifier: GPL-3.0-or-later
"""What floats before the skin costs something, and what lies on it, in it, or is hair does not."""

from dataclasses import replace

import pytest
import torch

from engine.avatar.deformation import Deformed
from engine.avatar.model import Avatar
from engine.head.model import REGIONS
from engine.head.skinning import canonical_vertices
from engine.kernels.compositing import composite
from engine.render.sampling import Samples
from engine.train.floating import HAIR, SKIN, floating_heights, heights_at
from engine.train.losses import losses
from engine.train.settings import preset

CPU = torch.device("cpu")
COUNT = torch.tensor([2], dtype=torch.int32)  # one ray: haze, and the skin behind it
START = torch.tensor([0], dtype=torch.int32)


@pytest.fixture(scope="module")
def avatar(trained_avatar):
    return Avatar.load(trained_avatar, CPU)


def test_heights_are_those_above_face_and_hair(avatar):
    """Points straight above the nose's tip, the top of the head, the throat and the nape."""
    heights, vertices = floating_heights(avatar), canonical_vertices(avatar.skin)
    tip, top = vertices[int(vertices[:, 2].argmax())], vertices[int(vertices[:, 1].argmax())]
    used = avatar.skin_rows
    neck = vertices[torch.from_numpy(avatar.head.vertex_region[used] == REGIONS.index("neck"))]
    low = neck[:, 1].min() + 0.02  # far from the chin
    middle = neck[(neck[:, 0].abs() < 0.01) & ((neck[:, 1] - low).abs() < 0.01)]
    throat, nape = middle[int(middle[:, 2].argmax())], middle[int(middle[:, 2].argmin())]

    def height(place, along, metres):
        point = place + metres * torch.tensor(along)
        return float(heights_at(heights, avatar.unit(point[None]))[0])

    forwards, upwards = [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]
    cell = avatar.size / avatar.occupancy.cells
    for metres in (0.015, 0.03):
        assert height(tip, forwards, metres) == pytest.approx(metres - SKIN, abs=0.5 * cell)
    for metres in (-0.01, 0.0):
        assert height(tip, forwards, metres) < 0.5 * cell
    assert height(top, upwards, HAIR - cell) == 0
    assert height(top, upwards, HAIR + 0.01) == pytest.approx(0.01, abs=0.5 * cell)
    assert height(throat, forwards, SKIN + 0.01) == pytest.approx(0.01, abs=0.5 * cell)
    assert height(nape, [0.0, 0.0, -1.0], HAIR - cell) == 0


def test_heights_are_interpolated_between_the_cells_centres():
    heights = torch.rand(4, 4, 4, generator=torch.Generator().manual_seed(0))
    centre = (torch.tensor([[1.0, 2, 3], [2, 2, 3]]) + 0.5) / 4
    torch.testing.assert_close(heights_at(heights, centre), heights[[1, 2], 2, 3])
    between = heights_at(heights, centre.mean(0, keepdim=True))
    torch.testing.assert_close(between[0], heights[[1, 2], 2, 3].mean())
    torch.testing.assert_close(
        heights_at(heights, torch.tensor([[2.0, -1, 2]]))[0], heights[3, 0, 3]
    )
    assert heights_at(heights, torch.zeros(0, 3)).shape == (0,)


def pull_on_haze(height, weight):
    """The loss's slope along the haze's optical depth, where haze and skin have one colour."""
    settings = replace(preset("draft", "partnerface"), loss_float=weight)
    optical = torch.tensor([0.3, 40.0], requires_grad=True)
    values = torch.tensor([[0.6, 0.6, 0.6, height], [0.6, 0.6, 0.6, 0.0]])
    seen, alpha, weights = composite(optical, values, START, COUNT)
    nothing = torch.zeros(2, 8)
    samples = Samples(
        ray_index=torch.zeros(2, dtype=torch.int32), t=torch.ones(2), length=torch.ones(2),
        frame=torch.zeros(2, dtype=torch.int32), x_canonical=torch.zeros(2, 3),
        view=torch.zeros(2, 3), surface_part=nothing, ray_start=START, ray_count=COUNT,
    )  # fmt: skip
    deformed = Deformed(torch.zeros(2, 3), torch.zeros(2, 2), nothing, nothing)
    target = torch.tensor([[0.6, 0.6, 0.6, 1.0]])
    zero = torch.zeros(())
    loss = losses(
        settings, seen[:, :3], alpha, weights, target, torch.zeros(1, 3), samples, deformed,
        zero, zero, zero, seen[:, 3], stage_two=True,
    )  # fmt: skip
    return float(torch.autograd.grad(loss.total, optical)[0][0])


def test_haze_before_the_skin_is_pulled_down():
    assert pull_on_haze(0.02, 1.0) > 1e-3
    assert pull_on_haze(0.02, 1.0) == pytest.approx(2 * pull_on_haze(0.01, 1.0), rel=1e-3)
    assert pull_on_haze(0.02, 1.0) == pytest.approx(2 * pull_on_haze(0.02, 0.5), rel=1e-3)


@pytest.mark.parametrize(("height", "weight"), [(0.02, 0.0), (0.0, 1.0)])
def test_what_does_not_float_is_left_alone(height, weight):
    assert abs(pull_on_haze(height, weight)) < 1e-6
