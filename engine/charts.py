# SPDX-License-Identifier: GPL-3.0-or-later
"""Line charts as inline SVG; the page gives colours, `charts.css` the rest of their looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

STYLE = Path(__file__).with_name("charts.css")
WIDTH, HEIGHT = 480, 270
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 34, 34  # px around the plot


@dataclass(frozen=True)
class Line:
    """One curve."""

    name: str
    x: np.ndarray  # [N]
    y: np.ndarray  # [N]


def line_chart(
    title: str,
    lines: Sequence[Line],
    x_title: str,
    *,
    logarithmic: bool = False,
    smooth: bool = True,
    floor: float | None = None,
) -> str:
    """An SVG element.

    Args:
        title: what y is, with its unit.
        lines: the curves; the first stands out.
        x_title: what x is.
        logarithmic: a logarithmic y axis.
        smooth: draw the curve faintly and its running mean over it.
        floor: y starts no higher than here.
    """
    lines = [Line(line.name, *finite(line, logarithmic)) for line in lines]
    lines = [line for line in lines if len(line.x)]
    if not lines:
        return ""
    every_x, every_y = (np.concatenate([getattr(line, a) for line in lines]) for a in "xy")
    low, high = np.quantile(every_y, [0.005, 0.995]) if smooth else (every_y.min(), every_y.max())
    low = low if floor is None else min(low, floor)
    y_ticks = log_ticks(low, high) if logarithmic else ticks(low, high)
    low, high = min(low, y_ticks[0]), max(high, y_ticks[-1])
    x_low, x_high = float(every_x.min()), float(max(every_x.max(), every_x.min() + 1))

    def across(x: np.ndarray) -> np.ndarray:
        return LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def up(y: np.ndarray) -> np.ndarray:
        y, a, b = (np.log10(v) if logarithmic else v for v in (np.clip(y, low, high), low, high))
        return HEIGHT - BOTTOM - (y - a) / max(b - a, 1e-12) * (HEIGHT - TOP - BOTTOM)

    marks = [f'<text class="title" x="0" y="14">{escape(title)}</text>']
    for tick in y_ticks:
        y = up(np.float64(tick))
        marks.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        marks.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in ticks(x_low, x_high):
        if x_low <= tick <= x_high:
            x = across(np.float64(tick))
            label = f'<text x="{x:.1f}" y="{HEIGHT - 14}" text-anchor="middle">{tick:g}</text>'
            marks.append(label)
    marks.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT}" text-anchor="end">{escape(x_title)}</text>'
    )
    for number, line in reversed(list(enumerate(lines))):
        if smooth:
            marks.append(f'<path class="raw s{number}" d="{path(across(line.x), up(line.y))}"/>')
        shown = running_mean(line.y, logarithmic) if smooth else line.y
        marks.append(f'<path class="line s{number}" d="{path(across(line.x), up(shown))}"/>')
    x = WIDTH - RIGHT
    for number, line in reversed(list(enumerate(lines))):
        text = (
            f'<text class="s{number}" x="{x}" y="14" text-anchor="end">{escape(line.name)}</text>'
        )
        marks.append(text)
        x -= 7.2 * len(line.name) + 16
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(marks)}</svg>'


def finite(line: Line, positive: bool) -> tuple[np.ndarray, np.ndarray]:
    """The points of a line that can be drawn."""
    x, y = np.asarray(line.x, float), np.asarray(line.y, float)
    drawn = np.isfinite(x) & np.isfinite(y) & ((y > 0) | (not positive))
    return x[drawn], y[drawn]


def running_mean(y: np.ndarray, geometric: bool) -> np.ndarray:
    """The mean over a window of a twentieth of the curve, of the logarithms where `geometric`."""
    values = np.log(y) if geometric else y
    reach = len(y) // 40
    total = np.concatenate([[0.0], np.cumsum(values)])
    first = np.maximum(np.arange(len(y)) - reach, 0)
    last = np.minimum(np.arange(len(y)) + reach + 1, len(y))
    mean = (total[last] - total[first]) / (last - first)
    return np.exp(mean) if geometric else mean


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that cover the range."""
    span = max(high - low, 1e-9)
    power = 10.0 ** np.floor(np.log10(span / count))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if span / (s * power) <= count)
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    return [round(float(i * step), 10) for i in np.arange(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten, with 2 and 5 between them, that cover the range."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    every = [m * 10.0**e for e in range(first, last + 1) for m in (1, 2, 5)]
    below = [tick for tick in every if tick <= low * 1.0001]
    above = [tick for tick in every if tick >= high * 0.9999]
    return [tick for tick in every if below[-1] <= tick <= above[0]]


def path(x: np.ndarray, y: np.ndarray) -> str:
    """SVG path data through the points, thinned to what a screen shows."""
    keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), 400)).round().astype(int))
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x[keep], y[keep], strict=True))
