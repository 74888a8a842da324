# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from engine.render.colour import linear_from_srgb, scene_linear


def test_known_values_of_the_transfer_function():
    """IEC 61966-2-1: the ends, the joint of the two branches, and middle grey."""
    srgb = np.array([0.0, 0.04045, 0.5, 1.0])
    assert linear_from_srgb(srgb) == pytest.approx([0.0, 0.0031308, 0.2140411, 1.0], abs=1e-6)


def test_the_inverse_brings_the_colours_back():
    srgb = np.linspace(0, 1, 1001)
    linear = linear_from_srgb(srgb)
    back = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert back == pytest.approx(srgb, abs=2e-6)
    assert (np.diff(linear) > 0).all()


def test_soft_edges_keep_their_colour():
    """The straight colour of a pixel is the same at every alpha."""
    straight = np.array([0.8, 0.4, 0.1])
    alpha = np.array([[1.0, 0.5, 0.01]], np.float32)
    result = scene_linear(straight * alpha[..., None], alpha)
    assert result.dtype == np.float32
    assert result[..., 3] == pytest.approx(alpha)
    assert result[..., :3] / alpha[..., None] == pytest.approx(
        np.broadcast_to(linear_from_srgb(straight), (1, 3, 3)), rel=1e-5
    )


def test_empty_pixels_are_nothing_and_finite():
    colour = np.full((2, 2, 3), 1e-9, np.float32)
    result = scene_linear(colour, np.zeros((2, 2), np.float32))
    assert (result == 0).all()


def test_rounding_above_one_is_cut():
    result = scene_linear(np.full((1, 1, 3), 0.5001, np.float32), np.full((1, 1), 0.5, np.float32))
    assert result[0, 0] == pytest.approx(0.5)
