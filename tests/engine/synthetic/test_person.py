# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from engine.head.model import JAW
from engine.head.skinning import canonical_vertices, posed_vertices
from engine.synthetic.creases import TERMS, activations
from engine.synthetic.fields import field_names, signed_polygon
from engine.synthetic.look import make_look
from engine.synthetic.noise import Noise
from engine.synthetic.person import make_person
from engine.synthetic.refine import loop_matrix
from engine.synthetic.torso import make_torso

SEED = 5
NO_SHIFT = np.zeros(3, np.float32)


def expression(names, **values):
    """Coefficients [E] for ARKit names without their side."""
    sides = {
        side: value
        for name, value in values.items()
        for side in (name, name + "Left", name + "Right")
    }
    return np.array([sides.get(name, 0.0) for name in names], np.float32)


def residual(person, psi, theta):
    """Distances [V] m between the true skin and the linear head of the same refinement."""
    true = person.pose(psi, theta, NO_SHIFT).skin
    arguments = [torch.from_numpy(np.asarray(x, np.float32))[None] for x in (psi, theta, NO_SHIFT)]
    return np.linalg.norm(
        true - posed_vertices(person.surface.tensors, *arguments)[0].numpy(), axis=1
    )


def test_same_seed_same_person_and_another_seed_another(generic, person):
    again, other = make_person(SEED, generic), make_person(SEED + 1, generic)
    np.testing.assert_array_equal(again.surface.rest, person.surface.rest)
    np.testing.assert_array_equal(again.hair.vertices, person.hair.vertices)
    assert not np.allclose(other.head.vertices, person.head.vertices, atol=1e-4)
    assert not np.allclose(other.look.skin, person.look.skin)
    assert other.hair.vertices.shape != person.hair.vertices.shape


def test_looks_vary_over_seeds():
    looks = [make_look(seed) for seed in range(24)]
    assert len({look.style for look in looks}) == 6
    assert np.std([look.skin.mean() for look in looks]) > 0.05
    assert np.std([look.hair.mean() for look in looks]) > 0.03
    assert {np.sign(look.key.towards[0]) for look in looks} == {-1.0, 1.0}


def test_at_neutral_the_skin_is_the_linear_head_but_for_small_lumps(person):
    theta = np.zeros((5, 3), np.float32)
    off = residual(person, np.zeros(len(person.head.expression_names)), theta)
    assert 0.0001 < off.max() < 0.004
    assert off.mean() < 0.0006
    calm = person.creases.activations(np.zeros(len(person.head.expression_names)), theta)
    assert set(calm) == set(TERMS)
    assert max(calm.values()) == 0.0


@pytest.mark.parametrize(
    ("jaw", "face"),
    [
        (0.3, {"mouthSmile": 1.0, "cheekSquint": 0.7}),
        (0.3, {"mouthPucker": 0.8, "mouthFunnel": 0.4}),
        (0.0, {"browInnerUp": 1.0, "browOuterUp": 1.0, "mouthPucker": 1.0}),
    ],
)
def test_strong_expressions_leave_the_linear_head_by_millimetres(person, jaw, face):
    theta = np.zeros((5, 3), np.float32)
    theta[JAW, 0] = jaw
    psi = expression(person.head.expression_names, **face)
    full, half = residual(person, psi, theta), residual(person, psi / 2, theta / 2)
    neutral = residual(person, 0 * psi, 0 * theta)
    assert full.max() > 0.0035
    assert (full - neutral).max() > 2.5 * (half - neutral).max()  # faster than linear


@pytest.mark.parametrize(
    ("term", "face"),
    [
        ("forehead", {"browInnerUp": 1.0, "browOuterUp": 1.0}),
        ("frown", {"browDown": 1.0}),
        ("crowLeft", {"mouthSmile": 0.7, "cheekSquint": 0.7, "eyeSquint": 0.7}),
        ("foldLeft", {"mouthSmile": 1.0}),
        ("chin", {"mouthShrugLower": 1.0}),
    ],
)
def test_wrinkles_are_deep_in_a_full_expression_and_shallow_in_half_of_it(person, term, face):
    theta = np.zeros((5, 3), np.float32)
    psi = expression(person.head.expression_names, **face)
    own = np.linalg.norm(person.creases.displacement[TERMS.index(term)], axis=1).max()
    full, half = (person.creases.activations(share * psi, theta)[term] for share in (1.0, 0.5))
    assert 0.0012 < full * own < 0.005
    assert half < 0.35 * full


def test_wrinkled_skin_does_not_fold_over(person):
    theta = np.zeros((5, 3), np.float32)
    face = {"browInnerUp": 1.0, "browOuterUp": 1.0, "mouthSmile": 1.0, "cheekSquint": 0.8}
    posed = person.pose(expression(person.head.expression_names, **face), theta, NO_SHIFT).skin
    forehead = person.surface.vertices_in("face") & (person.fields.forehead > 0.008)
    faces = person.surface.faces[forehead[person.surface.faces].all(1)]
    before, after = (
        np.cross(v[faces[:, 1]] - v[faces[:, 0]], v[faces[:, 2]] - v[faces[:, 0]])
        for v in (person.surface.rest, posed)
    )
    assert len(faces) > 300
    assert (np.sum(before * after, 1) > 0).all()


def test_creases_are_products_and_squares():
    smile = activations({"mouthSmileLeft": 1.0}, 0.0)
    both = activations({"mouthSmileLeft": 1.0}, 0.35)
    half = activations({"mouthSmileLeft": 0.5}, 0.0)
    assert smile["grinLeft"] == 0.0
    assert both["grinLeft"] == pytest.approx(1.0)
    assert half["foldLeft"] == pytest.approx(smile["foldLeft"] / 4)
    assert smile["foldRight"] == 0.0


