# SPDX-License-Identifier: GPL-3.0-or-later
"""The outline's share of the fit: distances, what is asked of the skull, and its gradient."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from engine.capture.crop import Crop
from engine.capture.outline import MASK_SIZE, SIZE, Outlines, OutlineTerms, outside_distance
from engine.capture.priors import Priors
from engine.capture.unknowns import PLACE, RIGID

SIDE = 480  # px of the clip


def disc(radius):
    mask = np.zeros((MASK_SIZE, MASK_SIZE), np.float32)
    cv2.circle(mask, (MASK_SIZE // 2, MASK_SIZE // 2), radius, 1.0, -1)
    return mask


def test_distance_is_signed_and_in_its_own_pixels():
    distance = outside_distance(disc(60), MASK_SIZE // 2)
    middle = MASK_SIZE // 4
    assert distance[middle, middle] == pytest.approx(-30, abs=1)
    assert distance[middle, middle + 50] == pytest.approx(20, abs=1)
    assert abs(distance[middle, middle + 30]) < 1


@pytest.mark.parametrize("mask", [np.zeros((32, 32)), np.ones((32, 32))])
def test_a_mask_without_an_edge_says_nothing(mask):
    assert (outside_distance(mask) == 0).all()


def in_double(thing):
    """A dataclass with its tensors in float64."""
    tensors = {name: value for name, value in vars(thing).items() if torch.is_tensor(value)}
    return replace(thing, **{n: t.double() for n, t in tensors.items() if t.is_floating_point()})


@pytest.fixture(scope="module")
def scene(landmark_scene, generic_model):
    """Frames of a head in the middle of the picture, and terms for masks by radius."""
    points, frames, subject = landmark_scene
    points = replace(points, slide=None)
    frames = replace(frames, place=torch.zeros_like(frames.place), jaw=0 * frames.jaw)
    centre = torch.tensor([SIDE / 2, SIDE / 2], dtype=torch.float64)

    def terms(radius):
        maps = np.stack([outside_distance(disc(radius))] * len(frames))
        outlines = Outlines(maps, Crop(0, 0, SIDE, SIZE))
        made = OutlineTerms.of(outlines, generic_model, points, centre, Priors())
        head = in_double(made.points.head)
        return replace(
            made, points=replace(made.points, head=replace(head, mean=in_double(head.mean)))
        )

    return terms, frames, subject


def test_a_mask_smaller_than_the_skull_costs_most(scene):
    terms, frames, subject = scene
    view = terms(60).points.view(frames, replace(subject, offset=torch.zeros(1)))
    reach = float((view.pixels - view.pixels.mean(1, keepdim=True)).norm(dim=-1).max())
    fitting = round(reach * MASK_SIZE / SIDE)
    small, right, large = (
        float(terms(round(share * fitting)).near(frames, subject).cost(frames, subject).mean())
        for share in (0.5, 1, 1.5)
    )
    assert small > 2 * right
    assert large > right  # the rim is drawn out to the edge


def test_the_gradient_is_the_cost_s(scene):
    terms, frames, subject = scene
    made = terms(50).near(frames, subject)  # the skull reaches beyond it everywhere
    rows, values = made.arrow_rows(frames, subject)
    gradient = (rows.transpose(1, 2) @ values[..., None])[..., 0]
    for column in range(PLACE.start, PLACE.stop):
        step = torch.zeros(len(frames), rows.shape[-1] - 1 - len(subject.beta), dtype=torch.float64)
        step[:, column] = 0.5
        ahead, behind = (made.cost(frames.moved(s * step), subject) for s in (1, -1))
        error = (2 * gradient[:, column] - (ahead - behind)).abs()
        assert float(error.max()) < 0.15 * float((ahead - behind).abs().max())


def test_the_pose_s_equations_are_those_of_the_arrow(scene):
    terms, frames, subject = scene
    made = terms(50).near(frames, subject)
    rows, values = made.arrow_rows(frames, subject)
    normal = made.normal(frames, subject)
    matrix = (rows.transpose(1, 2) @ rows)[:, RIGID, RIGID]
    gradient = (rows.transpose(1, 2) @ values[..., None])[:, RIGID, 0]
    torch.testing.assert_close(normal.matrix[:, RIGID, RIGID], matrix, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(normal.gradient[:, RIGID], gradient, rtol=1e-4, atol=1e-6)
    assert not normal.matrix[:, RIGID.stop :].any()  # a face that talks leaves the outline alone
    assert not normal.gradient[:, RIGID.stop :].any()
