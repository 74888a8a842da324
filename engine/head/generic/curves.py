# SPDX-License-Identifier: GPL-3.0-or-later
"""Smooth curves and falloffs that the generic head is drawn with."""

import numpy as np


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, with zero slope at both ends; `low` may exceed `high`."""
    u = np.clip((np.asarray(x, float) - low) / (high - low), 0, 1)
    return u * u * (3 - 2 * u)


def smooth_max(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """The larger of two heights, rounded where they differ by less than `width`."""
    overlap = np.clip(1 - np.abs(a - b) / width, 0, 1)
    return np.maximum(a, b) + overlap**2 * width / 4


def curve(x: np.ndarray, knots: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A monotone cubic (Fritsch-Carlson) through the knots, constant beyond their ends.

    Args:
        x: places to evaluate, any shape.
        knots: [K], increasing.
        values: [K].
    """
    knots, values = np.asarray(knots, float), np.asarray(values, float)
    step, slope = np.diff(knots), np.diff(values) / np.diff(knots)
    before, after = slope[:-1], slope[1:]
    w1, w2 = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (w1 + w2) / (w1 / before + w2 / after)
    inner = np.where(before * after > 0, mean, 0)
    tangent = np.concatenate([slope[:1], inner, slope[-1:]])
    x = np.clip(x, knots[0], knots[-1])
    i = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, len(step) - 1)
    h = step[i]
    u = (x - knots[i]) / h
    return (
        values[i] * (1 + 2 * u) * (1 - u) ** 2
        + h * tangent[i] * u * (1 - u) ** 2
        + values[i + 1] * u * u * (3 - 2 * u)
        + h * tangent[i + 1] * u * u * (u - 1)
    )


def gauss(points: np.ndarray, centre: tuple, radius: tuple) -> np.ndarray:
    """exp(-½ d²) with d the distance from the centre in radii: [N, 3] → [N]."""
    return np.exp(-0.5 * (((points - np.asarray(centre)) / np.asarray(radius)) ** 2).sum(-1))
