# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's plan: commands that the engine takes, in an order that works."""

from pathlib import Path

import pytest
import tyro

from engine.config import COMMANDS
from showcase import layout, pipeline
from showcase.plan import stages


def demo(tmp_path, *words):
    return pipeline.asked_for(
        pipeline.parser().parse_args([*words, "--out", str(tmp_path / "demo")])
    )


@pytest.mark.parametrize("words", [[], ["--video", "clip.mp4", "--head", "head.npz"]])
def test_every_engine_command_is_one_the_engine_takes(tmp_path, words):
    kinds = {name: kind for name, (kind, _) in COMMANDS.items()}
    asked = demo(tmp_path, *words)
    seen = set()
    for stage in stages(asked):
        if stage.command[1:3] == ["-m", "engine"]:
            config = tyro.extras.subcommand_cli_from_dict(kinds, args=stage.command[3:])
            assert config.json
            seen.add(stage.command[3])
    assert seen == {asked.subject, "train", "eval", "export"}


def test_a_stage_needs_only_what_comes_before_it(tmp_path):
    before = set()
    for stage in stages(demo(tmp_path)):
        assert set(stage.needs) <= before
        before.add(stage.name)


def test_both_methods_get_the_same_budget(tmp_path):
    found = {stage.name: list(map(str, stage.command)) for stage in stages(demo(tmp_path))}
    one = found["train"]
    other = found["train_global"]
    differing = [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]]
    assert [Path(pair[0]).name for pair in differing] == ["avatar", "partnerface"]


def test_clip_and_head_are_watched_for_changes(tmp_path):
    clip, head = tmp_path / "clip.mp4", tmp_path / "head.npz"
    clip.touch()
    head.touch()
    capture = stages(demo(tmp_path, "--video", str(clip), "--head", str(head)))[0]
    assert list(capture.inputs) == [clip, head]


def test_clear_removes_the_demo_and_nothing_else(tmp_path):
    for name in ("avatar/avatar.safetensors", "logs/train.log", "mine/notes.txt", "report.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    pipeline.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert layout.REPORT.name == "report.html"
