# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
import torch

from engine.errors import HeadError
from engine.head.library import load_head_model
from engine.head.model import JAW, NECK, PARTS, REGIONS, check_head
from engine.head.npz import read_head_npz
from engine.head.skinning import HeadTensors, posed_vertices

ARKIT = {
    "mouthSmileLeft",
    "mouthSmileRight",
    "eyeBlinkLeft",
    "browDownRight",
    "jawLeft",
    "mouthPucker",
}


def pose(head, theta):
    tensors = HeadTensors.of(head)
    theta = torch.as_tensor(theta, dtype=torch.float32)[None]
    psi = torch.zeros(1, len(head.expression_names))
    return posed_vertices(tensors, psi, theta, torch.zeros(1, 3))[0].numpy()


@pytest.fixture
def save(tmp_path):
    def write(arrays, name="head.npz"):
        np.savez(tmp_path / name, **arrays)
        return tmp_path / name

    return write


# ICT


def test_ict_import_has_arkit_names_and_no_expression_that_a_joint_drives(ict_file):
    head = read_head_npz(ict_file).mean
    names = set(head.expression_names)
    assert ARKIT <= names
    assert len(names) == 53 - 1 - 8
    assert not any(name == "jawOpen" or name.startswith("eyeLook") or "_" in name for name in names)


def test_ict_jaw_rotation_with_its_corrective_is_the_scanned_open_jaw(ict_file):
    head = read_head_npz(ict_file).mean
    arrays = np.load(ict_file)
    theta = np.zeros((5, 3))
    theta[JAW, 0] = arrays["jaw_open_angle"]
    names = list(arrays["expression_names"])
    count = arrays["shapedirs"].shape[2] - len(names)
    scanned = arrays["v_template"] + arrays["shapedirs"][
        :, :, count + names.index("jawOpen")
    ].astype(np.float32)
    error = np.linalg.norm(pose(head, theta) - scanned, axis=1)
    assert error.max() < 5e-5  # m; half-precision correctives
    chin = arrays["landmarks68"][8]
    assert scanned[chin, 1] < head.vertices[chin, 1] - 0.02


def test_ict_eye_joint_turns_its_own_eyeball_alone(ict_file):
    head = read_head_npz(ict_file).mean
    theta = np.zeros((5, 3))
    theta[3, 1] = 0.3
    moved = np.linalg.norm(pose(head, theta) - head.vertices, axis=1) > 1e-4
    eye = head.vertices_in("eyeball")
    left = eye[head.vertices[eye, 0] > 0]
    assert moved[left].mean() > 0.8
    assert not moved[np.setdiff1d(eye, left)].any()
    assert not moved[head.vertices_in("scalp", "neck", "teeth")].any()


def test_ict_regions_parts_and_landmarks_lie_where_they_should(ict_file):
    head = read_head_npz(ict_file).mean
    check_head(head)
    assert set(np.unique(head.vertex_region)) == set(range(len(REGIONS)))
    on = head.landmarks68.on(head.vertices)
    assert (head.vertex_region[head.landmarks68.vertices[:, 0]] == REGIONS.index("face")).all()
    assert on[36:42, 0].max() < 0 < on[42:48, 0].min()  # the subject's right eye comes first
    mesh = head.landmarks468.on(head.vertices)
    assert np.linalg.norm(mesh[1] - on[30]) < 0.01  # MediaPipe 1 is the nose tip
    assert np.linalg.norm(mesh[152] - on[8]) < 0.02  # 152 the chin
    names = np.array(PARTS)[head.vertex_part[head.landmarks68.vertices[:, 0]]]
    assert set(names[36:42]) == {"eye_right"}
    assert set(names[42:48]) == {"eye_left"}
    assert set(names[48:]) == {"mouth"}
    assert names[30] == "nose"
    assert set(names[17:27]) == {"brows"}


def test_ict_subject_moves_vertices_and_joints_with_the_identity(ict_file):
    model = load_head_model(str(ict_file))
    beta = np.zeros(len(model.identity_names))
    beta[0] = 2
    head = model.subject(beta)
    assert np.abs(head.vertices - model.mean.vertices).max() > 1e-3
    assert np.abs(head.joints - model.joint_regressor @ head.vertices).max() < 1e-6


# FLAME's schema


def test_flame_schema_is_read(flame_arrays, save):
    model = read_head_npz(save(flame_arrays))
    head = model.mean
    assert model.identities.shape == (300, len(head.vertices), 3)
    assert len(head.expression_names) == 100
    assert np.allclose(model.identities[7], flame_arrays["shapedirs"][:, :, 7], atol=1e-5)
    assert np.allclose(head.expressions[3], flame_arrays["shapedirs"][:, :, 303], atol=1e-5)
    assert np.allclose(head.correctives[20], flame_arrays["posedirs"][:, :, 20], atol=1e-6)
    assert np.allclose(head.joints[3:], [[0.0315, 0.035, 0.07], [-0.0315, 0.035, 0.07]], atol=1e-6)
    assert len(head.landmarks68.vertices) == len(head.landmarks468.vertices) == 0


