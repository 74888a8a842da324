# SPDX-License-Identifier: GPL-3.0-or-later
"""How the generic head moves: expressions, lids, lips, jaw and neck."""

from dataclasses import replace

import numpy as np
import pytest

from engine.head.generic.landmarks import lid_margin, lip_line
from engine.head.model import EYE_LEFT, NECK, REGIONS, Head
from engine.render.camera import Camera
from engine.render.mesh import portrait_camera, view_mesh

SIDES = ("Left", "Right")


def move(head: Head, name: str) -> np.ndarray:
    return head.expressions[head.expression_names.index(name)].astype(np.float32)


def test_expression_names_are_arkits(head):
    names = set(head.expression_names)
    sided = ("eyeBlink", "eyeSquint", "eyeWide", "browDown", "browOuterUp", "cheekSquint",
             "noseSneer", "mouthSmile", "mouthFrown", "mouthStretch", "mouthUpperUp",
             "mouthLowerDown", "mouthDimple", "mouthPress", "mouth", "jaw",
             "browInnerUp", "cheekPuff")  # fmt: skip
    whole = {"mouthPucker", "mouthFunnel", "mouthRollUpper", "mouthRollLower", "mouthShrugUpper",
             "mouthShrugLower", "mouthClose", "jawForward", "tongueOut"}  # fmt: skip
    assert names == whole | {name + side for name in sided for side in SIDES}
    assert len(names) == len(head.expression_names) == 45


def test_halves_of_an_expression_join_without_a_step(head, body):
    """Both halves together move the middle as much as what lies beside it."""
    for name in ("browInnerUp", "cheekPuff"):
        both = sum(move(head, name + side) for side in SIDES)
        np.testing.assert_allclose(both[body.mirror] * [-1, 1, 1], both, atol=2e-5)
        middle = np.flatnonzero(body.mirror == np.arange(len(body.mirror)))
        top = middle[np.linalg.norm(both[middle], axis=1).argmax()]
        near = np.linalg.norm(head.vertices - head.vertices[top], axis=1) < 0.005
        assert np.linalg.norm(both[near] - both[top], axis=1).max() < 1.5e-3, name


def test_sided_expressions_move_only_their_side(head):
    x = head.vertices[:, 0]
    for name in head.expression_names:
        if name in ("mouthLeft", "mouthRight", "jawLeft", "jawRight"):
            continue  # these move the whole mouth sideways
        for side, sign in (("Left", 1), ("Right", -1)):
            if name.endswith(side):
                amount = np.linalg.norm(move(head, name), axis=1)
                assert amount.max() > 0.8e-3, name
                assert amount[x * sign < -0.012].max(initial=0) < 1e-6, name


# where an expression may move skin: (y from, y to) mm
BOUNDS = {"brow": (38, 110), "eye": (5, 62), "nose": (-38, 50), "mouth": (-90, 40),
          "cheek": (-75, 55), "jaw": (-125, 30), "tongue": (-90, 40)}  # fmt: skip


def test_expressions_are_local(head):
    y = head.vertices[:, 1] * 1e3
    for name in head.expression_names:
        low, high = next(span for key, span in BOUNDS.items() if name.startswith(key))
        amount = np.linalg.norm(move(head, name), axis=1)
        assert amount[(y < low) | (y > high)].max() < 0.35e-3, name
        behind = head.vertices[:, 2] < -0.03
        assert amount[behind].max() < 1e-4, name
        balls = head.vertices_in("eyeball")
        assert amount[balls].max() == 0, name


def test_expressions_go_the_right_way(head):
    points = {name: head.landmarks68.on(move(head, name)) for name in head.expression_names}
    assert points["mouthSmileLeft"][54, 1] > 3e-3  # the corner goes up
    assert points["mouthSmileLeft"][54, 0] > 3e-3  # and out
    assert points["mouthFrownRight"][48, 1] < -3e-3
    assert points["mouthPucker"][54, 0] < -3e-3
    assert points["mouthPucker"][48, 0] > 3e-3
    assert points["mouthLeft"][[48, 51, 54, 57], 0].min() > 3e-3
    assert points["browDownLeft"][23, 1] < -2e-3
    assert points["browInnerUpLeft"][22, 1] > 2e-3
    assert points["browInnerUpRight"][21, 1] > 2e-3
    assert points["browOuterUpRight"][18, 1] > 2e-3
    assert points["eyeWideLeft"][[43, 44], 1].min() > 0.5e-3
    assert points["mouthUpperUpLeft"][63, 1] > 2e-3
    assert points["mouthLowerDownLeft"][65, 1] < -2e-3
    assert points["noseSneerLeft"][35, 1] > 1e-3


def face_camera(head: Head, size: int, yaw: float, pitch: float = 0.0) -> Camera:
    camera = portrait_camera(head.vertices, size, yaw, pitch)
    return replace(camera, fx=camera.fx * 2, fy=camera.fy * 2)


def eyeball_pixels(head: Head, vertices: np.ndarray, yaw: float, pitch: float) -> int:
    """How many of 400 x 400 pixels show an eyeball."""
    view = view_mesh(vertices, head.faces, face_camera(head, 400, yaw, pitch))
    ball = head.vertex_region[head.faces[:, 0]] == REGIONS.index("eyeball")
    return int((ball[view.face] & view.hit).sum())


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (-0.5, 0), (0, 0.5), (0, -0.5)])
def test_blink_covers_the_eyeballs(head, yaw, pitch, posed):
    def blinked(amount: float) -> int:
        psi = {"eyeBlinkLeft": amount, "eyeBlinkRight": amount}
        return eyeball_pixels(head, posed(head, psi), yaw, pitch)

    seen = [blinked(amount) for amount in (0, 0.5, 1)]
    assert seen[0] > 600
    assert 0.2 * seen[0] < seen[1] < 0.7 * seen[0]
    assert seen[2] == 0


