# SPDX-License-Identifier: GPL-3.0-or-later
"""ICT-FaceKit's folder, against an import of the same model that was made independently."""

import json
import shutil

import numpy as np
import pytest

from engine.errors import HeadError
from engine.head.ict import ICT_KEYS
from engine.head.ict_folder import ict_arrays, jaw_hinge
from engine.head.library import load_head_model
from engine.head.model import JAW
from engine.head.obj import read_obj, triangles


@pytest.fixture(scope="module")
def folder(ict_file):
    return ict_file.parent / "ict_sample"


@pytest.fixture(scope="module")
def arrays(folder):
    return ict_arrays(folder)[0]


@pytest.fixture(scope="module")
def other(ict_file):
    with np.load(ict_file, allow_pickle=False) as file:
        return dict(file)


def test_surface_modes_and_regions_equal_the_other_import(arrays, other):
    assert set(arrays) == set(ICT_KEYS)
    for key in ("f", "ft", "parents", "landmarks68", "vertex_region", "joint_names"):
        assert np.array_equal(arrays[key], other[key]), key
    for key in ("v_template", "vt"):
        assert np.abs(arrays[key] - other[key]).max() < 1e-6, key
    names = list(other["expression_names"])
    columns = [0, 1, *(100 + names.index(name) for name in ("jawOpen", "mouthSmile_L"))]
    assert list(arrays["expression_names"]) == ["jawOpen", "mouthSmile_L"]
    truth = other["shapedirs"][:, :, columns].astype(float)
    assert np.abs(arrays["shapedirs"].astype(float) - truth).max() < 1e-5  # m


def test_joints_and_weights_are_nearly_those_of_the_other_import(arrays, other):
    assert float(arrays["jaw_open_angle"]) == pytest.approx(
        float(other["jaw_open_angle"]), abs=1e-6
    )
    places = [a["J_regressor"] @ a["v_template"] for a in (arrays, other)]
    assert np.linalg.norm(places[0] - places[1], axis=1).max() < 1e-4  # m
    difference = np.abs(arrays["weights"] - other["weights"])
    assert difference.mean() < 1e-4
    assert (difference.max(1) > 0.01).sum() < 30  # of 24,591, under the chin


def test_a_folder_is_a_head_model_with_all_landmarks(folder):
    model = load_head_model(folder)
    head = model.mean
    assert head.model_name == "ict"
    assert head.expression_names == ("mouthSmileLeft",)
    assert head.landmarks468.weights.sum(1) == pytest.approx(1, abs=1e-5)
    assert any("50 expressions" in note or "51 expressions" in note for note in model.notes)


def test_the_hinge_of_a_jaw_that_turns_rigidly():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(50, 3)) * 0.02 + (0, -0.04, 0.08)
    axis, angle = np.array([0, -0.01, 0.02]), 0.4
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    opened = (points - axis) @ turn.T + axis - points
    found, place = jaw_hinge(points, opened, np.ones(50, bool))
    assert found == pytest.approx(angle)
    assert place == pytest.approx(axis, abs=1e-9)
    with pytest.raises(HeadError, match="jawOpen"):
        jaw_hinge(points, -opened, np.ones(50, bool))
    assert JAW == 2


# Damaged folders


def test_obj_files_of_triangles_and_quads(tmp_path):
    text = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 1\nf 1/1 2/2 3/1\nf 1/1 2/2 3/1 4/2\n"
    (tmp_path / "a.obj").write_text(text)
    vertices, polygons, uv, _ = read_obj(tmp_path / "a.obj")
    assert vertices.shape == (4, 3)
    assert len(uv) == 2
    assert triangles(polygons).tolist() == [[0, 1, 2], [0, 1, 2], [0, 2, 3]]
    for old, new in (("f 1/1 2/2 3/1\n", "f 1/1 2/2 9/1\n"), ("f 1/1 2/2 3/1\n", "f 1 2 3\n"),
                     ("v 1 1 0", "v 1 x 0"), ("v 1 1 0", "v 1 nan 0")):  # fmt: skip
        (tmp_path / "b.obj").write_text(text.replace(old, new, 1))
        with pytest.raises(HeadError, match=r"b\.obj"):
            read_obj(tmp_path / "b.obj")


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(HeadError, match="no ICT-FaceKit folder"):
        load_head_model(tmp_path)
    (tmp_path / "generic_neutral_mesh.obj").write_text("v 0 0 0\nvt 0 0\nf 1/1 1/1 1/1\n")
    (tmp_path / "vertex_indices.json").write_text(json.dumps({"expressions": ["../../x"]}))
    with pytest.raises(HeadError, match="vertex_indices"):
        load_head_model(tmp_path)
    index = {"expressions": ["jawOpen"], "idx_to_landmark_verts": list(range(68))}
    (tmp_path / "vertex_indices.json").write_text(json.dumps(index))
    with pytest.raises(HeadError, match="has 1 vertices"):
        load_head_model(tmp_path)


def test_a_folder_without_the_open_jaw_is_refused(folder, tmp_path):
    for name in ("generic_neutral_mesh.obj", "vertex_indices.json", "identity000.obj"):
        shutil.copy(folder / name, tmp_path / name)
    with pytest.raises(HeadError, match=r"lacks jawOpen\.obj"):
        load_head_model(tmp_path)
