# SPDX-License-Identifier: GPL-3.0-or-later
"""How the error grows with the expression: one small chart for each method, all on one scale."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from engine.errors import InputError

from .ablation_tables import FIRST, Cell

COLUMNS = 4
BINS = 6  # of equally many frames
OURS, THEIRS, LIMIT = "#c8452f", "#2f4b66", "#8a8f94"


def draw(path: Path, cells: Sequence[Cell]) -> None:
    """Write the picture: rms error in the moving regions against expression strength.

    Every dot is a frame; the lines are means of equally many frames. Some people are harder than
    others whatever they do: each one's mean error over all methods is moved to the mean of all, or
    the lines would tell who was in which bin. Synthetic subjects where there are any, else all.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise InputError(
            "The plot needs matplotlib.", "Install the extra `capture`, or leave --plot out (None)."
        ) from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    cells = [cell for cell in cells if cell.synthetic] or list(cells)
    shift = levels(cells)
    methods = dict.fromkeys(cell.method for cell in cells if cell.method != FIRST) or (FIRST,)
    panels = {method: curves(cells, method, shift) for method in methods}
    rows = -(-len(panels) // COLUMNS)
    columns = min(COLUMNS, len(panels))
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(2.9 * columns + 0.4, 2.5 * rows + 0.5), dpi=130,
        sharex=True, sharey=True, squeeze=False, layout="constrained",
    )  # fmt: skip
    limit = float(np.mean([cell.result["training_strength"] for cell in cells]))
    for n, (place, (method, pair)) in enumerate(zip(axes.flat, panels.items(), strict=False)):
        place.axvline(limit, color=LIMIT, linewidth=0.8, linestyle=(0, (4, 3)))
        for (strength, error), colour in zip(pair, (THEIRS, OURS), strict=True):
            if len(strength):
                place.plot(strength, error, ".", color=colour, alpha=0.25, markersize=3)
                place.plot(*binned(strength, error), color=colour, linewidth=1.8)
        place.set_title(method, fontsize=10, color=THEIRS, fontweight="bold")
        place.spines[["top", "right"]].set_visible(False)
        lowest = n + columns >= len(panels)  # of its column
        place.tick_params(labelsize=8, labelbottom=lowest)
        place.grid(axis="y", color="#e4e6e8", linewidth=0.6)
        place.set_axisbelow(True)
    for place in axes.flat[len(panels) :]:
        place.set_visible(False)
    every = np.concatenate([error for pair in panels.values() for _, error in pair])
    axes[0, 0].set_ylim(0, 1.05 * np.quantile(every, 0.995))
    label(figure, axes, limit)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    pyplot.close(figure)


def label(figure: object, axes: np.ndarray, limit: float) -> None:
    """Say once what axes, colours and the dashed line are."""
    figure.supxlabel("expression strength: rms of psi + jaw angle, rad", fontsize=9)
    figure.supylabel("rms error, mouth + eyes + brows", fontsize=9)
    first = axes[0, 0]
    first.text(limit, 0.98, " beyond the\n training", transform=first.get_xaxis_transform(),
               va="top", fontsize=7, color=LIMIT)  # fmt: skip
    figure.suptitle(f"red: {FIRST}     blue: the method named above the chart", fontsize=9)


def curves(
    cells: Sequence[Cell], method: str, shift: Mapping[str, float]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """`frames` of a method, and of the first method on the same subjects from the same seeds."""
    theirs = [cell for cell in cells if cell.method == method]
    same = {(cell.subject, cell.seed) for cell in theirs}
    ours = [c for c in cells if c.method == FIRST and (c.subject, c.seed) in same]
    return [frames(chosen, shift) for chosen in (theirs, ours)]


def levels(cells: Sequence[Cell]) -> dict[str, float]:
    """What is to be added to each subject's errors, so that all subjects' means are the same."""
    none = dict.fromkeys((cell.subject for cell in cells), 0.0)
    means = {
        subject: frames([cell for cell in cells if cell.subject == subject], none)[1].mean()
        for subject in none
    }
    return {subject: np.mean(list(means.values())) - mean for subject, mean in means.items()}


def frames(cells: Sequence[Cell], shift: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Expression strength and shifted rms error [N] of every test frame of some cells."""
    found = [
        (frame["strength"], 10 ** (-frame["psnr_moving"] / 20) + shift[cell.subject])
        for cell in cells for frame in cell.result["frames"] if "psnr_moving" in frame
    ]  # fmt: skip
    strength, error = np.array(found).reshape(-1, 2).T
    return strength, error


def binned(strength: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means [B] of both over `BINS` groups of about equally many frames, by strength."""
    groups = np.array_split(np.argsort(strength), min(BINS, len(strength)))
    return tuple(np.array([v[group].mean() for group in groups]) for v in (strength, error))
