# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's own charts as inline SVG: timeline, views, histograms, ranges.

Colours come from the page's style sheet. Line charts are `engine.charts`'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from ...charts import HEIGHT, LEFT, WIDTH, ticks

BINS = 30
SMALL_WIDTH, SMALL_HEIGHT = 300, 150
ROW = 19  # px


@dataclass(frozen=True)
class Wanted:
    """What training wants a quantity to reach: at least `high`, at most `low`."""

    low: float | None = None
    high: float | None = None


def timeline(runs: Mapping[str, Sequence[Sequence[int]]], names: Mapping[str, str]) -> str:
    """One column per frame of the clip, coloured by what became of it.

    Args:
        runs: mark → runs [first, last] of frame numbers, both included.
        names: mark → what it is called, in the order of the legend.
    """
    every = [run for found in runs.values() for run in found]
    if not every:
        return ""
    first, last = min(run[0] for run in every), max(run[1] for run in every)
    scale = 1000 / max(last - first + 1, 1)
    marks = []
    for number, mark in enumerate(names):
        for a, b in runs.get(mark, ()):
            marks.append(f'<rect class="m{number}" x="{(a - first) * scale:.2f}" y="0" '
                         f'width="{max((b - a + 1) * scale, 0.8):.2f}" height="38"/>')  # fmt: skip
    for tick in ticks(first, last, 10):
        if first <= tick <= last and tick == int(tick):
            marks.append(f'<text x="{(tick - first) * scale:.1f}" y="54">{int(tick)}</text>')
    counts = {mark: sum(b - a + 1 for a, b in runs.get(mark, ())) for mark in names}
    legend = "".join(
        f'<span><i class="m{number}"></i>{escape(name)} {counts[mark]}</span>'
        for number, (mark, name) in enumerate(names.items())
        if counts[mark]
    )
    return (f'<svg viewBox="0 0 1000 58" role="img"><title>timeline</title>{"".join(marks)}</svg>'
            f'<div class="legend">{legend}</div>')  # fmt: skip


def views(yaw: np.ndarray, pitch: np.ndarray, side: float, up: float) -> str:
    """The views [N] in degrees as dots, and the box that they should reach over.

    To the right of the chart is a head turned to the subject's left: as the camera sees it.
    """
    reach = max(45.0, float(np.abs(yaw).max()) + 4), max(25.0, float(np.abs(pitch).max()) + 3)
    width, height = WIDTH, HEIGHT + 20

    def x(angle: float) -> float:
        return LEFT + (angle + reach[0]) / (2 * reach[0]) * (width - LEFT - 14)

    def y(angle: float) -> float:
        return 30 + (reach[1] - angle) / (2 * reach[1]) * (height - 30 - 38)

    marks = ['<text class="title" x="0" y="14">Views: turn and nod of the head, degrees</text>']
    marks.append(f'<rect class="wanted" x="{x(-side):.1f}" y="{y(up):.1f}" '
                 f'width="{x(side) - x(-side):.1f}" height="{y(-up) - y(up):.1f}"/>')  # fmt: skip
    for tick in ticks(-reach[0], reach[0], 8):
        if abs(tick) <= reach[0]:
            marks.append(
                f'<path class="grid" d="M{x(tick):.1f} 30V{height - 38}"/><text '
                f'x="{x(tick):.1f}" y="{height - 20}" text-anchor="middle">{tick:g}</text>'
            )
    for tick in ticks(-reach[1], reach[1], 5):
        if abs(tick) <= reach[1]:
            marks.append(
                f'<path class="grid" d="M{LEFT} {y(tick):.1f}H{width - 14}"/><text '
                f'x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
            )
    few = np.unique(np.linspace(0, len(yaw) - 1, min(len(yaw), 800)).round().astype(int))
    marks += [f'<circle class="dot" cx="{x(yaw[i]):.1f}" cy="{y(pitch[i]):.1f}" r="2.2"/>'
              for i in few]  # fmt: skip
    marks.append(f'<text x="{LEFT}" y="{height - 3}">your right</text><text x="{width - 14}" '
                 f'y="{height - 3}" text-anchor="end">your left</text>')  # fmt: skip
    return f'<svg viewBox="0 0 {width} {height}" role="img">{"".join(marks)}</svg>'


