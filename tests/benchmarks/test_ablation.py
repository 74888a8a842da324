# SPDX-License-Identifier: GPL-3.0-or-later
import json

import cv2
import numpy as np
import pytest

from benchmarks import ablation
from benchmarks.ablation import Options, finished_cells, main
from benchmarks.ablation_plot import binned, curves, draw, frames, levels
from benchmarks.ablation_tables import BEGIN, END, Cell, page_text, rows_of, table, write_page
from engine.errors import InputError
from tests.engine.command_line import result_of

BUDGET = {"preset": "draft", "steps": 3, "size": 32, "latents": 2}


def cell(subject, method, seed, moving, latents=None, **figures):
    means = {"psnr": moving + 4, "psnr_moving": moving, **figures}
    result = {
        "key": {**BUDGET, "method": method, "seed": seed},
        "train": {"seconds": 10.0},
        "eval": means,
        "frames": [{"strength": s / 10, "psnr_moving": moving - s} for s in range(8)],
        "parameters": 5000,
        "deformation": 1234,
        "training_strength": 0.3,
        "budget": {"steps": 3, "samples": 100, "frames_per_step": 8},
    }
    if latents is not None:
        result["latents"] = {**means, "psnr_moving": latents, "latents_optimised": 2}
    return Cell(subject, method, seed, result)


@pytest.fixture
def cells():
    return [
        cell("synthetic-0", "partnerface", 0, 24.0, 25.5, depth_mm=2.0),
        cell("synthetic-1", "partnerface", 0, 26.0, 27.5, depth_mm=4.0),
        cell("synthetic-0", "global", 0, 22.0, depth_mm=3.0),
        cell("synthetic-1", "global", 0, 25.0, depth_mm=5.0),
    ]


def entries(text, name):
    """One row of a Markdown table by its columns' titles."""
    lines = [[entry.strip() for entry in line.strip("|").split("|")] for line in text.splitlines()]
    row = next(line for line in lines if line[0] == name)
    return dict(zip(lines[0], row, strict=True))


def test_rows_are_means_over_subjects(cells):
    ours = entries(table(cells), "partnerface")
    assert ours["moving"] == "25.00"
    assert ours["full"] == "29.00"
    assert ours["depth, mm"] == "3.00"
    assert ours["gain"] == ""
    assert ours["deformation"] == "1,234"
    assert "mouth" not in ours  # measured nowhere


def test_gain_compares_a_subject_with_itself(cells):
    assert entries(table(cells), "global")["gain"] == "+1.50 ± 0.50"
    assert entries(table(cells[::2]), "global")["gain"] == "+2.00"


def test_optimised_latents_have_a_row_of_their_own(cells):
    name = "partnerface, latents optimised (2)"
    assert entries(table(cells), name)["moving"] == "26.50"
    assert entries(table(cells), name)["gain"] == ""
    assert [row.name for row in rows_of(cells)] == ["partnerface", "global", name]
    cells[2:] = [cell(f"synthetic-{k}", "global", 0, 22.0, 25.0, depth_mm=3.0) for k in (0, 1)]
    theirs = entries(table(cells), "global, latents optimised (2)")
    assert theirs["gain"] == "+1.50 ± 1.00"  # against the first method with optimised latents


def test_spread_is_over_seeds_of_means_over_subjects(cells):
    more = [
        cell("synthetic-0", "partnerface", 1, 25.0, depth_mm=2.0),
        cell("synthetic-1", "partnerface", 1, 27.0, depth_mm=2.0),
        cell("synthetic-0", "partnerface", 2, 99.0, depth_mm=2.0),  # not on every subject yet
    ]
    row = entries(table(cells + more), "partnerface")
    assert row["moving"] == "25.50 ± 0.71"
    assert row["seeds"] == "2"


def test_a_method_that_lacks_a_subject_waits(cells):
    assert [row.name for row in rows_of(cells[:3])][:1] == ["partnerface"]
    assert "global" not in {row.name for row in rows_of(cells[:3])}


def test_clips_and_synthetic_subjects_are_not_mixed(cells):
    text = page_text([*cells, cell("talk", "partnerface", 0, 30.0)], BUDGET)
    assert "Mean over synthetic-0, synthetic-1." in text
    clips = text.split("### Clips")[1]
    assert "depth" not in clips.split("###")[0]
    assert "each training: 3 steps of 100 samples." in text


