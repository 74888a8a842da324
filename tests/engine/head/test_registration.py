# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from engine.errors import HeadError
from engine.head.anatomy import vertex_landmarks
from engine.head.npz import read_head_npz
from engine.head.registration import closest_on, register, with_landmarks

NONE = vertex_landmarks(np.zeros(0, np.int32))
LIPS_AND_LIDS = (13, 14, 61, 291, 33, 133, 159, 145, 263, 362, 386, 374)  # MediaPipe points


@pytest.fixture(scope="module")
def another(generic_model):
    """Somebody else of the generic model, as a model of its own: a known correspondence."""
    beta = np.random.default_rng(3).normal(size=len(generic_model.identity_names))
    return replace(generic_model, mean=generic_model.subject(beta))


def test_closest_place_on_a_mesh_is_that_of_brute_force():
    rng = np.random.default_rng(0)
    mesh = trimesh.creation.icosphere(subdivisions=1)
    points = rng.normal(size=(40, 3))
    face, weights, distance = closest_on(points, mesh.vertices, mesh.faces)
    found = np.einsum("skc,sk->sc", mesh.vertices[mesh.faces[face]], weights)
    for point, place, far in zip(points, found, distance, strict=True):
        all_of_them = np.tile(point, (len(mesh.faces), 1))
        best = trimesh.triangles.closest_point(mesh.triangles, all_of_them)
        assert np.linalg.norm(best - point, axis=1).min() == pytest.approx(far, abs=1e-5)
        assert np.linalg.norm(place - point) == pytest.approx(far, abs=1e-5)


def test_skin_is_laid_onto_the_skin_of_somebody_else(generic_model, another):
    source, target = generic_model.mean, another.mean
    warp = register(source, target)
    inner = source.landmarks68.on(source.vertices)[17:]
    assert np.abs(warp(inner) - target.landmarks68.on(target.vertices)[17:]).max() < 5e-4  # m
    face = source.vertices_in("face")
    before = np.linalg.norm(source.vertices - target.vertices, axis=1)[face]
    after = np.linalg.norm(warp(source.vertices[face]) - target.vertices[face], axis=1)
    assert before.mean() > 0.003
    assert after.mean() < 0.0015
    assert (
        closest_on(warp(source.vertices[face]), target.vertices, target.skin_faces)[2].mean() < 6e-4
    )


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_landmarks_that_are_missing_are_laid_on(generic_model, another, scale):
    head = another.mean
    head = replace(head, vertices=head.vertices * scale, joints=head.joints * scale)
    truth = head.landmarks468.on(head.vertices)
    model = with_landmarks(replace(another, mean=replace(head, landmarks468=NONE)))
    error = np.linalg.norm(model.mean.landmarks468.on(head.vertices) - truth, axis=1) / scale
    assert np.median(error) < 0.001  # m
    assert error.max() < 0.006
    assert "laid on" in model.notes[-1]
    assert with_landmarks(model) is model


def test_known_rows_are_kept(another):
    points = another.mean.landmarks468
    known = np.arange(468) % 3 == 0
    some = replace(points, weights=points.weights * known[:, None])
    model = with_landmarks(replace(another, mean=replace(another.mean, landmarks468=some)))
    assert np.array_equal(model.mean.landmarks468.vertices[known], points.vertices[known])
    assert model.mean.landmarks468.weights.sum(1) == pytest.approx(1, abs=1e-5)


def test_on_a_model_of_another_make_they_are_good_to_some_millimetres(ict_file):
    measured = read_head_npz(ict_file)
    head = measured.mean
    truth = head.landmarks468.on(head.vertices)
    model = with_landmarks(replace(measured, mean=replace(head, landmarks468=NONE)))
    error = np.linalg.norm(model.mean.landmarks468.on(head.vertices) - truth, axis=1)
    assert np.median(error) < 0.005  # m; along the skin above all
    assert error[list(LIPS_AND_LIDS)].mean() < 0.003


def test_a_source_without_landmarks_is_refused(generic_model):
    bare = replace(generic_model.mean, landmarks68=NONE)
    with pytest.raises(HeadError, match="no 68 landmarks"):
        register(bare, generic_model.mean)
