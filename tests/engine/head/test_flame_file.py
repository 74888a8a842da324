# SPDX-License-Identifier: GPL-3.0-or-later
"""FLAME's own files, written here in its schema: nothing of the real model is needed."""

import pickle
import sys
import types

import numpy as np
import pytest
import scipy.sparse
import torch

from engine.errors import HeadError, PickleError
from engine.head.flame_file import read_flame_pickle
from engine.head.library import load_head_model
from engine.head.model import JAW
from engine.head.npz import read_head_npz
from engine.head.skinning import HeadTensors, posed_vertices

MEDIAPIPE_105 = np.r_[0:100, 263, 33, 362, 133, 145]


@pytest.fixture(scope="session")
def flame_dict(flame_arrays):
    """What FLAME's pickle holds: a sparse regressor, modes that shrink, names beside the arrays."""
    strength = 1 / np.sqrt(1 + np.arange(400))
    regressor = scipy.sparse.csc_matrix(flame_arrays["J_regressor"])
    return flame_arrays | {
        "shapedirs": flame_arrays["shapedirs"] * strength, "J_regressor": regressor,
        "J": regressor @ flame_arrays["v_template"], "bs_style": "lbs", "bs_type": "lrotmin",
    }  # fmt: skip


@pytest.fixture
def write(flame_dict, tmp_path):
    def save(changes=None, name="generic_model.pkl", protocol=2):
        path = tmp_path / name
        path.write_bytes(pickle.dumps(flame_dict | (changes or {}), protocol))
        return path

    return save


@pytest.fixture
def embedding(flame_arrays):
    """51 static points, all 68 and 105 of MediaPipe's, on faces of the front."""
    faces = flame_arrays["f"].astype(int)
    middle = flame_arrays["v_template"][faces].mean(1)
    front = np.flatnonzero((middle[:, 2] > 0.04) & (middle[:, 2] < 0.12))
    rng = np.random.default_rng(4)
    return {
        count: (rng.choice(front, count), rng.dirichlet(np.ones(3), count))
        for count in (51, 68, 70, 105)
    }


def test_the_pickle_equals_the_same_arrays_as_npz(write, flame_dict, tmp_path):
    arrays = {k: v for k, v in flame_dict.items() if isinstance(v, np.ndarray)}
    np.savez(
        tmp_path / "flame.npz", **arrays, **{"J_regressor": flame_dict["J_regressor"].toarray()}
    )
    one, other = read_flame_pickle(write()), read_head_npz(tmp_path / "flame.npz")
    assert one.mean.model_fingerprint == other.mean.model_fingerprint
    assert np.array_equal(one.joint_regressor, other.joint_regressor)
    assert "licence is its user's" in one.notes[0]


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_chumpy_arrays_are_read_without_chumpy(write, flame_dict, monkeypatch, protocol):
    module = types.ModuleType("chumpy.ch")

    class Ch:
        pass

    Ch.__module__, Ch.__qualname__, module.Ch = "chumpy.ch", "Ch", Ch
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    monkeypatch.setitem(sys.modules, "chumpy.ch", module)
    wrapped = {}
    for name in ("v_template", "shapedirs", "posedirs", "weights"):
        wrapped[name] = Ch()
        wrapped[name].__dict__ |= {"x": flame_dict[name], "_dirty_vars": set(), "_cache": {}}
    path = write(wrapped, protocol=protocol)
    monkeypatch.undo()
    assert "chumpy" not in sys.modules
    assert read_flame_pickle(path).mean.model_fingerprint == (
        read_flame_pickle(write()).mean.model_fingerprint
    )


def test_row_sparse_matrices_and_older_names(write, flame_dict):
    path = write({"J_regressor": scipy.sparse.csr_matrix(flame_dict["J_regressor"])})
    data = path.read_bytes()
    assert b"cscipy.sparse._csr\n" in data
    path.write_bytes(data.replace(b"cscipy.sparse._csr\n", b"cscipy.sparse.csr\n"))
    model = read_flame_pickle(path)
    assert np.allclose(model.joint_regressor, flame_dict["J_regressor"].toarray(), atol=1e-7)


