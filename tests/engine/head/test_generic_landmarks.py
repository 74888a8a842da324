# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the generic head's landmarks lie, and that a landmark finder sees a face in it."""

import numpy as np
import pytest

from engine.head.generic import base_colours
from engine.head.model import EYE_LEFT, EYE_RIGHT, REGIONS, SKIN_REGIONS
from engine.render.mesh import portrait_camera, shade


def test_landmarks_lie_in_ibug_order(head):
    points = head.landmarks68.on(head.vertices)
    partner = [16 - i for i in range(17)] + [26 - i for i in range(10)] + [27, 28, 29, 30]
    partner += [35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    partner += [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
    np.testing.assert_allclose(points[partner] * (-1, 1, 1), points, atol=2e-4)
    assert (np.diff(points[:17, 0]) > 0).all()  # right ear to left ear
    assert points[8, 1] == points[:, 1].min()
    assert (np.diff(points[17:27, 0]) > 0).all()
    assert (np.diff(points[27:31, 2]) > 0).all()
    assert points[[37, 38], 1].min() > points[[40, 41], 1].max()  # upper over lower lid
    assert points[36, 0] < points[39, 0] < points[42, 0] < points[45, 0]
    assert points[51, 1] > points[[62, 66], 1].max()
    assert points[[62, 66], 1].min() > points[57, 1]


def test_mediapipe_points_lie_sensibly(head, posed):
    points = head.landmarks468.on(head.vertices)
    skin = np.isin(head.vertex_region, [REGIONS.index(name) for name in SKIN_REGIONS])
    assert skin[head.landmarks468.vertices].all()
    iris = head.joints[[EYE_RIGHT, EYE_LEFT], 0]
    assert points[33, 0] < iris[0] < points[133, 0] < points[362, 0] < iris[1] < points[263, 0]
    ibug = head.landmarks68.on(head.vertices)
    same = {33: 36, 133: 39, 362: 42, 263: 45, 78: 60, 308: 64, 13: 62, 14: 66, 1: 30, 152: 8}
    for mediapipe, other in same.items():
        limit = 0.014 if mediapipe in (1, 152) else 0.0015
        assert np.linalg.norm(points[mediapipe] - ibug[other]) < limit, mediapipe
    jaw = posed(head, turn=(0.3, 0, 0))
    apart = head.landmarks468.on(jaw)
    assert apart[13, 1] - apart[14, 1] > 0.015  # each on its own lip
    lips = ((38, 86), (41, 179), (268, 316), (271, 403), (72, 85), (302, 315), (37, 84), (267, 314))
    for upper, lower in lips:
        assert (apart - points)[upper, 1] > -0.004, upper  # the upper lip stays
        assert (apart - points)[lower, 1] < -0.010, lower  # the lower one goes
    blink = head.landmarks468.on(posed(head, {"eyeBlinkLeft": 1}))
    assert points[386, 1] - points[374, 1] > 0.007
    assert abs(blink[386, 1] - blink[374, 1]) < 0.0015


def test_mediapipe_points_lie_near_the_skin_and_evenly(head):
    offset = head.landmarks468.offset
    away = np.linalg.norm(offset, axis=1)
    assert 0 < away.mean() < 0.002  # m
    assert away.max() < 0.009
    points = head.landmarks468.on(head.vertices) + offset
    pairs = ((33, 263), (133, 362), (61, 291), (78, 308), (127, 356), (234, 454), (58, 288),
             (172, 397), (70, 300), (105, 334), (48, 278), (205, 425))  # fmt: skip
    for right, left in pairs:
        np.testing.assert_allclose(points[right] * (-1, 1, 1), points[left], atol=2e-4)
    # the face's oval, from ear to ear, is ordered and goes round the face
    oval = [127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152]
    assert (np.diff(points[oval, 1]) < 0).all()
    assert (np.abs(points[oval[:5], 0]) > 0.055).all()


@pytest.mark.slow
def test_mediapipe_finds_the_head(head):
    mediapipe = pytest.importorskip("mediapipe")
    colours = base_colours(head)
    errors = []
    with mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, refine_landmarks=True
    ) as finder:
        for degrees in (-30, -15, 0, 15, 30):
            camera = portrait_camera(head.vertices, 384, np.radians(degrees))
            picture = shade(head.vertices, head.faces, camera, colours)
            found = finder.process(picture).multi_face_landmarks
            assert found, degrees
            seen = np.array([(p.x, p.y) for p in found[0].landmark[:468]]) * 384
            ours, _ = camera.project(head.landmarks468.on(head.vertices))
            errors.append(np.median(np.linalg.norm(seen - ours, axis=1)))
    assert max(errors) < 4.0, errors  # px of 384; the face is about 150 px wide


def test_colours_cover_every_vertex(head):
    colours = base_colours(head)
    assert colours.shape == head.vertices.shape
    assert colours.min() >= 0
    assert colours.max() <= 1
    lips = head.landmarks68.vertices[[62, 66], 0]
    assert (colours[lips, 0] > colours[lips, 1] + 0.2).all()
