# SPDX-License-Identifier: GPL-3.0-or-later
"""The performance page: figures go between its markers, and nowhere else."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.performance import PAGE, filled, plot, shown, table, tables

FIGURES = {
    "machine": {"processor": "A", "cores": 2, "system": "S", "torch": "2", "threads": 2,
                "warp": "1", "python": "3"},
    "by_parts": [{"parts": p, "frame_s": 0.3 + p / 100, "step_s": 0.1} for p in (4, 32)],
    "by_resolution": [
        {"quality": "exact", "width": 128, "height": 128, "seconds": 0.5},
        {"quality": "preview", "width": 128, "height": 128, "seconds": 0.1},
        {"quality": "preview", "width": 1920, "height": 1080, "seconds": 4.25},
    ],
}  # fmt: skip


def test_tables_of_what_was_measured_alone():
    blocks = tables(FIGURES)
    assert set(blocks) == {"machine", "parts", "resolution"}
    assert "A, 2 cores" in blocks["machine"]
    assert "| 1920 × 1080 | – | 4.25 |" in blocks["resolution"]


def test_the_real_page_has_a_place_for_every_block():
    page = PAGE.read_text(encoding="utf-8")
    names = ("machine", "frames", "resolution", "stages", "training", "reference", "parts", "mesh",
             "many", "paper", "commits", "gpu")  # fmt: skip
    once = filled(page, dict.fromkeys(names, "a new block"))
    assert once.count("a new block") == len(names)
    assert filled(once, dict.fromkeys(names, "a new block")) == once
    assert once.split("<!-- machine -->")[0] == page.split("<!-- machine -->")[0]


def test_a_page_without_markers_is_refused():
    with pytest.raises(ValueError, match="machine"):
        filled("nothing", {"machine": "x"})


def test_cells():
    assert [shown(c) for c in (None, 0.12345, 12345.6, 5000, "a")] == [
        "–", "0.123", "12,346", "5,000", "a",
    ]  # fmt: skip
    assert table(("a", "b"), [(1, None)]).splitlines() == [
        "| a | b |",
        "| --- | --- |",
        "| 1 | – |",
    ]


def test_the_plot_shows_something(tmp_path):
    pytest.importorskip("matplotlib")
    plot(FIGURES, tmp_path / "plot.png")
    picture = np.asarray(Image.open(tmp_path / "plot.png").convert("L"))
    assert min(picture.shape) > 300
    assert (picture < 200).mean() > 0.005
