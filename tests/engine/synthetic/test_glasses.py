# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from scipy.spatial import cKDTree

from engine.capture.folder import read_capture
from engine.config import Synth
from engine.files import write_tensors
from engine.head.model import NECK
from engine.head.motion import Motion
from engine.jobs import Job
from engine.synthetic.command import frame_camera, run
from engine.synthetic.glasses import AROUND, Glasses, tube
from engine.synthetic.look import make_look
from engine.synthetic.person import make_person
from engine.synthetic.picture import Studio
from engine.synthetic.truth import FILE_NAME, make_truth, read_truth, write_truth

SEED = 1  # wears glasses by its own choice
NO_SHIFT = np.zeros(3, np.float32)


@pytest.fixture(scope="module")
def wearer(generic):
    return make_person(SEED, generic)


@pytest.fixture(scope="module")
def bare(generic):
    return make_person(SEED, generic, glasses="no")


def calm(person):
    return np.zeros(len(person.head.expression_names), np.float32), np.zeros((5, 3), np.float32)


def test_about_one_in_three_wears_glasses_and_the_demo_subject_does_not():
    wearing = [make_look(seed).frame is not None for seed in range(60)]
    assert not wearing[0]
    assert wearing[1] or wearing[2]
    assert 12 <= sum(wearing) <= 28
    assert all(make_look(seed, "yes").frame is not None for seed in range(4))
    assert all(make_look(seed, "no").frame is None for seed in range(4))


def test_glasses_change_nothing_else_of_a_person(wearer, bare):
    np.testing.assert_array_equal(wearer.surface.rest, bare.surface.rest)
    np.testing.assert_array_equal(wearer.hair.vertices, bare.hair.vertices)
    np.testing.assert_array_equal(wearer.look.skin, bare.look.skin)
    assert len(bare.glasses.vertices) == 0
    assert len(bare.pose(*calm(bare), NO_SHIFT).glasses) == 0


@pytest.mark.parametrize("seed", range(4))
def test_glasses_sit_on_nose_and_ears_before_the_eyes(generic, seed):
    person = make_person(seed, generic, glasses="yes")
    glasses, marks = person.glasses, person.face.landmarks
    skin = person.surface.rest[person.surface.vertices_in("face", "scalp", "ear")]
    away = cKDTree(skin).query(glasses.vertices)[0]
    assert away.min() < 0.002  # it rests somewhere
    centre, eye = glasses.centres[0], marks[42:48]
    assert np.abs(eye.mean(0) - centre)[:2].max() < 0.006
    assert 0.004 < centre[2] - eye[:, 2].max() < 0.020
    ear = person.surface.rest[person.surface.vertices_in("ear")]
    hooks = glasses.vertices[glasses.vertices[:, 2] < ear[:, 2].max()]
    assert {-1.0, 1.0} == set(np.sign(hooks[:, 0]))
    assert np.abs(glasses.vertices[:, 0]).max() < np.abs(ear[:, 0]).max()


def test_glasses_follow_the_skull_and_no_expression(wearer):
    psi, theta = calm(wearer)
    theta[NECK] = (0.1, 0.3, -0.05)
    posed = wearer.pose(psi + 0.8, theta, NO_SHIFT)
    skull = posed.transforms[NECK]
    np.testing.assert_allclose(
        (posed.glasses - skull[:, 3]) @ skull[:, :3], wearer.glasses.vertices, atol=1e-6
    )
    assert np.abs(posed.glasses - wearer.glasses.vertices).max() > 0.01


def test_glasses_are_in_picture_matte_and_depth(wearer, bare):
    psi, theta = calm(wearer)
    theta[NECK, 1] = 0.9  # from the side the front stands out against the wall
    motion = Motion(psi[None], theta[None], NO_SHIFT[None])
    camera = frame_camera(wearer, motion, 128)
    worn, without = (Studio(p, camera).frame(psi, theta, NO_SHIFT) for p in (wearer, bare))
    assert (worn.matte.astype(int) - without.matte > 100).sum() > 8
    assert (worn.matte < without.matte).sum() == 0
    both = np.isfinite(worn.depth) & np.isfinite(without.depth)
    nearer = both & (worn.depth < without.depth - 0.003)
    assert nearer.sum() > 20
    assert np.abs(worn.image.astype(int) - without.image)[nearer].mean() > 10
    assert (worn.depth[both] - without.depth[both]).max() < 1e-4


def test_a_lens_is_seen_through_from_the_front_alone(wearer):
    glasses, skull = wearer.glasses, np.eye(3, 4)
    eyes = wearer.face.landmarks[[36, 37, 38, 42, 43, 44]]
    mouth = wearer.face.landmarks[[48, 54]]
    points = np.concatenate([eyes, mouth, eyes + np.array([0, 0, 0.05])])
    view = np.broadcast_to(np.array([0.0, 0.0, 1.0]), points.shape)
    inside, normal = glasses.behind_lens(points, view, skull)
    assert set(inside) == set(range(6))
    assert (normal[:, 2] > 0.85).all()
    assert len(Glasses().behind_lens(points, view, skull)[0]) == 0


@pytest.mark.parametrize("closed", [True, False])
def test_tube_is_round_about_its_path_and_faces_outwards(closed):
    angle = np.linspace(0, 2 * np.pi if closed else 4.0, 40, endpoint=False)
    path = np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)
    radius = np.full(40, 0.05)
    vertices, faces, normals = tube(path, (0, 0, 1), radius, radius, closed=closed)
    off = np.hypot(np.linalg.norm(vertices[:, :2], axis=1) - 1, vertices[:, 2])
    assert off.max() < 0.051
    across = np.cross(*(vertices[faces[:, k]] - vertices[faces[:, 0]] for k in (1, 2)))
    outwards = np.sum(across * normals[faces].mean(1), 1)
    tip = ((faces < AROUND) | (faces >= len(vertices) - AROUND)).any(1) & (not closed)
    assert (outwards[~tip] > 1e-6).all()


def test_truth_has_the_glasses_and_old_files_open(wearer, bare, tmp_path):
    truth = make_truth(wearer)
    write_truth(tmp_path, truth)
    again = read_truth(tmp_path)
    np.testing.assert_array_equal(again.glasses_vertices, truth.glasses_vertices)
    assert again.glasses_faces.max() < len(again.glasses_vertices)
    write_truth(tmp_path, make_truth(bare))
    assert read_truth(tmp_path).glasses_faces.shape == (0, 3)
    old = {k: v for k, v in vars(truth).items() if not k.startswith("glasses")}
    write_tensors(tmp_path / FILE_NAME, {"kind": "truth", "schema_version": 1}, old)
    assert read_truth(tmp_path).glasses_vertices.shape == (0, 3)
    np.testing.assert_array_equal(read_truth(tmp_path).vertices, truth.vertices)


def test_the_option_reaches_the_capture(tmp_path):
    for wish, worn in (("yes", True), ("auto", False)):
        with Job("synth", quiet=True) as job:
            out = tmp_path / wish
            run(Synth(out=out, size=16, frames=1, test_frames=0, glasses=wish), job)
        assert read_capture(out).source["glasses"] is worn
        assert (len(read_truth(out).glasses_faces) > 0) is worn
