# SPDX-License-Identifier: GPL-3.0-or-later
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from engine.charts import (
    HEIGHT,
    LEFT,
    RIGHT,
    WIDTH,
    Line,
    line_chart,
    log_ticks,
    running_mean,
    ticks,
)


def drawn(svg, kind):
    """The points of the paths of a class, [N, 2] px each."""
    root = ElementTree.fromstring(svg)
    paths = [e for e in root.iter("path") if kind in e.get("class").split()]
    return [np.array([p.split() for p in e.get("d")[1:].split("L")], float) for e in paths]


def test_a_line_runs_from_edge_to_edge_and_up():
    svg = line_chart("PSNR, dB", [Line("a", np.arange(10), np.arange(10.0))], "step", smooth=False)
    (points,) = drawn(svg, "line")
    assert points[0, 0] == LEFT
    assert points[-1, 0] == WIDTH - RIGHT
    assert (np.diff(points[:, 1]) < 0).all()  # y counts downwards
    assert ((points >= 0) & (points <= (WIDTH, HEIGHT))).all()
    assert len(points) == 10


def test_logarithmic_decades_are_equally_far():
    line = Line("loss", np.arange(3), np.array([1.0, 0.1, 0.01]))
    (points,) = drawn(line_chart("Loss", [line], "step", logarithmic=True, smooth=False), "line")
    steps = np.diff(points[:, 1])
    assert steps[0] == pytest.approx(steps[1], abs=0.2)
    assert steps[0] > 0


def test_odd_values_are_left_out_and_nothing_gives_nothing():
    line = Line("a", np.arange(4), np.array([1.0, np.nan, np.inf, 2.0]))
    (points,) = drawn(line_chart("y", [line], "x", smooth=False), "line")
    assert len(points) == 2
    assert line_chart("y", [Line("a", np.zeros(0), np.zeros(0))], "x") == ""
    assert "<path" in line_chart("y", [Line("a", np.zeros(1), np.ones(1))], "x")


def test_names_are_escaped():
    svg = line_chart("<b>", [Line("a & b", np.arange(3), np.arange(3.0))], "x")
    assert "&lt;b&gt;" in svg
    assert "a &amp; b" in svg


@pytest.mark.parametrize(("low", "high"), [(0, 1), (12.9, 27.3), (0.02, 0.021), (-5, 900), (3, 3)])
def test_ticks_are_few_and_cover(low, high):
    found = ticks(low, high)
    assert found[0] <= low + 1e-9
    assert found[-1] >= high - 1e-9
    assert 2 <= len(found) <= 8 or low == high


def test_log_ticks_cover():
    found = log_ticks(0.03, 0.8)
    assert found[0] == pytest.approx(0.02)
    assert found[-1] == pytest.approx(1)


def test_running_mean_keeps_a_constant():
    assert np.allclose(running_mean(np.full(100, 0.3), True), 0.3)
    assert running_mean(np.arange(100.0), False)[50] == pytest.approx(50)
