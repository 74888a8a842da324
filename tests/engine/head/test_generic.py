# SPDX-License-Identifier: GPL-3.0-or-later
"""The generic head at rest: its surface, its weights, and the people it can be."""

import subprocess
import sys

import numpy as np
import pytest

from engine.head.generic.build import generic_body
from engine.head.model import (
    EYE_LEFT,
    EYE_RIGHT,
    JAW,
    PARTS,
    REGIONS,
    Head,
    check_head,
)
from engine.render.mesh import vertex_normals

SIDES = ("Left", "Right")


def test_fills_the_interface(head, generic_model):
    check_head(head)
    assert head.model_name == "generic"
    assert 5_000 <= len(head.vertices) <= 10_000
    assert generic_model.identities.shape == (
        len(generic_model.identity_names),
        len(head.vertices),
        3,
    )
    assert len(generic_model.identity_names) >= 24
    assert len(set(generic_model.identity_names)) == len(generic_model.identity_names)
    assert head.landmarks68.vertices.shape == (68, 3)
    assert head.landmarks468.vertices.shape == (468, 3)
    for landmarks in (head.landmarks68, head.landmarks468):
        assert landmarks.weights.min() >= 0
        np.testing.assert_allclose(landmarks.weights.sum(1), 1, atol=1e-5)


def test_survives_its_file_form(head):
    header, arrays = head.to_arrays()
    again = Head.from_arrays(header, arrays)
    assert again.model_fingerprint == head.model_fingerprint
    np.testing.assert_array_equal(again.vertices, head.vertices)


def test_has_human_proportions(head):
    skull = head.vertices[head.vertices_in("face", "scalp")]
    breadth, _, length = np.ptp(skull, axis=0)
    assert 0.145 < breadth < 0.162
    assert 0.185 < length < 0.225  # with the nose
    points = head.landmarks68.on(head.vertices)
    assert 0.055 < np.linalg.norm(head.joints[EYE_LEFT] - head.joints[EYE_RIGHT]) < 0.070
    assert 0.045 < np.linalg.norm(points[54] - points[48]) < 0.058  # mouth
    assert 0.026 < np.linalg.norm(points[45] - points[42]) < 0.034  # eye
    assert 0.100 < points[27, 1] - points[8, 1] < 0.130  # nasion to chin
    assert points[30, 2] == points[:, 2].max()  # the tip of the nose is in front


def test_is_symmetric(head, body):
    flip = np.array([-1, 1, 1], np.float32)
    mirror = body.mirror
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(mirror)))
    np.testing.assert_allclose(head.vertices[mirror] * flip, head.vertices, atol=1e-7)
    swap = [0, 1, 2, 4, 3]
    np.testing.assert_allclose(head.skin_weights[mirror][:, swap], head.skin_weights, atol=1e-6)
    moves = dict(zip(head.expression_names, head.expressions.astype(np.float32), strict=True))
    for name in head.expression_names:
        other = name.replace("Left", "~").replace("Right", "Left").replace("~", "Right")
        np.testing.assert_allclose(moves[name][mirror] * flip, moves[other], atol=2e-5)
    faces = {tuple(sorted(face)) for face in head.faces}
    assert faces == {tuple(sorted(face)) for face in mirror[head.faces]}