def test_local_control_is_told_by_subject(cells):
    for subject, share in ((0, 0.913), (1, 0.5)):
        cells[subject].result["local_control"] = [
            {"part": "mouth", "share": share, "astray": 0.02},
            {"part": "nose", "share": 1.0, "astray": 0.04},
        ]
    other = next(cell for cell in cells if cell.method == "global")
    other.result["local_control"] = [{"part": "mouth", "share": 0.1, "astray": 0.5}]
    alone, keyed = (
        page_text(cells, BUDGET).split(f"### {title}")[1].split("###")[0].strip()
        for title in ("One part driven alone", "Expressions keyed for all parts")
    )
    mouth = entries(alone, "mouth")
    assert (mouth["synthetic-0"], mouth["synthetic-1"]) == ("91.3 %", "50.0 %")
    assert entries(keyed, "partnerface")["synthetic-1"] == "3.0 %"
    assert entries(keyed, "global")[other.subject] == "50.0 %"


def test_the_page_keeps_what_stands_around_the_tables(cells, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_page(page, cells, BUDGET)
    write_page(page, cells, BUDGET)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\nPreset")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert text.count("### synthetic-0") == 1
    (tmp_path / "bare.md").write_text("nothing")
    with pytest.raises(InputError, match="no place"):
        write_page(tmp_path / "bare.md", cells, BUDGET)


def test_the_plot_shows_every_method(cells, tmp_path):
    pytest.importorskip("matplotlib")
    draw(tmp_path / "one.png", cells)
    more = [cell("synthetic-0", method, 0, 20.0) for method in ("none", "hard", "parts-1")]
    draw(tmp_path / "more.png", cells + more)
    one, four = (cv2.imread(str(tmp_path / name)) for name in ("one.png", "more.png"))
    assert four.shape[1] > 2.5 * one.shape[1]
    assert (one < 128).any()


def test_a_method_is_drawn_beside_ours_on_the_same_subjects(cells):
    seen = [*cells, cell("synthetic-0", "hard", 0, 20.0)]
    theirs, ours = curves(seen, "hard", levels(seen))
    own = cells[0].result["frames"]  # of partnerface on synthetic-0
    assert len(theirs[0]) == len(ours[0]) == len(own) > 0


def test_a_harder_subject_does_not_bend_the_lines(cells):
    shift = levels(cells)
    means = [frames([c for c in cells if c.subject == s], shift)[1].mean() for s in shift]
    assert means[0] == pytest.approx(means[1])
    strength, error = frames(cells, dict.fromkeys(shift, 0.0))
    assert error.mean() == pytest.approx(np.mean(means))
    x, y = binned(strength, error)
    assert (np.diff(x) >= 0).all()
    assert y[-1] > y[0]  # these errors grow with the strength


def test_cells_of_other_budgets_and_of_methods_that_are_gone_are_left_out(cells, tmp_path):
    options = Options(out=tmp_path, **BUDGET)
    gone = cell("synthetic-0", "a-method-of-long-ago", 0, 20.0)
    other = cell("synthetic-2", "global", 0, 20.0)
    other.result["key"]["steps"] = 4
    for each in (*cells, gone, other):
        folder = tmp_path / "cells" / each.subject / each.method / f"seed-{each.seed}"
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps(each.result))
    assert finished_cells(options) == cells


def test_an_engine_that_fails_stops_the_table(tmp_path, capfd):
    with pytest.raises(ablation.Stopped, match="1"):
        ablation.engine("eval", tmp_path / "none.safetensors", tmp_path)
    assert "no file" in capfd.readouterr().err


@pytest.mark.slow
def test_finished_cells_are_kept_and_other_budgets_refused(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(ablation, "engine", result_of)  # the same commands, in this process
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}{END}")
    arguments = [
        str(tmp_path / "out"), "--methods", "global", "--people", "0", "--preset", "draft",
        "--steps", "3", "--size", "32", "--frames", "20", "--test-frames", "2", "--latents", "2",
        "--device", "cpu", "--page", str(page), "--plot", "None",
    ]  # fmt: skip
    assert main(arguments) == 0
    file = tmp_path / "out/cells/synthetic-0/global/seed-0/result.json"
    result, written = json.loads(file.read_text()), file.stat().st_mtime_ns
    assert result["latents"]["latents_optimised"] == 2
    assert len(result["frames"]) == 2
    assert 0 < result["deformation"] < result["parameters"]
    assert result["budget"]["steps"] == 3
    assert f"{result['eval']['psnr_moving']:.2f}" in page.read_text()
    assert main(arguments) == 0
    assert file.stat().st_mtime_ns == written
    capfd.readouterr()
    assert main([*arguments, "--steps", "4"]) == 1
    assert "was made with" in capfd.readouterr().err
    assert main([*arguments, "--methods", "glohbal"]) == 1