class Loud:
    rang = False

    def __reduce__(self):
        return (setattr, (Loud, "rang", True))


def test_a_malicious_pickle_is_refused_and_not_run(write):
    with pytest.raises(PickleError, match=r"setattr.*nothing was run"):
        load_head_model(write({"v_template": Loud()}))
    assert not Loud.rang


def test_indices_beyond_a_sparse_matrix_are_refused(write, flame_dict):
    matrix = flame_dict["J_regressor"].copy()
    matrix.indices = matrix.indices + 100
    with pytest.raises(HeadError, match="do not fit together"):
        read_flame_pickle(write({"J_regressor": matrix}))


def test_other_pickles_are_no_flame_model(write, tmp_path):
    with pytest.raises(HeadError, match="holds what is no finite number"):
        read_flame_pickle(write({"weights": np.full((4, 5), np.nan)}))
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([1]))
    with pytest.raises(HeadError, match="no FLAME model"):
        read_flame_pickle(tmp_path / "a.pkl")
    (tmp_path / "b.pkl").write_bytes(pickle.dumps({"v_template": np.zeros((3, 3))}))
    with pytest.raises(HeadError, match="lacks f, shapedirs"):
        read_flame_pickle(tmp_path / "b.pkl")
    path = write()
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(PickleError, match="damaged"):
        read_flame_pickle(path)


# Landmark embeddings beside the model


def on_faces(arrays, embedding):
    faces, bary = embedding
    return np.einsum("lkc,lk->lc", arrays["v_template"][arrays["f"][faces].astype(int)], bary)


def test_the_static_embedding(write, flame_arrays, embedding, tmp_path):
    faces, bary = embedding[51]
    (tmp_path / "flame_static_embedding.pkl").write_bytes(
        pickle.dumps({"lmk_face_idx": faces.astype(np.uint32), "lmk_b_coords": bary}, 2)
    )
    head = read_flame_pickle(write()).mean
    found = head.landmarks68.on(head.vertices)[17:]
    assert np.allclose(found, on_faces(flame_arrays, embedding[51]), atol=1e-6)


@pytest.mark.parametrize("name", ["landmark_embedding.npy", "landmark_embedding_with_eyes.npy"])
def test_the_full_embedding_with_tensors_inside(write, flame_arrays, embedding, tmp_path, name):
    count = 70 if "eyes" in name else 68
    faces, bary = embedding[count]
    entries = {
        "full_lmk_faces_idx": torch.from_numpy(faces)[None],
        "full_lmk_bary_coords": torch.from_numpy(bary)[None],
        "static_lmk_faces_idx": faces[:51],
        "static_lmk_bary_coords": bary[:51],
    }
    np.save(tmp_path / name, entries, allow_pickle=True)
    head = read_flame_pickle(write()).mean
    found = head.landmarks68.on(head.vertices)
    assert np.allclose(found, on_faces(flame_arrays, embedding[count])[:68], atol=1e-6)


def test_mediapipe_points_of_the_file_are_kept_and_the_others_laid_on(
    write, flame_arrays, embedding, tmp_path
):
    faces, bary = embedding[105]
    np.savez(
        tmp_path / "mediapipe_landmark_embedding.npz",
        lmk_face_idx=faces, lmk_b_coords=bary, landmark_indices=MEDIAPIPE_105,
    )  # fmt: skip
    alone = read_flame_pickle(write()).mean
    assert (alone.landmarks468.weights.sum(1) > 0).sum() == len(np.unique(MEDIAPIPE_105))
    model = load_head_model(write())
    points = model.mean.landmarks468
    assert points.weights.sum(1) == pytest.approx(1, abs=1e-5)
    truth = dict(zip(MEDIAPIPE_105, on_faces(flame_arrays, embedding[105]), strict=True))
    found = points.on(model.mean.vertices)
    assert all(np.allclose(found[i], place, atol=1e-6) for i, place in truth.items())
    assert any("MediaPipe" in note for note in model.notes)


