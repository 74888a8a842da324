# SPDX-License-Identifier: GPL-3.0-or-later
"""The ablation's cells as Markdown tables, and the page between whose marks they stand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.files import write_text_atomic

BEGIN, END = "<!-- ablation: begin -->", "<!-- ablation: end -->"
SYNTHETIC = "synthetic-"  # how a synthetic subject's name begins
FIRST = "partnerface"  # the method that the others are held against

# title → (figure of `eval`, digits)
COLUMNS = {
    "full": ("psnr", 2),
    "head": ("psnr_head", 2),
    "moving": ("psnr_moving", 2),
    "mouth": ("psnr_mouth", 2),
    "eyes": ("psnr_eyes", 2),
    "brows": ("psnr_brows", 2),
    "cheeks": ("psnr_cheeks", 2),
    "SSIM": ("ssim", 3),
    "FLIP": ("flip", 4),
    "depth, mm": ("depth_mm", 2),
    "normal, °": ("normal_deg", 1),
}


@dataclass(frozen=True)
class Cell:
    """One method on one subject from one seed: what its result.json holds."""

    subject: str
    method: str
    seed: int
    result: Mapping

    @property
    def synthetic(self) -> bool:
        """Whether the subject's true surface is known."""
        return self.subject.startswith(SYNTHETIC)


@dataclass(frozen=True)
class Row:
    """One line of a table: a method, with or without optimised latents, in all its cells."""

    name: str
    method: str
    cells: tuple[Cell, ...]
    figures: str  # entry of the result that holds the means

    def over_seeds(self, value: Callable[[Cell], float]) -> np.ndarray:
        """The mean over subjects from each seed that has every subject: [seeds]."""
        subjects = {cell.subject for cell in self.cells}
        seeds = sorted({cell.seed for cell in self.cells})
        per_seed = [[value(c) for c in self.cells if c.seed == seed] for seed in seeds]
        return np.array([np.mean(v) for v in per_seed if len(v) == len(subjects)])

    def figure(self, name: str) -> np.ndarray:
        """A figure of `eval` over seeds; empty where it was not measured."""
        if not all(name in cell.result[self.figures] for cell in self.cells):
            return np.empty(0)
        return self.over_seeds(lambda cell: cell.result[self.figures][name])


def rows_of(cells: Sequence[Cell]) -> list[Row]:
    """The rows of a table over these cells, methods in their order, then optimised latents."""
    methods = dict.fromkeys(cell.method for cell in cells)
    subjects = {cell.subject for cell in cells}
    rows = []
    for method in methods:
        mine = tuple(cell for cell in cells if cell.method == method)
        if {cell.subject for cell in mine} == subjects:
            rows.append(Row(method, method, mine, "eval"))
    for row in list(rows):
        if all("latents" in cell.result for cell in row.cells):
            steps = row.cells[0].result["latents"]["latents_optimised"]
            name = f"{row.name}, latents optimised ({steps})"
            rows.append(Row(name, row.method, row.cells, "latents"))
    return rows


def table(cells: Sequence[Cell]) -> str:
    """A Markdown table: the mean over the cells' subjects ± the deviation over seeds."""
    rows = rows_of(cells)
    columns = {
        title: named for title, named in COLUMNS.items()
        if any(len(row.figure(named[0])) for row in rows)
    }  # fmt: skip
    last = ("gain", "deformation", "parameters", "seconds", "seeds")
    lines = [
        "| method | " + " | ".join([*columns, *last]) + " |",
        "|---" * (1 + len(columns) + len(last)) + "|",
    ]
    for row in rows:
        first = next((r for r in rows if r.method == FIRST and r.figures == row.figures), None)
        entries = [spread(row.figure(name), digits) for name, digits in columns.values()]
        entries.append(gain(row, first))
        for name in ("deformation", "parameters"):
            entries.append(f"{row.cells[0].result[name]:,}")
        entries.append(f"{row.over_seeds(lambda cell: cell.result['train']['seconds']).mean():.0f}")
        entries.append(str(len(row.figure("psnr"))))
        lines.append(f"| {row.name} | " + " | ".join(entries) + " |")
    return "\n".join(lines)