def test_a_broad_smile_bares_the_teeth_and_more_so_with_the_mouth_open():
    closed, open_, mild = (
        activations({"mouthSmile" + s: smile for s in ("Left", "Right")}, jaw)["bare"]
        for smile, jaw in ((0.8, 0.0), (0.8, 0.2), (0.4, 0.0))
    )
    assert open_ > 1.2 * closed
    assert mild == pytest.approx(closed / 4)
    assert activations({}, 0.3)["bare"] == 0.0


def test_only_skin_creases(person):
    inner = person.surface.vertices_in("eyeball", "teeth", "mouth_cavity", "tongue", "eye_socket")
    assert inner.any()
    assert np.abs(person.creases.displacement[:, inner]).max() == 0.0


def test_hair_stands_off_the_skull_by_centimetres_and_turns_with_it(generic):
    person = make_person(4, generic)
    assert person.look.style == "curly"
    skin = person.surface.rest[person.surface.vertices_in("scalp", "face", "ear", "neck")]
    away = cKDTree(skin).query(person.hair.vertices)[0]
    assert 0.008 < np.percentile(away, 99) < 0.035
    theta = np.zeros((5, 3), np.float32)
    theta[1] = (0.1, 0.3, 0.0)
    turned = person.pose(np.zeros(len(person.head.expression_names)), theta, NO_SHIFT).hair
    lengths = [
        np.linalg.norm(np.diff(v[:: len(v) // 50], axis=0), axis=1)
        for v in (person.hair.vertices, turned)
    ]
    np.testing.assert_allclose(*lengths, atol=1e-5)
    assert np.abs(turned - person.hair.vertices).max() > 0.01


def test_fields_lie_where_their_names_say(person):
    at = dict(zip(field_names(), person.fields.stacked().T, strict=True))
    rest, marks = person.surface.rest, person.face.landmarks
    to = lambda k: int(np.argmin(np.linalg.norm(rest - marks[k], axis=1)))  # noqa: E731
    assert at["lip"][to(62)] < 0 < at["lip"][to(33)]
    assert at["brow"][to(24)] < 0.004
    assert at["hair"][to(27)] < 0 < at["hair"][int(np.argmax(rest[:, 1]))]
    assert at["nose"][to(30)] < 0.004
    assert at["beard"][to(8)] > 0.5
    assert at["beard"][to(27)] == 0


def test_signed_polygon_against_a_square():
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0.0]])
    points = np.array([[0.5, 0.5], [0.5, 0.9], [1.5, 0.5], [2.0, 2.0]])
    np.testing.assert_allclose(
        signed_polygon(points, square), [-0.5, -0.1, 0.5, np.sqrt(2)], atol=1e-3
    )


def test_loop_subdivision_keeps_a_plane_and_its_edge():
    x, y = np.meshgrid(np.arange(5.0), np.arange(4.0))
    vertices = np.stack([x.ravel(), y.ravel(), np.full(20, 2.0)], 1)
    a = (np.arange(3)[:, None] * 5 + np.arange(4)).ravel()
    faces = np.concatenate([np.stack([a, a + 1, a + 6], 1), np.stack([a, a + 6, a + 5], 1)]).astype(
        np.int32
    )
    matrix, fine, edges = loop_matrix(faces, 20)
    new = matrix @ vertices
    assert len(fine) == 4 * len(faces)
    assert len(new) == 20 + len(edges)
    np.testing.assert_allclose(np.asarray(matrix.sum(1)).ravel(), 1, atol=1e-6)
    np.testing.assert_allclose(new[:, 2], 2, atol=1e-6)
    area = np.cross(new[fine[:, 1]] - new[fine[:, 0]], new[fine[:, 2]] - new[fine[:, 0]])[:, 2] / 2
    assert (area > 0).all()
    assert area.sum() == pytest.approx(12, abs=0.3)  # corners are rounded


def test_noise_gradient_is_its_slope():
    noise, at = Noise(1), np.random.default_rng(0).uniform(-0.1, 0.1, (400, 3)).astype(np.float32)
    _, slope = noise.slope(at, 0.05)
    step = 0.01  # one voxel: values are piecewise linear
    finite = np.stack(
        [
            (noise.value(at + step * e, 0.05) - noise.value(at - step * e, 0.05)) / (2 * step)
            for e in np.eye(3)
        ],
        1,
    )
    assert np.corrcoef(slope.ravel(), finite.ravel())[0, 1] > 0.97
    assert np.sum(slope * finite) / np.sum(finite**2) == pytest.approx(1, abs=0.12)
    assert 0.8 < noise.value(at, 0.05).std() < 1.2


def test_collar_covers_the_end_of_the_neck(person):
    torso = make_torso(person.surface, person.noise)
    neck = person.surface.rest[person.surface.vertices_in("neck")]
    assert torso.vertices[:, 1].max() > neck[:, 1].min()
    assert torso.vertices[:, 1].min() < neck[:, 1].min() - 0.2
    assert np.ptp(torso.vertices[:, 0]) > 0.3


def test_canonical_head_is_near_the_true_surface(person):
    theta = np.zeros((5, 3), np.float32)
    theta[JAW, 0] = 0.2
    true = person.pose(np.zeros(len(person.head.expression_names)), theta, NO_SHIFT).skin
    off = np.linalg.norm(true - canonical_vertices(person.surface.tensors).numpy(), axis=1)
    assert off.mean() < 0.0006