@pytest.mark.parametrize("amount", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_eyeball_never_pokes_through_the_lids(head, amount, posed):
    vertices = posed(head, {"eyeBlinkLeft": amount})
    radius = np.linalg.norm(
        vertices[head.vertices_in("eyeball")] - head.joints[EYE_LEFT], axis=1
    ).min()
    centres = vertices[head.skin_faces].mean(1)
    assert np.linalg.norm(centres - head.joints[EYE_LEFT], axis=1).min() > radius + 0.3e-3


@pytest.mark.parametrize("beta", [None, 1, 2])
def test_lids_meet_when_they_close(generic_model, body, beta, posed):
    rng = np.random.default_rng(beta)
    count = len(generic_model.identity_names)
    subject = generic_model.subject(np.zeros(count) if beta is None else rng.normal(0, 1, count))
    vertices = posed(subject, {"eyeBlinkLeft": 1})
    upper, lower = (vertices[lid_margin(body, sign)] for sign in (1, -1))
    assert np.abs(upper - lower).max() < 1.2e-3


def _crossings(vertices: np.ndarray, one: np.ndarray, other: np.ndarray) -> int:
    """How many edges of the triangles `one` [n, 3] pass through the triangles `other` [m, 3]."""
    edges = np.unique(np.sort(one[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1), axis=0)
    a, b, c = (vertices[other[:, i]].astype(float)[None] for i in range(3))
    start, end = (vertices[edges[:, i]].astype(float)[:, None] for i in range(2))
    share = (edges[:, :, None, None] == other[None, None]).any((1, 3))  # touching is no crossing
    along, ab, ac = end - start, b - a, c - a
    normal = np.cross(ab, ac)
    down = (along * normal).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = ((a - start) * normal).sum(-1) / down
        q = start + t[..., None] * along - a
        square = (normal**2).sum(-1)
        u = (np.cross(q, ac) * normal).sum(-1) / square
        v = (np.cross(ab, q) * normal).sum(-1) / square
        inside = (t > 0) & (t < 1) & (u > 0) & (v > 0) & (u + v < 1)
    return int((inside & ~share).sum())


@pytest.mark.parametrize("amount", [0.0, 0.5])
def test_lids_do_not_pass_through_each_other(head, body, amount, posed):
    vertices = posed(head, {"eyeBlinkLeft": amount})
    side, lid = body.tag("lid_side"), np.abs(body.tag("lid", 99.0))
    near = (lid < 8) & body.pieces["skin"] & (head.vertices[:, 0] > 0)
    near &= np.linalg.norm(head.vertices - head.joints[EYE_LEFT], axis=1) < 0.024
    upper, lower = (head.faces[(near & (side * sign > 0))[head.faces].all(1)] for sign in (1, -1))
    assert len(upper) > 40
    assert len(lower) > 40
    assert _crossings(vertices, upper, lower) + _crossings(vertices, lower, upper) == 0


def test_lips_at_rest_do_not_pass_through_each_other(head, body):
    side, red = body.tag("lip_side"), body.tag("lip_red", 99.0)
    near = (red < 1) & body.pieces["skin"] & (np.abs(head.vertices[:, 0]) < 0.027)
    upper, lower = (head.faces[(near & (side * sign > 0))[head.faces].all(1)] for sign in (1, -1))
    assert len(upper) > 30
    assert _crossings(head.vertices, upper, lower) + _crossings(head.vertices, lower, upper) == 0


def test_closed_lips_meet_and_the_jaw_parts_them(head, body, posed):
    upper, lower = lip_line(body, 1), lip_line(body, -1)
    assert np.linalg.norm(head.vertices[upper] - head.vertices[lower], axis=1).max() < 0.6e-3
    gap = {}
    for angle in (0.2, 0.4):
        vertices = posed(head, turn=(angle, 0, 0))
        gap[angle] = vertices[upper[0], 1] - vertices[lower[0], 1]
    assert 0.014 < gap[0.2] < 0.026
    assert 0.030 < gap[0.4] < 0.050
    vertices = posed(head, {"mouthClose": 1}, turn=(0.2, 0, 0))
    assert np.linalg.norm(vertices[upper] - vertices[lower], axis=1).max() < 2.5e-3


def test_jaw_moves_chin_down_and_back_and_leaves_the_rest(head, posed):
    vertices = posed(head, turn=(0.3, 0, 0))
    chin = (head.landmarks68.on(vertices) - head.landmarks68.on(head.vertices))[8]
    assert chin[1] < -0.015
    assert chin[2] < 0
    shift = np.linalg.norm(vertices - head.vertices, axis=1)
    assert shift[head.vertices[:, 1] > 0.02].max() < 2e-3  # nose bridge, eyes, skull
    assert shift[head.vertices[:, 1] < -0.135].max() < 2e-3  # the neck's base
    upper_lip = (
        head.landmarks68.on(vertices)[[50, 51, 52]]
        - head.landmarks68.on(head.vertices)[[50, 51, 52]]
    )
    assert np.linalg.norm(upper_lip, axis=1).max() < 2e-3


def test_neck_turns_the_head_on_a_standing_base(head, posed):
    vertices = posed(head, joint=NECK, turn=(0, 0.4, 0))
    assert vertices[head.landmarks68.vertices[30, 0], 0] > 0.03  # +y turns the nose to the left
    shift = np.linalg.norm(vertices - head.vertices, axis=1)
    assert shift[head.vertices[:, 1] < -0.148].max() < 1e-3