def histogram(title: str, values: np.ndarray, wanted: Wanted) -> str:
    """How often a quantity [N] had which value, and lines at what training wants it to reach."""
    values = values[np.isfinite(values)]
    if not len(values):
        return ""
    goals = [goal for goal in (wanted.low, wanted.high) if goal is not None]
    low, high = min([values.min(), *goals]), max([values.max(), *goals])
    pad = 0.04 * max(high - low, 1e-6)
    low, high = float(low - pad), float(high + pad)
    counts, edges = np.histogram(values, BINS, (low, high))
    tall = np.sqrt(counts / counts.max())  # rare ones must show
    width, height, base = SMALL_WIDTH, SMALL_HEIGHT, SMALL_HEIGHT - 22

    def x(value: float) -> float:
        return 4 + (value - low) / (high - low) * (width - 8)

    marks = [f'<text class="title" x="0" y="14">{escape(title)}</text>']
    for share, start, end in zip(tall, edges[:-1], edges[1:], strict=True):
        if share > 0:
            top = base - share * (base - 30)
            marks.append(
                f'<rect class="bar" x="{x(start) + 0.5:.1f}" y="{top:.1f}" '
                f'width="{x(end) - x(start) - 1:.1f}" height="{base - top:.1f}"/>'
            )
    marks.append(f'<path class="grid" d="M0 {base}H{width}"/>')
    for tick in ticks(low, high, 5):
        if low <= tick <= high:
            marks.append(f'<text x="{x(tick):.1f}" y="{height - 6}" text-anchor="middle">'
                         f"{tick:g}</text>")  # fmt: skip
    for goal in goals:
        marks.append(f'<path class="goal" d="M{x(goal):.1f} 24V{base}"/>')
    return f'<svg viewBox="0 0 {width} {height}" role="img">{"".join(marks)}</svg>'


def ranges(title: str, names: Sequence[str], values: np.ndarray, goal: float) -> str:
    """How far each expression went: a bar from little to much, faint where it fell short.

    Args:
        title: above the chart.
        names: of the expressions [E].
        values: [N, E] coefficients.
        goal: what each should reach.
    """
    most = np.quantile(values, 0.98, axis=0) if len(values) else np.zeros(len(names))
    usual = np.median(values, axis=0) if len(values) else np.zeros(len(names))
    end = max(1.0, float(most.max(initial=0)))
    left, width = 150, 340
    height = 26 + ROW * len(names) + 20

    def x(value: float) -> float:
        return left + float(np.clip(value, 0, end)) / end * (width - left - 6)

    marks = [f'<text class="title" x="0" y="14">{escape(title)}</text>']
    marks.append(f'<path class="goal" d="M{x(goal):.1f} 24V{height - 18}"/>')
    for row, name in enumerate(names):
        y, kind = 28 + ROW * row, "bar" if most[row] >= goal else "short"
        marks.append(f'<text x="{left - 8}" y="{y + 11}" text-anchor="end">{escape(name)}</text>'
                     f'<rect class="{kind}" x="{left}" y="{y + 3}" height="9" '
                     f'width="{max(x(most[row]) - left, 1):.1f}"/>'
                     f'<path class="tick" d="M{x(usual[row]):.1f} {y + 1}v13"/>')  # fmt: skip
    for tick in (0, 0.5, 1):
        marks.append(
            f'<text x="{x(tick):.1f}" y="{height - 4}" text-anchor="middle">{tick:g}</text>'
        )
    return f'<svg viewBox="0 0 {width} {height}" role="img">{"".join(marks)}</svg>'