def test_a_model_without_any_embedding_gets_all_landmarks_on_its_skin(write):
    model = load_head_model(write())
    head = model.mean
    assert head.landmarks68.weights.shape == (68, 3)
    points = head.landmarks468.on(head.vertices)
    assert len(points) == 468
    assert head.landmarks468.weights.sum(1) == pytest.approx(1, abs=1e-5)
    skin = head.vertices_in("face", "scalp", "ear", "neck")
    assert np.isin(head.landmarks468.vertices, skin).all()
    # the subject's left is left, eyes lie over the mouth, the nose before both
    assert points[263, 0] > 0.02 > -0.02 > points[33, 0]
    assert points[159, 1] > points[1, 1] > points[13, 1]
    assert len([note for note in model.notes if "laid on" in note or "found by" in note]) == 2


def test_a_broken_embedding_is_named(write, tmp_path):
    (tmp_path / "flame_static_embedding.pkl").write_bytes(pickle.dumps({"other": 1}))
    with pytest.raises(HeadError, match="flame_static_embedding"):
        read_flame_pickle(write())
    np.save(tmp_path / "landmark_embedding.npy", np.array([Loud()], dtype=object),
            allow_pickle=True)  # fmt: skip
    with pytest.raises(PickleError, match="setattr"):
        read_flame_pickle(write())
    assert not Loud.rang


# The oracle


def test_skinning_equals_the_flame_layer_of_smplx(write, flame_dict, embedding, tmp_path):
    smplx = pytest.importorskip(
        "smplx", reason="NOT TESTED against smplx's FLAME layer: pip install smplx==0.1.28"
    )
    path = write(name="FLAME_NEUTRAL.pkl")
    faces, bary = embedding[51]
    (tmp_path / "flame_static_embedding.pkl").write_bytes(
        pickle.dumps({"lmk_face_idx": faces, "lmk_b_coords": bary}, 2)
    )
    rng = np.random.default_rng(0)
    beta, psi = rng.normal(size=(1, 300)), rng.normal(size=(3, 100))
    theta = rng.normal(size=(3, 5, 3)) * (0.5, 0.5, 0.5)
    translation = rng.normal(size=(3, 3)) * 0.1
    rest = {"batch_size": 3, "use_face_contour": False, "dtype": torch.float64}
    layer = smplx.FLAME(str(tmp_path), num_betas=300, num_expression_coeffs=100, **rest)

    def tensor(array):
        return torch.from_numpy(np.ascontiguousarray(array))

    with torch.no_grad():
        truth = layer(
            betas=tensor(np.repeat(beta, 3, 0)), expression=tensor(psi),
            global_orient=tensor(theta[:, 0]), neck_pose=tensor(theta[:, 1]),
            jaw_pose=tensor(theta[:, JAW]), leye_pose=tensor(theta[:, 3]),
            reye_pose=tensor(theta[:, 4]), transl=tensor(translation),
        )  # fmt: skip
    model = read_flame_pickle(path)
    head = model.subject(beta[0])
    found = posed_vertices(
        HeadTensors.of(head), *(tensor(a).float() for a in (psi, theta, translation))
    ).numpy()
    error = np.linalg.norm(found - truth.vertices.numpy(), axis=-1)
    moved = np.linalg.norm(truth.vertices.numpy() - flame_dict["v_template"], axis=-1)
    assert moved.max() > 0.05
    assert error.max() < 1e-5  # m
    points = head.landmarks68.on(found)[:, 17:]
    assert np.abs(points - truth.joints.numpy()[:, 5:]).max() < 1e-5