def test_flame_regions_and_parts_are_derived(flame_arrays, save):
    head = read_head_npz(save(flame_arrays)).mean
    eyes = head.vertices_in("eyeball")
    assert len(eyes) == 2 * 162
    assert set(head.vertex_part[eyes]) == {PARTS.index("eye_left"), PARTS.index("eye_right")}
    assert (head.vertices[head.vertices_in("neck"), 1] < 0.0).all()
    assert len(head.vertices_in("neck")) >= 48
    assert head.vertices[head.vertices_in("scalp"), 1].max() > 0.13
    assert set(np.unique(head.vertex_part)) == set(range(len(PARTS)))
    left = head.vertices[head.vertex_part == PARTS.index("cheek_left")]
    assert (left[:, 0] > 0).all()
    mouth = head.vertices[head.vertex_part == PARTS.index("mouth")]
    assert (mouth[:, 1] < 0).all()


def test_flame_landmarks_are_taken_from_the_file(flame_arrays, save):
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 5000, 51)
    bary = rng.dirichlet(np.ones(3), 51)
    arrays = flame_arrays | {
        "lmk_face_idx": faces, "lmk_b_coords": bary,
        "mediapipe_lmk_face_idx": faces[:20], "mediapipe_lmk_b_coords": bary[:20],
        "mediapipe_landmark_indices": np.arange(100, 120),
    }  # fmt: skip
    head = read_head_npz(save(arrays)).mean
    truth = np.einsum("lkc,lk->lc", flame_arrays["v_template"][flame_arrays["f"][faces]], bary)
    assert np.allclose(head.landmarks68.on(head.vertices)[17:], truth, atol=1e-6)
    known = head.landmarks468.weights.sum(1) > 0
    assert np.flatnonzero(known).tolist() == list(range(100, 120))
    assert np.allclose(head.landmarks468.on(head.vertices)[known], truth[:20], atol=1e-6)


def test_flame_other_splits(flame_arrays, save):
    short = flame_arrays | {"shapedirs": flame_arrays["shapedirs"][:, :, :150]}
    assert len(read_head_npz(save(short)).identities) == 100
    odd = flame_arrays | {"shapedirs": flame_arrays["shapedirs"][:, :, :77]}
    with pytest.raises(HeadError, match="n_shape"):
        read_head_npz(save(odd))
    assert len(read_head_npz(save(odd | {"n_shape": np.array(70)})).identities) == 70


def test_flame_neck_rotation_turns_the_head_but_not_the_shoulders(flame_arrays, save):
    head = read_head_npz(save(flame_arrays | {"posedirs": flame_arrays["posedirs"] * 0})).mean
    theta = np.zeros((5, 3))
    theta[NECK, 1] = 0.5
    posed = pose(head, theta)
    root = head.skin_weights[:, 0] == 1
    assert np.allclose(posed[root], head.vertices[root], atol=1e-6)
    assert np.linalg.norm(posed - head.vertices, axis=1).max() > 0.03


# Bad files


def test_missing_file(tmp_path):
    with pytest.raises(HeadError, match="no head model"):
        read_head_npz(tmp_path / "none.npz")


def test_no_npz(tmp_path):
    (tmp_path / "a.npz").write_text("hello")
    with pytest.raises(HeadError, match="no npz file"):
        read_head_npz(tmp_path / "a.npz")


def test_truncated_npz(flame_arrays, save):
    path = save(flame_arrays)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(HeadError, match="damaged"):
        read_head_npz(path)


class Bomb:
    """Unpickling it would be noticed."""

    exploded = False

    def __reduce__(self):
        return (setattr, (Bomb, "exploded", True))


def test_pickle_is_named_and_never_loaded(flame_arrays, save, tmp_path):
    objects = np.array([Bomb()], dtype=object)
    with pytest.raises(HeadError, match=r"carries a pickle \(in J_regressor\)"):
        read_head_npz(save(flame_arrays | {"J_regressor": objects}))
    (tmp_path / "generic_model.pkl").write_bytes(b"\x80\x04N.")
    with pytest.raises(HeadError, match="is a pickle"):
        read_head_npz(tmp_path / "generic_model.pkl")
    assert not Bomb.exploded


def test_wrong_schema_lists_what_is_missing(flame_arrays, save):
    arrays = {
        name: array for name, array in flame_arrays.items() if name not in ("weights", "posedirs")
    }
    with pytest.raises(HeadError, match="as FLAME it lacks posedirs, weights"):
        read_head_npz(save(arrays))


def test_numbers_that_are_not_finite(flame_arrays, save):
    vertices = flame_arrays["v_template"].copy()
    vertices[3, 1] = np.nan
    with pytest.raises(HeadError, match="not finite"):
        read_head_npz(save(flame_arrays | {"v_template": vertices}))


def test_arrays_that_do_not_fit(flame_arrays, save):
    with pytest.raises(HeadError):
        read_head_npz(save(flame_arrays | {"weights": flame_arrays["weights"][:-1]}))
    with pytest.raises(HeadError):
        read_head_npz(save(flame_arrays | {"f": flame_arrays["f"] + 50}))
    with pytest.raises(HeadError, match="hang together"):
        read_head_npz(save(flame_arrays | {"kintree_table": np.array([[-1, 0, 0, 1, 1]])}))
