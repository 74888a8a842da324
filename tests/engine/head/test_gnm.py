# SPDX-License-Identifier: GPL-3.0-or-later
"""GNM's schema, written here over a small head; nothing of the real model is needed."""

import numpy as np
import pytest

from engine.errors import HeadError
from engine.head.gnm import JAW_NOTE
from engine.head.library import load_head_model
from engine.head.model import EYE_LEFT, JAW, NECK, REGIONS
from engine.head.npz import read_head_npz

IDENTITIES, EXPRESSIONS = 5, 7
NAMES = ("neck", "head", "left_eye", "right_eye")


@pytest.fixture(scope="module")
def gnm_arrays(generic_model):
    """The generic head's surface in GNM's schema: four joints, no jaw, random modes."""
    head = generic_model.mean
    rng = np.random.default_rng(6)
    v = len(head.vertices)
    weights = head.skin_weights[:, [0, NECK, 3, 4]].copy()
    weights[:, 1] += head.skin_weights[:, JAW]
    groups = {
        "skin_exterior": ("face", "scalp", "ear", "neck"), "teeth": ("teeth",),
        "tongue": ("tongue",), "scleras": ("eyeball",), "eye_interiors": ("eye_socket",),
    }  # fmt: skip
    table = np.zeros((4, 9, v, 3), np.float32)
    table[1, 5] = rng.normal(size=(v, 3)) * 1e-3  # of the head joint
    table[0, 2] = 1  # of the root, which has no place with us
    return {
        "version": np.array("3.0"), "variant": np.array("head"),
        "template_vertex_positions": head.vertices,
        "template_joint_positions": head.joints[[0, NECK, 3, 4]],
        "vertex_identity_basis": rng.normal(size=(IDENTITIES, v, 3)).astype(np.float32) * 1e-3,
        "joint_identity_basis": np.zeros((IDENTITIES, 4, 3), np.float32),
        "expression_basis": rng.normal(size=(EXPRESSIONS, v, 3)).astype(np.float32) * 1e-3,
        "identity_names": np.array([f"head_{i}" for i in range(IDENTITIES)]),
        "expression_names": np.array([f"lower_face_region_{i}" for i in range(EXPRESSIONS)]),
        "joint_names": np.array(NAMES), "joint_parent_indices": np.array([-1, 0, 1, 1]),
        "skinning_weights": weights.T, "triangles": head.faces, "quads": np.zeros((0, 4), int),
        "triangle_uvs": head.uv[head.uv_faces],
        "joint_regressor": generic_model.joint_regressor[[0, NECK, 3, 4]],
        "pose_correctives_regressor": table.reshape(36, -1),
        "vertex_groups": np.stack([
            np.isin(head.vertex_region, [REGIONS.index(r) for r in regions]).astype(np.float32)
            for regions in groups.values()
        ]),
        "vertex_group_names": np.array(list(groups)),
    }  # fmt: skip


@pytest.fixture
def save(gnm_arrays, tmp_path):
    def write(changes=None):
        np.savez(tmp_path / "gnm_head.npz", **(gnm_arrays | (changes or {})))
        return tmp_path / "gnm_head.npz"

    return write


@pytest.fixture
def sparse_file(generic_model, tmp_path):
    """GNM's text file of 68 landmarks, the jaw's outline in its own order."""
    points = generic_model.mean.landmarks68
    order = [0, 1, 6, 5, 4, 3, 2, *range(7, 68)]
    rows = [
        " ".join(f"{i} {w:.6f}" for i, w in zip(points.vertices[k], points.weights[k], strict=True))
        for k in order
    ]
    (tmp_path / "head_sparse_68.txt").write_text("\n".join(rows))


def test_the_shape_is_kept_and_the_landmarks_come_from_its_file(save, sparse_file, generic_model):
    model, truth = read_head_npz(save()), generic_model.mean
    head = model.mean
    assert (head.model_name, len(model.identities)) == ("gnm", IDENTITIES)
    assert head.expression_names[0] == "lower_face_region_0"
    assert np.array_equal(head.vertices, truth.vertices)
    assert np.allclose(
        head.landmarks68.on(head.vertices), truth.landmarks68.on(truth.vertices), atol=1e-5
    )
    assert np.allclose(head.uv[head.uv_faces], truth.uv[truth.uv_faces])
    same = head.vertex_region == truth.vertex_region
    for region in ("teeth", "tongue", "eyeball", "eye_socket", "mouth_cavity"):
        assert same[truth.vertex_region == REGIONS.index(region)].all(), region


def test_a_jaw_is_laid_on_where_the_generic_head_has_it(save, sparse_file, generic_model, posed):
    model, truth = read_head_npz(save()), generic_model.mean
    head = model.mean
    assert JAW_NOTE in model.notes
    assert np.linalg.norm(head.joints - truth.joints, axis=1).max() < 1e-3
    assert head.skin_weights.sum(1) == pytest.approx(1, abs=1e-5)
    assert np.abs(head.skin_weights - truth.skin_weights).mean() < 0.01
    turn = (0.3, 0, 0)
    found, right = posed(head, joint=JAW, turn=turn), posed(truth, joint=JAW, turn=turn)
    assert np.linalg.norm(right - truth.vertices, axis=1).max() > 0.015
    assert np.linalg.norm(found - right, axis=1).mean() < 5e-4


def test_eyes_and_correctives_follow_their_joints(save, sparse_file, gnm_arrays, posed):
    head = read_head_npz(save()).mean
    assert head.corrective_index.tolist() == [(NECK - 1) * 9 + 5]
    stored = gnm_arrays["pose_correctives_regressor"].reshape(4, 9, -1, 3)[1, 5]
    assert np.allclose(head.correctives[0], stored, atol=1e-5)
    moved = np.linalg.norm(posed(head, joint=EYE_LEFT, turn=(0, 0.3, 0)) - head.vertices, axis=1)
    eyes = head.vertices_in("eyeball")
    left = eyes[head.vertices[eyes, 0] > 0]
    assert set(np.flatnonzero(moved > 1e-4)) <= set(left)
    assert (moved[left] > 1e-4).mean() > 0.8


def test_without_a_landmark_file_they_are_found_by_shape(save, generic_model):
    model, truth = load_head_model(save()), generic_model.mean
    assert len(model.mean.landmarks68.vertices) == 68
    assert model.mean.landmarks468.weights.sum(1) == pytest.approx(1, abs=1e-5)
    error = model.mean.landmarks68.on(truth.vertices) - truth.landmarks68.on(truth.vertices)
    assert np.linalg.norm(error, axis=1)[17:].mean() < 0.006  # m
    assert len(model.notes) == 4


def test_other_joints_and_broken_files_are_refused(save, tmp_path):
    with pytest.raises(HeadError, match="joints are neck, jaw"):
        read_head_npz(save({"joint_names": np.array(["neck", "jaw", "left_eye", "right_eye"])}))
    with pytest.raises(HeadError, match="do not fit together"):
        read_head_npz(save({"skinning_weights": np.ones((4, 3))}))
    (tmp_path / "head_sparse_68.txt").write_text("1 2 3")
    with pytest.raises(HeadError, match="head_sparse_68"):
        read_head_npz(save())
