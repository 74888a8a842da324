# SPDX-License-Identifier: GPL-3.0-or-later
"""The surface's error: nothing for the truth itself, the shift for a shifted truth."""

import json

import numpy as np
import pytest
import trimesh

from engine.head.library import load_head_model
from engine.synthetic.person import make_person
from engine.synthetic.truth import make_truth, write_truth
from showcase import surface


@pytest.fixture(scope="module")
def truth():
    return make_truth(make_person(0, load_head_model("generic")))


def measured(truth, shift, folder, capsys):
    mesh = trimesh.Trimesh(truth.vertices + np.float32(shift), truth.faces, process=False)
    mesh.export(folder / "mesh.ply")
    write_truth(folder, truth)
    assert surface.main([str(folder / "mesh.ply"), str(folder)]) == 0
    return json.loads(capsys.readouterr().out)


def test_truth_itself_has_no_error(truth, tmp_path, capsys):
    assert measured(truth, (0, 0, 0), tmp_path, capsys)["mean_mm"] < 1e-3


def test_shift_is_seen(truth, tmp_path, capsys):
    figures = measured(truth, (0, 0, 0.002), tmp_path, capsys)
    assert 0.5 < figures["mean_mm"] < 2
    assert figures["p95_mm"] < 2.1


def test_clip_without_truth_is_a_sentence(truth, tmp_path, capsys):
    trimesh.Trimesh(truth.vertices, truth.faces, process=False).export(tmp_path / "mesh.ply")
    assert surface.main([str(tmp_path / "mesh.ply"), str(tmp_path)]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