def spread(values: np.ndarray, digits: int) -> str:
    """Mean ± standard deviation; the mean alone of one seed, nothing of none."""
    if not len(values):
        return ""
    mean = f"{values.mean():.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {values.std(ddof=1):.{digits}f}"


def gain(row: Row, first: Row | None) -> str:
    """What the first method, measured alike, has over this row in the moving regions, dB ± error.

    Subjects and seeds are compared with themselves; the error is the standard one of their mean,
    so that it tells an ablation's loss from luck. A single pair has none.
    """
    if first is None or row.method == FIRST:
        return ""
    theirs = {(cell.subject, cell.seed): cell for cell in first.cells}
    differences = np.array([
        theirs[cell.subject, cell.seed].result[row.figures]["psnr_moving"]
        - cell.result[row.figures]["psnr_moving"]
        for cell in row.cells if (cell.subject, cell.seed) in theirs
    ])  # fmt: skip
    if not len(differences):
        return ""
    if len(differences) == 1:
        return f"{differences[0]:+.2f}"
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    return f"{differences.mean():+.2f} ± {error:.2f}"


def page_text(cells: Sequence[Cell], budget: Mapping) -> str:
    """All tables, with the budget that every cell had."""
    told = " / ".join(
        sorted({"{steps} steps of {samples} samples".format(**c.result["budget"]) for c in cells})
    )
    size = budget["size"]
    parts = [f"Preset `{budget['preset']}`, {size} × {size} px; each training: {told}."]
    groups = {
        "Synthetic subjects, unseen stronger expressions": [c for c in cells if c.synthetic],
        "Clips, held-out frames": [c for c in cells if not c.synthetic],
    }
    for title, group in groups.items():
        names = list(dict.fromkeys(cell.subject for cell in group))
        if group:
            parts += [f"### {title}", f"Mean over {', '.join(names)}.", table(group)]
    for name in dict.fromkeys(cell.subject for cell in cells):
        parts += [f"### {name}", table([cell for cell in cells if cell.subject == name])]
    driven = [cell for cell in cells if "local_control" in cell.result]
    if own := [cell for cell in driven if cell.method == FIRST]:
        parts += ["### One part driven alone", control_table(own)]
    if driven:
        parts += ["### Expressions keyed for all parts", astray_table(driven)]
    return "\n\n".join(parts)


def control_table(cells: Sequence[Cell]) -> str:
    """Of the change that driving one part alone makes, the share inside that part, by subject."""
    subjects = list(dict.fromkeys(cell.subject for cell in cells))
    lines = ["| part | " + " | ".join(subjects) + " |", "|---" * (1 + len(subjects)) + "|"]
    for row, part in enumerate(cells[0].result["local_control"]):
        shares = [
            np.mean([c.result["local_control"][row]["share"] for c in cells if c.subject == name])
            for name in subjects
        ]
        lines.append(f"| {part['part']} | " + " | ".join(f"{100 * s:.1f} %" for s in shares) + " |")
    return "\n".join(lines)


def astray_table(cells: Sequence[Cell]) -> str:
    """Of the change that keyed expressions make, the share where they move nothing, in the mean."""
    subjects = list(dict.fromkeys(cell.subject for cell in cells))
    lines = ["| method | " + " | ".join(subjects) + " |", "|---" * (1 + len(subjects)) + "|"]
    for method in dict.fromkeys(cell.method for cell in cells):
        entries = []
        for name in subjects:
            mine = [c for c in cells if c.subject == name and c.method == method]
            shares = [part["astray"] for cell in mine for part in cell.result["local_control"]]
            entries.append(f"{100 * np.mean(shares):.1f} %" if shares else "")
        lines.append(f"| {method} | " + " | ".join(entries) + " |")
    return "\n".join(lines)


def write_page(path: Path, cells: Sequence[Cell], budget: Mapping) -> None:
    """Replace what stands between the marks of the page.

    Raises:
        InputError: the page is missing, or has no marks.
        SpaceError: it could not be written.
    """
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(
            f"{path} has no place for tables.",
            f"Write {BEGIN} and {END} into it, or choose another.",
        )
    write_text_atomic(path, f"{before}{BEGIN}\n\n{page_text(cells, budget)}\n\n{END}{after}")
