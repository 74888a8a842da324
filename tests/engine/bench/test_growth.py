# SPDX-License-Identifier: GPL-3.0-or-later
"""Variants of one avatar: more parts, other meshes, more frames."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from engine.avatar.partition import divide
from engine.bench.growth import by_mesh, by_parts, growth, with_parts
from engine.bench.many_frames import black_frames, by_frames, bytes_of
from engine.bench.meshes import with_vertices
from engine.bench.subject import sized
from engine.bench.training import copy_of
from engine.head.skinning import HeadTensors, canonical_vertices
from engine.render.frame import on_white
from engine.train.metrics import psnr
from engine.train.settings import preset


@pytest.fixture(scope="module")
def settings():
    return replace(preset("draft", "partnerface"), samples=300, first_rays=64, frames_per_step=2)


def test_the_assigner_of_a_variant_knows_its_parts(subject):
    variant = with_parts(subject.avatar, 16)
    assert variant.config.parts == 16
    assert torch.equal(variant.field.table, subject.avatar.field.table)
    labels = divide(variant.head, 16).labels
    x = variant.unit(canonical_vertices(HeadTensors.of(variant.head))) * 2 - 1
    found = variant.deformation.assigner(x).argmax(1).numpy()
    assert (found == labels).mean() > 0.7
    assert len(np.unique(found)) > 12


def test_another_mesh_gives_nearly_the_same_picture(subject):
    finer = copy_of(subject.avatar, with_vertices(subject.avatar.head, 12_000))
    camera = sized(subject.camera, 24, 24)
    pictures = [on_white(s.render(camera)) for s in (subject, subject.of(finer))]
    assert psnr(*pictures) > 30


def test_rows_are_there_and_positive(subject, settings, frames, job):
    rows = by_parts(subject, settings, frames, (4, 8), 16, 1, job)
    rows += by_mesh(subject, settings, frames, (8_000,), 16, 1, job)
    assert [row.get("parts", row.get("vertices")) for row in rows] == [4, 8, 8_000]
    assert all(value > 0 for row in rows for value in row.values())
    assert growth(rows[:2]) == max(rows[1][k] / rows[0][k] for k in ("frame_s", "step_s"))


def test_many_frames_leave_nothing_behind_and_their_surveys_count(
    subject, settings, frames, job, tmp_path
):
    (row,) = by_frames(subject, settings, frames, (50,), 64, tmp_path, job)
    assert row["frames"] == 50
    assert row["survey_mb"] > 0.01
    assert row["full_memory_gb"] > row["memory_gb"] > 0.01
    assert not list(tmp_path.iterdir())


def test_black_frames_take_no_room_on_the_disk(frames, tmp_path):
    path = tmp_path / "black.npy"
    many = black_frames(frames, 200, 128, path)
    assert many.pixels.shape == (200, 128, 128, 4)
    assert many.pixels.nbytes > 1 << 23
    assert path.stat().st_blocks * 512 < 1 << 20
    assert len(many.psi) == 200
    assert not torch.equal(many.psi[0], many.psi[len(frames)])


def test_bytes_of_a_survey_count_what_it_holds():
    @dataclass
    class Inner:
        values: torch.Tensor
        name: str

    @dataclass
    class Outer:
        cells: Inner
        box: np.ndarray

    assert bytes_of(Outer(Inner(torch.zeros(3, 4), "a"), np.zeros(4))) == 48
