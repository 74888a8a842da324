# SPDX-License-Identifier: GPL-3.0-or-later
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from engine.head.generic.build import generic_body
from engine.head.generic.landmarks import lid_margin, lip_line
from engine.head.model import (
    EYE_LEFT,
    EYE_RIGHT,
    JAW,
    NECK,
    PARTS,
    REGIONS,
    Head,
    check_head,
)
from engine.render.camera import Camera
from engine.render.mesh import portrait_camera, vertex_normals, view_mesh

SIDES = ("Left", "Right")


@pytest.fixture(scope="module")
def model(generic_model):
    return generic_model


@pytest.fixture(scope="module")
def head(model) -> Head:
    return model.mean


@pytest.fixture(scope="module")
def body():
    return generic_body()


def move(head: Head, name: str) -> np.ndarray:
    return head.expressions[head.expression_names.index(name)].astype(np.float32)


def test_fills_the_interface(head, model):
    check_head(head)
    assert head.model_name == "generic"
    assert 5_000 <= len(head.vertices) <= 10_000
    assert model.identities.shape == (len(model.identity_names), len(head.vertices), 3)
    assert len(model.identity_names) >= 24
    assert len(set(model.identity_names)) == len(model.identity_names)
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


def test_is_symmetric(head, body):
    flip = np.array([-1, 1, 1], np.float32)
    mirror = body.mirror
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(mirror)))
    np.testing.assert_allclose(head.vertices[mirror] * flip, head.vertices, atol=1e-7)
    swap = [0, 1, 2, 4, 3]
    np.testing.assert_allclose(head.skin_weights[mirror][:, swap], head.skin_weights, atol=1e-6)
    for name in head.expression_names:
        other = name.replace("Left", "~").replace("Right", "Left").replace("~", "Right")
        np.testing.assert_allclose(move(head, name)[mirror] * flip, move(head, other), atol=2e-5)
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


def test_weights_and_regressor_sum_to_one(head, model):
    np.testing.assert_allclose(head.skin_weights.sum(1), 1, atol=1e-6)
    assert head.skin_weights.min() >= 0
    np.testing.assert_allclose(model.joint_regressor.sum(1), 1, atol=1e-4)
    np.testing.assert_allclose(model.joint_regressor @ head.vertices, head.joints, atol=1e-6)
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


def test_eye_joints_are_the_eyeballs_centres_for_every_identity(model):
    rng = np.random.default_rng(5)
    for _ in range(4):
        subject = model.subject(rng.normal(0, 1.2, len(model.identity_names)))
        for joint, sign in ((EYE_LEFT, 1), (EYE_RIGHT, -1)):
            balls = subject.vertices_in("eyeball")
            ball = subject.vertices[balls[np.sign(model.mean.vertices[balls, 0]) == sign]]
            radius = np.linalg.norm(ball - subject.joints[joint], axis=1)
            assert np.ptp(radius) < 2e-5  # float16 steps of the basis


@pytest.mark.parametrize("value", [-2.0, 2.0])
def test_identities_stay_sane(model, value):
    for index, name in enumerate(model.identity_names):
        beta = np.zeros(len(model.identity_names), np.float32)
        beta[index] = value
        subject = model.subject(beta)
        shift = np.linalg.norm(subject.vertices - model.mean.vertices, axis=1).max()
        assert 0.001 < shift < 0.016, name
        one = _signed_areas(model.mean)
        two = _signed_areas(subject)
        assert (np.einsum("fc,fc->f", one, two) > 0).mean() > 0.999, name  # nothing turns over


def test_identities_are_even_or_make_the_face_crooked(model, body):
    flip = np.array([-1, 1, 1], np.float32)
    odd = {"nose_aside", "chin_aside"}
    assert odd <= set(model.identity_names)
    for name, mode in zip(model.identity_names, model.identities.astype(np.float32), strict=True):
        sign = -1 if name in odd else 1
        np.testing.assert_allclose(mode[body.mirror] * flip * sign, mode, atol=2e-5, err_msg=name)


def test_no_identity_mode_is_made_of_the_others(model):
    modes = model.identities.reshape(len(model.identities), -1).astype(np.float64)
    modes /= np.linalg.norm(modes, axis=1, keepdims=True)
    left = np.diag(np.linalg.inv(modes @ modes.T)) ** -0.5  # what the others do not explain
    for name, share in zip(model.identity_names, left, strict=True):
        assert share > 0.2, name


def test_heads_of_many_people_have_the_size_of_heads(model):
    rng = np.random.default_rng(11)
    regions = ("face", "scalp", "neck")
    for _ in range(12):
        head = model.subject(rng.normal(0, 1, len(model.identity_names)))
        a, b, c = (head.vertices[head.faces_in(*regions)[:, i]].astype(float) for i in range(3))
        volume = np.einsum("fc,fc->f", a, np.cross(b, c)).sum() / 6  # m³; holes are small
        assert 0.0035 < volume < 0.0075
        breadth = np.ptp(head.vertices[head.vertices_in("face", "scalp"), 0])
        assert 0.135 < breadth < 0.180


def _signed_areas(head: Head) -> np.ndarray:
    a, b, c = (head.vertices[head.skin_faces[:, i]] for i in range(3))
    return np.cross(b - a, c - a)


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
def test_lids_meet_when_they_close(model, body, beta, posed):
    rng = np.random.default_rng(beta)
    count = len(model.identity_names)
    subject = model.subject(np.zeros(count) if beta is None else rng.normal(0, 1, count))
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


def test_is_the_same_in_another_process(head):
    code = (
        "from engine.head.generic import build_generic_head as b; print(b().mean.model_fingerprint)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == head.model_fingerprint
