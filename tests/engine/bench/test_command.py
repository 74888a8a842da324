# SPDX-License-Identifier: GPL-3.0-or-later
"""`bench`: every key is there, every figure is a number, and what it says of itself holds."""

import json
import math
from dataclasses import replace

import pytest
import torch

from engine.bench import command, growth, rendering
from engine.bench.command import Effort, Measurement, run
from engine.bench.paper_field import PaperConfig
from engine.bench.training import Race
from engine.config import Bench
from engine.train.settings import preset
from tests.engine.command_line import result_of

TINY = Effort(
    steps=8, held_out=1, look_s=0.2, frame_s=0.05, budget_s=0.01, alike=1, reference_size=8,
    reference_samples=100, rounds=1, frames=(20,), paper_s=0.1, parts=(4, 8),
)  # fmt: skip
FEW = {"frames_per_step": 2, "first_rays": 64, "samples": 500}
KEYS = {
    "speedup_vs_reference", "speedup_vs_reference_training", "samples_per_second",
    "rays_per_second", "parts_growth_4_8", "peak_memory_gb", "preview_16_s", "preview_24_s",
    "exact_24_s", "frame_baked_16_s", "preview_psnr", "frame_baked_psnr", "held_out_psnr",
    "training_samples_per_second", "step_s", "reference_psnr", "bench_seconds",
    "training_memory_gb_20_frames", "speed_vs_paper_field", "coarse_s", "coarse_psnr",
}  # fmt: skip


@pytest.fixture(scope="module")
def figures(capture, job, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARTNERFACE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(command, "QUICK", TINY)
        patch.setattr(command, "VERTICES", (9_000, 10_000))
        patch.setattr(command, "SMALL", 12)
        patch.setattr(command, "DETAIL", (16, 16))
        patch.setattr(command, "MANY", 32)
        patch.setattr(command, "PaperConfig", lambda: PaperConfig(16, 4, 2, 2, 8, 8, 32))
        patch.setattr(rendering, "SQUARES", (16, 24))
        patch.setattr(rendering, "FEW", 12)
        patch.setattr(rendering.by_size, "__defaults__", (((16, 16), (32, 18)),))
        patch.setattr(growth, "FIT_STEPS", 5)
        patch.setattr(command, "preset", lambda *words: replace(preset(*words), **FEW))
        config = Bench(capture=capture.path, quick=True, target=99.0, device="cpu")
        yield run(config, job)


def test_every_figure_is_there_and_positive(figures):
    assert set(figures) >= KEYS
    for name in KEYS:
        assert isinstance(figures[name], float), name
        assert math.isfinite(figures[name]), name
        assert figures[name] > 0, name
    json.dumps(figures, allow_nan=False)


def test_the_reference_and_the_kernels_saw_the_same(figures):
    assert figures["reference_psnr"] > 40
    stages = figures["reference_stages_ms"]
    for name in ("survey", "march", "land", "evaluate", "composite"):
        assert stages["fast"][name] > 0
        assert stages["reference"][name] > 0


def test_a_target_out_of_reach_is_said_to_be(figures):
    assert figures["seconds_to_psnr"] is None
    assert figures["paper_field_reached_target"] is False
    assert figures["equal_psnr"] <= figures["paper_field_psnr"] + 1e-6


def test_growth_is_told_row_by_row(figures):
    assert [row["parts"] for row in figures["by_parts"]] == [4, 8]
    assert [row["vertices"] for row in figures["by_vertices"]] == [9_000, 10_000]
    assert [row["frames"] for row in figures["by_frames"]] == [20]
    assert {row["quality"] for row in figures["by_resolution"]} == set(rendering.QUALITIES)


def test_the_machine_is_named(figures):
    machine = figures["machine"]
    assert machine["cores"] >= 1
    assert machine["processor"]
    assert machine["device"] == "cpu"


@pytest.mark.parametrize(
    ("only", "paper_s", "asked"),
    [
        ("paper", 0.1, ["training", "paper"]),
        ("paper", 0.0, []),
        ("training", 0.1, ["training"]),
        ("steps", 0.1, ["steps"]),
    ],
)
def test_the_papers_field_is_raced_against_a_training_of_our_own(
    trained_avatar, capture, frames, job, monkeypatch, only, paper_s, asked
):
    """Whether or not an avatar is there to be rendered."""
    effort, settings = replace(TINY, paper_s=paper_s), preset("draft", "partnerface")
    config = Bench(avatar=trained_avatar, capture=capture.path, only=(only,))
    bench = Measurement(config, effort, capture, frames, settings, job, {})
    called, ours = [], (Race([1.0], [20.0]), None)
    for name in ("training", "paper", "steps"):
        monkeypatch.setattr(bench, name, lambda *_, name=name: called.append(name) or ours)
    bench.everything(torch.device("cpu"))
    assert called == asked


def test_a_trained_avatar_is_measured_from_the_command_line(trained_avatar):
    arguments = ["--avatar", trained_avatar, "--capture", trained_avatar.parents[1] / "capture"]
    figures = result_of("bench", *arguments, "--quick", "--only", "steps", "--device", "cpu")
    assert figures["step_s"] > 0
    assert "seconds_to_psnr" not in figures
    assert "exact_256_s" not in figures
