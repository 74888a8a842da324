# SPDX-License-Identifier: GPL-3.0-or-later
import json
import re

import numpy as np
import pytest
from PIL import Image

from engine.export.mesh_files import write_mesh
from engine.export.surface import Surface
from showcase import layout
from showcase.pictures import write_film
from showcase.report import write_report
from showcase.sections import METHODS
from tests.html_page import Page

KEYS = ("psnr", "ssim", "flip", "l1", "alpha_iou")


def eval_figures(value):
    return {key + suffix: value for key in KEYS for suffix in ("", "_head")} | {"frames": 6}


def picture(path, colour, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (33, 31), colour).save(path)


@pytest.fixture
def bare(tmp_path):
    """A demo folder in which nothing but the capture was made."""
    result = {
        "schema_version": 1,
        "title": "A <subject>",
        "seconds": 321.0,
        "peak_memory_mb": 1234.0,
        "machine": {"cores": 2, "system": "Linux", "processor": "x86_64"},
        "settings": {"size": 128},
        "stages": {"synth": {"title": "making", "seconds": 3, "peak_memory_mb": 9, "result": {}}},
        "global_net": {},
        "baselines": {},
    }
    (tmp_path / layout.RESULT).write_text(json.dumps(result))
    return tmp_path


@pytest.fixture
def full(bare):
    """A demo folder with everything in it, small."""
    result = json.loads((bare / layout.RESULT).read_text())
    for name, figures in {
        "train": {"steps": 700, "seconds": 100.0},
        "eval": eval_figures(0.91234),
        "export": {"vertices": 12345, "faces": 24680},
        "surface": {"mean_mm": 1.25},
    }.items():
        result["stages"][name] = {
            "title": name,
            "seconds": 5,
            "peak_memory_mb": 5,
            "result": figures,
        }
    result["global_net"] = {
        "train": {"seconds": 99.0, "steps": 700},
        "eval": {**eval_figures(0.8), "seconds": 4.0},
    }
    result["baselines"] = {"nearest_frame": eval_figures(0.5), "textured_mesh": eval_figures(0.6)}
    (bare / layout.RESULT).write_text(json.dumps(result))
    frames = [{"frame": 90 + i, "psnr_head": 20.0 + i} for i in range(6)]
    for folder in (layout.EVALUATION, layout.GLOBAL_EVALUATION):
        for kind in ("truth", "avatar", "error", "parts"):
            for frame in frames:
                picture(bare / folder / kind / f"{frame['frame']:05d}.png", "red")
        (bare / folder / layout.FRAME_FIGURES).write_text(json.dumps({"frames": frames}))
    curve = {
        "step": [10, 20, 30],
        "loss": [0.3, 0.2, 0.1],
        "psnr": [15, 18, 20],
        "seconds": [1, 2, 3],
    }
    for path in (layout.CURVES, layout.GLOBAL_AVATAR / "curves.json"):
        (bare / path).parent.mkdir()
        (bare / path).write_text(json.dumps(curve))
    for i in range(12):
        picture(bare / layout.COMPOSITE_FRAMES / f"{i:04d}.png", (20 * i, 0, 0, 128), "RGBA")
    vertices = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], np.int32)
    write_mesh(bare / layout.MESH_PLY, Surface(vertices, faces, np.ones((4, 3), np.float32) / 2))
    return bare


def test_full_report_needs_nothing_beside_it(full):
    path = write_report(full)
    assert path == full / layout.REPORT
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert page.sources
    assert all(source.startswith("data:") for source in page.sources)
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    assert "@import" not in text
    assert "<script" not in text
    assert page.counts["video"] == 1
    assert page.counts["svg"] == 3
    assert page.counts["img"] == 8 + 5 * 5 + 6  # strip, held-out frames, mesh
    assert "absent" not in text.split("</style>")[1]


def test_figures_are_in_the_table_and_the_best_is_marked(full):
    text = write_report(full).read_text(encoding="utf-8")
    for name in METHODS.values():
        assert f"<td>{name}</td>" in text
    assert text.count("class=best>0.91<") == 2  # PSNR of ours, head box and full frame
    assert text.count("class=best>0.500<") == 2  # FLIP: less is better
    assert "12,345 vertices" in text
    assert "1.25 mm" in text
    assert "A &lt;subject&gt;" in text


def test_what_was_not_made_is_said(bare):
    text = write_report(bare).read_text(encoding="utf-8")
    assert text.count('class="absent"') == 5
    assert Page(text).open == []


def test_film_is_h264_of_even_size(tmp_path):
    frames = [tmp_path / f"{i}.png" for i in range(5)]
    for i, path in enumerate(frames):
        picture(path, (50 * i, 10, 10))
    write_film(tmp_path / "film.mp4", frames)
    data = (tmp_path / "film.mp4").read_bytes()
    assert b"avc1" in data
    assert data.index(b"moov") < data.index(b"mdat")  # starts before it is wholly there
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".mp4"] + [".png"] * 5
