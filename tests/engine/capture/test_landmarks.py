# SPDX-License-Identifier: GPL-3.0-or-later
"""The landmark providers."""

import numpy as np
import pytest

from engine.capture.landmarks import POINTS, distinct, overlap
from engine.capture.mediapipe_models import MediaPipeFaces, MediaPipeMatte


def test_mediapipe_finds_the_face_where_it_is(head_pictures, capfd):
    provider = MediaPipeFaces()
    boxes = provider.find(head_pictures[0])
    found = [provider.follow(picture) for picture in head_pictures[:3]]
    provider.close()
    assert all(len(faces) == 1 and faces[0].shape == (POINTS, 2) for faces in found)
    outside = (head_pictures[0] > 250).all(-1)  # the white around the head
    points = found[0][0][:468]
    x, y = points.astype(int).clip(0, 255).T
    assert outside[y, x].mean() < 0.05
    assert len(boxes) == 1
    np.testing.assert_allclose(boxes[0, :2], points.min(0), atol=40)
    np.testing.assert_allclose(boxes[0, 2:], points.max(0), atol=40)
    assert capfd.readouterr() == ("", "")


def test_started_anew_it_tells_the_same_again(head_pictures, capfd):
    provider = MediaPipeFaces()
    first = [provider.follow(picture)[0] for picture in head_pictures[:4]]
    provider.restart()
    again = [provider.follow(picture)[0] for picture in head_pictures[:4]]
    provider.close()
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert capfd.readouterr() == ("", "")


def test_mediapipe_mattes_the_person(head_pictures):
    model = MediaPipeMatte()
    mask = model.person(head_pictures[0])
    model.close()
    head = ~(head_pictures[0] > 250).all(-1)
    assert mask.shape == (256, 256)
    assert mask[head].mean() > 0.8 > 0.2 > mask[~head].mean()


def face(x, size):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (POINTS, 2)) * size + (x, 0)


def test_one_face_found_twice_counts_once_and_the_largest_comes_first():
    small, same, large = face(0, 50), face(5, 48), face(200, 80)
    assert [f[0, 0] for f in distinct([small, same, large])] == [large[0, 0], small[0, 0]]


def test_faces_that_are_not_finite_are_none_but_irises_may_be_missing():
    broken, blind = face(0, 50), face(0, 50)
    broken[5] = np.nan
    blind[468:] = np.nan
    assert len(distinct([broken, blind])) == 1


@pytest.mark.parametrize(("x", "share"), [(0, 1.0), (50, 0.5), (200, 0.0)])
def test_overlap_is_a_share_of_the_smaller_box(x, share):
    square = np.array([[0, 0], [100, 100.0]])
    assert overlap(square, square + np.array([x, 0])) == pytest.approx(share)