def test_faces_look_outwards_and_are_sound(head):
    a, b, c = (head.vertices[head.skin_faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    assert area.min() > 1e-10
    skull = head.vertices_in("face", "scalp")
    outward = head.vertices[skull] - np.array([0, 0.03, 0.01])
    normals = vertex_normals(head.vertices, head.skin_faces)[skull]
    assert ((normals * outward).sum(1) > 0).mean() > 0.98
    ball = np.isin(head.vertex_region, REGIONS.index("eyeball")) & (head.vertices[:, 0] > 0)
    ball_normals = vertex_normals(head.vertices, head.faces)[ball]
    assert ((head.vertices[ball] - head.joints[EYE_LEFT]) * ball_normals).sum(1).min() > 0


def test_skin_is_one_surface_with_a_hole_for_the_neck_eyes_and_mouth(head, body):
    skin = body.pieces["skin"]
    faces = head.faces[skin[head.faces].all(1)]
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    assert counts.max() == 2  # a manifold
    border = unique[counts == 1]
    _, degree = np.unique(border, return_counts=True)
    assert (degree == 2).all()  # closed loops
    assert _loops(border) == 4


def _loops(edges: np.ndarray) -> int:
    """How many connected components the edges [n, 2] form."""
    label = {int(v): int(v) for v in edges.ravel()}

    def root(v: int) -> int:
        while label[v] != v:
            v = label[v]
        return v

    for a, b in edges:
        label[root(int(a))] = root(int(b))
    return len({root(v) for v in label})


def test_regions_and_parts_are_all_there(head):
    assert set(np.unique(head.vertex_region)) == set(range(len(REGIONS)))
    assert set(np.unique(head.vertex_part)) == set(range(len(PARTS)))
    counts = np.bincount(head.vertex_part)
    for left, right in (("eye_left", "eye_right"), ("cheek_left", "cheek_right")):
        side = head.vertices[head.vertex_part == PARTS.index(left), 0]
        assert side.min() >= 0
        assert abs(int(counts[PARTS.index(left)]) - int(counts[PARTS.index(right)])) < 30
    assert head.vertex_part[head.vertices_in("teeth", "tongue")].tolist() == [
        PARTS.index("mouth")
    ] * len(head.vertices_in("teeth", "tongue"))


def test_unwrap_stays_in_the_picture_and_skin_does_not_overlap(head, body):
    assert head.uv.min() >= 0
    assert head.uv.max() <= 1
    skin = body.pieces["skin"][head.faces].all(1)
    a, b, c = (head.uv[head.uv_faces[skin, i]].astype(float) for i in range(3))
    ab, ac = b - a, c - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    assert (area > 0).mean() > 0.97  # a fold-free map turns no triangle over
    assert np.abs(area).sum() / 2 < 0.8


def test_weights_and_regressor_sum_to_one(head, generic_model):
    np.testing.assert_allclose(head.skin_weights.sum(1), 1, atol=1e-6)
    assert head.skin_weights.min() >= 0
    np.testing.assert_allclose(generic_model.joint_regressor.sum(1), 1, atol=1e-4)
    np.testing.assert_allclose(
        generic_model.joint_regressor @ head.vertices, head.joints, atol=1e-6
    )
    balls = head.vertices_in("eyeball")
    own = np.where(head.vertices[balls, 0] > 0, EYE_LEFT, EYE_RIGHT)
    assert (head.skin_weights[balls, own] == 1).all()
    for name, value in (("teeth_lower", 1), ("teeth_upper", 0), ("tongue", 1)):
        assert (head.skin_weights[generic_body().pieces[name], JAW] == value).all()


def test_weights_are_smooth_over_the_skin(head, body):
    skin = body.pieces["skin"]
    faces = head.faces[skin[head.faces].all(1)]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    length = np.linalg.norm(head.vertices[edges[:, 0]] - head.vertices[edges[:, 1]], axis=1)
    step = np.abs(head.skin_weights[edges[:, 0]] - head.skin_weights[edges[:, 1]]).max(1)
    away = np.abs(head.vertices[edges].mean(1) - [0, -0.030, 0.105]).max(1) > 0.03
    assert (step / np.maximum(length, 1e-3))[away].max() < 120  # per metre: 0.12 per millimetre


def test_eye_joints_are_the_eyeballs_centres_for_every_identity(generic_model):
    rng = np.random.default_rng(5)
    for _ in range(4):
        subject = generic_model.subject(rng.normal(0, 1.2, len(generic_model.identity_names)))
        for joint, sign in ((EYE_LEFT, 1), (EYE_RIGHT, -1)):
            balls = subject.vertices_in("eyeball")
            ball = subject.vertices[balls[np.sign(generic_model.mean.vertices[balls, 0]) == sign]]
            radius = np.linalg.norm(ball - subject.joints[joint], axis=1)
            assert np.ptp(radius) < 2e-5  # float16 steps of the basis


@pytest.mark.parametrize("value", [-2.0, 2.0])
def test_identities_stay_sane(generic_model, value):
    for index, name in enumerate(generic_model.identity_names):
        beta = np.zeros(len(generic_model.identity_names), np.float32)
        beta[index] = value
        subject = generic_model.subject(beta)
        shift = np.linalg.norm(subject.vertices - generic_model.mean.vertices, axis=1).max()
        assert 0.001 < shift < 0.016, name
        one = _signed_areas(generic_model.mean)
        two = _signed_areas(subject)
        assert (np.einsum("fc,fc->f", one, two) > 0).mean() > 0.999, name  # nothing turns over


def test_identities_are_even_or_make_the_face_crooked(generic_model, body):
    flip = np.array([-1, 1, 1], np.float32)
    odd = {"nose_aside", "chin_aside"}
    assert odd <= set(generic_model.identity_names)
    for name, mode in zip(
        generic_model.identity_names, generic_model.identities.astype(np.float32), strict=True
    ):
        sign = -1 if name in odd else 1
        np.testing.assert_allclose(mode[body.mirror] * flip * sign, mode, atol=2e-5, err_msg=name)


def test_no_identity_mode_is_made_of_the_others(generic_model):
    modes = generic_model.identities.reshape(len(generic_model.identities), -1).astype(np.float64)
    modes /= np.linalg.norm(modes, axis=1, keepdims=True)
    left = np.diag(np.linalg.inv(modes @ modes.T)) ** -0.5  # what the others do not explain
    for name, share in zip(generic_model.identity_names, left, strict=True):
        assert share > 0.2, name


def test_heads_of_many_people_have_the_size_of_heads(generic_model):
    rng = np.random.default_rng(11)
    regions = ("face", "scalp", "neck")
    for _ in range(12):
        head = generic_model.subject(rng.normal(0, 1, len(generic_model.identity_names)))
        a, b, c = (head.vertices[head.faces_in(*regions)[:, i]].astype(float) for i in range(3))
        volume = np.einsum("fc,fc->f", a, np.cross(b, c)).sum() / 6  # m³; holes are small
        assert 0.0035 < volume < 0.0075
        breadth = np.ptp(head.vertices[head.vertices_in("face", "scalp"), 0])
        assert 0.135 < breadth < 0.180


def _signed_areas(head: Head) -> np.ndarray:
    a, b, c = (head.vertices[head.skin_faces[:, i]] for i in range(3))
    return np.cross(b - a, c - a)


def test_is_the_same_in_another_process(head):
    code = (
        "from engine.head.generic import build_generic_head as b; print(b().mean.model_fingerprint)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == head.model_fingerprint
