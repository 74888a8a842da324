# SPDX-License-Identifier: GPL-3.0-or-later
"""A head with more or fewer vertices is still that head."""

import numpy as np
import pytest
import trimesh

from engine.bench.meshes import with_vertices
from engine.head.library import load_head_model
from engine.head.model import check_head


@pytest.fixture(scope="module")
def head():
    return load_head_model("generic").mean


@pytest.mark.parametrize("count", [5_000, 12_000, 25_000])
def test_it_has_as_many_vertices_and_lies_where_it_lay(head, count):
    other = with_vertices(head, count)
    check_head(other)
    assert len(other.vertices) == count
    assert len(other.uv_faces) == len(other.faces)
    np.testing.assert_allclose(other.vertices.min(0), head.vertices.min(0), atol=0.004)
    np.testing.assert_allclose(other.vertices.max(0), head.vertices.max(0), atol=0.004)
    ours, theirs = (trimesh.Trimesh(h.vertices, h.faces, process=False) for h in (other, head))
    assert ours.area == pytest.approx(theirs.area, rel=0.02)
    np.testing.assert_allclose(other.skin_weights.sum(1), 1, atol=1e-5)


def test_splitting_keeps_triangles_turned_outwards(head):
    other = with_vertices(head, 12_000)
    ours, theirs = (trimesh.Trimesh(h.vertices, h.faces, process=False) for h in (other, head))
    assert ours.volume == pytest.approx(theirs.volume, rel=1e-3)
    assert ours.euler_number == theirs.euler_number


def test_landmarks_stay_where_they_were(head):
    other = with_vertices(head, 5_000)
    moved = other.landmarks68.on(other.vertices) - head.landmarks68.on(head.vertices)
    assert np.linalg.norm(moved, axis=1).max() < 0.01
