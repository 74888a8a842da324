# SPDX-License-Identifier: GPL-3.0-or-later
"""View transforms run backwards: forwards again, the colours are the video's."""

import numpy as np
import pytest

from engine.errors import InputError
from engine.render.colour import linear_from_srgb, scene_linear
from engine.render.looks import Look, interpolate, look_up, make_table

MIX = np.array([[0.85, 0.1, 0.05], [0.08, 0.86, 0.06], [0.07, 0.1, 0.83]])  # rows sum to 1


def filmic(linear):
    """A view transform like AgX: channels mixed, a curve with a shoulder, some mixed back."""
    mixed = linear @ MIX.T
    curved = (mixed / (mixed + 0.25)) ** (1 / 1.8)
    return curved / (8 / 8.25) ** (1 / 1.8)


@pytest.fixture(scope="module")
def lattice():
    axis = 0.005 * (2 ** (np.log2(8 / 0.005 + 1) * np.linspace(0, 1, 33)) - 1)
    colours = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    return axis, filmic(colours).clip(0, 1)


@pytest.fixture(scope="module")
def table(lattice):
    return make_table(*lattice)


def test_slopes_are_those_of_the_values(lattice):
    _, shown = lattice
    address = np.random.default_rng(0).uniform(0.1, 31.9, (200, 3))
    address += np.where(np.abs(address - address.round()) < 1e-3, 0.01, 0)  # not across a node
    _, slope = interpolate(shown, address)
    for axis in range(3):
        ahead, back = address.copy(), address.copy()
        ahead[:, axis] += 1e-4
        back[:, axis] -= 1e-4
        brute = (interpolate(shown, ahead)[0] - interpolate(shown, back)[0]) / 2e-4
        assert slope[:, :, axis] == pytest.approx(brute, abs=1e-6)


def test_there_and_back_again(table):
    # From colours that the view transform can show, but not its very white.
    light = 2.0 ** np.random.default_rng(1).uniform(-7, 2, (2000, 1))
    tint = np.random.default_rng(2).uniform(0.4, 1.0, (2000, 3))
    wanted = filmic(light * tint)
    found = filmic(look_up(table, wanted.astype(np.float32)).astype(np.float64))
    assert np.abs(found - wanted).max() < 0.02
    assert np.abs(found - wanted).mean() < 0.002


def test_what_cannot_be_shown_becomes_something_near(table):
    red = look_up(table, np.array([[1.0, 0.0, 0.0]], np.float32))
    assert np.isfinite(red).all()
    assert red.min() >= 0
    shown = filmic(red.astype(np.float64))[0]
    others = filmic(np.random.default_rng(3).uniform(0, 8, (5000, 3)))
    assert ((shown - [1, 0, 0]) ** 2).sum() < ((others - [1, 0, 0]) ** 2).sum(1).min() + 0.01


def test_grey_rises_and_black_is_black(table):
    greys = look_up(table, np.linspace(0, 1, 200, dtype=np.float32)[:, None].repeat(3, 1))
    assert greys[0] == pytest.approx(0, abs=1e-4)
    assert (np.diff(greys.mean(1)) > 0).all()


def test_without_a_table_only_exposure_and_gamma_count():
    colours = np.random.default_rng(4).random((50, 3)).astype(np.float32)
    linear = Look(None, exposure=1.5, gamma=1.4)(colours)
    seen = linear * 2**1.5
    srgb = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen.clip(1e-9) ** (1 / 2.4) - 0.055)
    assert srgb ** (1 / 1.4) == pytest.approx(colours, abs=1e-4)


def test_a_look_is_that_of_the_straight_colour(table):
    look, alpha = Look(table), np.array([[1.0, 0.3, 0.0]], np.float32)
    straight = np.array([0.7, 0.5, 0.4], np.float32)
    result = scene_linear(straight * alpha[..., None], alpha, look)
    assert result[0, 1, :3] == pytest.approx(look(straight[None])[0] * 0.3, rel=1e-3)
    assert not result[0, 2].any()
    plain = scene_linear(straight * alpha[..., None], alpha)
    assert plain[0, 0, :3] == pytest.approx(linear_from_srgb(straight), rel=1e-5)


@pytest.mark.parametrize("what", ["flat", "falling axis", "wrong shape", "nan"])
def test_odd_view_transforms_are_refused(lattice, what):
    axis, shown = (array.copy() for array in lattice)
    if what == "flat":
        shown[:] = 0.5
    elif what == "falling axis":
        axis[5] = axis[4]
    elif what == "wrong shape":
        shown = shown[:-1]
    else:
        shown[3, 3, 3, 0] = np.nan
    with pytest.raises(InputError, match="backwards"):
        make_table(axis, shown)
