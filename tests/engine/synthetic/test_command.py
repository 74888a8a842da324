# SPDX-License-Identifier: GPL-3.0-or-later
import cv2
import numpy as np
import pytest
import torch

from engine.capture.folder import read_capture
from engine.config import Synth
from engine.errors import Cancelled, CaptureError, InputError, SpaceError
from engine.head.model import NECK
from engine.head.skinning import HeadTensors, joint_transforms, posed_vertices
from engine.jobs import Job
from engine.render.mesh import view_mesh
from engine.synthetic.command import run
from engine.synthetic.picture import Studio
from engine.synthetic.torso import make_torso
from engine.synthetic.truth import face_probes, make_truth, read_truth, surface_error


def synth(config):
    with Job("synth", quiet=True) as job:
        return run(config, job)


def moved(motion, i):
    return [
        torch.from_numpy(array[i : i + 1])
        for array in (motion.psi, motion.theta, motion.translation)
    ]


def test_capture_is_readable_and_complete(capture):
    assert capture.train == (0, 1, 2, 3, 4, 5)
    assert capture.test == (6, 7, 8, 9)
    assert capture.source["kind"] == "synthetic"
    assert capture.source["seed"] == 5
    for i in range(10):
        assert capture.image(i).shape == (64, 64, 3)
        assert capture.matte(i).max() == 255
        assert np.isfinite(capture.depth(i)).any()


def test_head_of_the_capture_is_linear_and_has_the_truth_in_its_motion(capture, person):
    np.testing.assert_array_equal(capture.head.vertices, person.head.vertices)
    linear = HeadTensors.of(capture.head)
    for i in (0, 8):
        vertices = posed_vertices(linear, *moved(capture.motion, i))[0].numpy()
        seen = view_mesh(vertices, capture.head.faces, capture.camera).hit
        matte = capture.matte(i) > 127
        root = joint_transforms(*moved(capture.motion, i)[1:], linear.joints)[0, 0].numpy()
        collar = make_torso(person.surface, person.noise).vertices @ root[:, :3].T + root[:, 3]
        top = int(capture.camera.project(collar)[0][:, 1].min())
        assert (matte & seen)[:top].sum() / seen[
            :top
        ].sum() > 0.97  # all of the head is in the matte
        assert (matte & seen)[:top].sum() / matte[:top].sum() > 0.75  # and the rest of it is hair


def test_matte_is_soft_and_keeps_clear_of_the_frame(capture):
    for i in range(10):
        matte = capture.matte(i)
        assert ((matte > 0) & (matte < 255)).sum() > 40
        assert matte[0].max() == 0
        assert max(matte[:, 0].max(), matte[:, -1].max()) == 0
    rows = np.flatnonzero((capture.matte(0) > 127).any(1))
    assert np.ptp(rows) > 0.6 * 64


def test_depth_is_that_of_the_true_mesh(capture, person):
    for i in (1, 7):
        motion = capture.motion
        posed = person.pose(motion.psi[i], motion.theta[i], motion.translation[i])
        faces = np.concatenate([person.surface.faces, person.hair.faces + len(posed.skin)])
        assert len(posed.glasses) == 0  # this one wears none
        true = view_mesh(np.concatenate([posed.skin, posed.hair]), faces, capture.camera).depth
        found = capture.depth(i)
        both = np.isfinite(true) & np.isfinite(found)
        assert both.sum() > 600
        np.testing.assert_allclose(found[both], true[both], atol=2e-4)
        assert np.isfinite(found).sum() == (capture.matte(i) >= 128).sum()


def test_pictures_are_of_a_face_in_colour(capture):
    image, matte = capture.image(0).astype(float), capture.matte(0) > 250
    assert 30 < image[matte].mean() < 220
    assert image[matte].std() > 20
    assert image[:6].std() > 1  # a backdrop, not one flat tone


def test_light_stands_still_while_the_head_turns(person, capture):
    studio = Studio(person, capture.camera)
    psi = np.zeros(len(person.head.expression_names), np.float32)
    spot = person.face.landmarks[[21, 22]].mean(0) + np.array([0, 0.012, 0])
    vertex = int(np.argmin(np.linalg.norm(person.surface.rest - spot, axis=1)))
    brightness = []
    for yaw in (-0.4, 0.4):
        theta = np.zeros((5, 3), np.float32)
        theta[NECK, 1] = yaw * np.sign(
            person.look.key.towards[0]
        )  # away from the key lamp, then to it
        place = person.pose(psi, theta, np.zeros(3, np.float32)).skin[vertex]
        x, y = capture.camera.project(place)[0].astype(int)
        image = studio.frame(psi, theta, np.zeros(3, np.float32)).image
        brightness.append(image[y - 1 : y + 2, x - 1 : x + 2].mean())
    assert brightness[1] > 1.08 * brightness[0]


def test_frames_are_the_same_again(person, capture):
    motion = capture.motion
    picture = Studio(person, capture.camera).frame(
        motion.psi[2], motion.theta[2], motion.translation[2]
    )
    np.testing.assert_array_equal(picture.image, capture.image(2))
    np.testing.assert_array_equal(picture.matte, capture.matte(2))


def test_truth_is_at_no_distance_from_itself(capture, person):
    truth = read_truth(capture.path)
    np.testing.assert_array_equal(truth.vertices, make_truth(person).vertices)
    own = surface_error(truth.vertices, truth.faces, truth)
    assert own["p95_mm"] < 1e-3
    shifted = surface_error(truth.vertices + np.array([0, 0, 0.003]), truth.faces, truth)
    assert 1.0 < shifted["mean_mm"] <= 3.01
    assert surface_error(capture.head.vertices, capture.head.faces, truth)["mean_mm"] > 0.2


def test_truth_probes_lie_on_the_face_alone(capture):
    truth = read_truth(capture.path)
    probes = face_probes(truth)
    assert probes[:, 2].mean() > 0.03
    assert np.ptp(probes[:, 0]) > 0.09


def test_an_empty_mesh_is_an_error(capture):
    with pytest.raises(CaptureError, match="no faces"):
        surface_error(np.zeros((0, 3)), np.zeros((0, 3), int), read_truth(capture.path))


def test_a_capture_without_truth_says_so(tmp_path):
    with pytest.raises(CaptureError):
        read_truth(tmp_path)


class StoppedAtTheThirdFrame(Job):
    def update(self, message, step, total, **figures):
        if message == "rendering" and step == 2:
            raise Cancelled("The synth was stopped.", "")


def test_interruption_leaves_no_finished_capture(tmp_path):
    config = Synth(out=tmp_path / "c", seed=1, size=32, frames=4, test_frames=0)
    synth(config)
    assert read_capture(config.out).test == ()
    with pytest.raises(Cancelled):
        run(config, StoppedAtTheThirdFrame("synth", quiet=True))
    with pytest.raises(CaptureError, match="no finished capture"):
        read_capture(config.out)


def test_a_cancel_file_stops_the_work(tmp_path):
    folder = tmp_path / "job"
    with Job("synth", folder, quiet=True) as job:
        (folder / "cancel").touch()
        with pytest.raises(Cancelled):
            run(Synth(out=tmp_path / "c", size=32, frames=4, test_frames=0), job)
    assert not (tmp_path / "c" / "capture.json").exists()


def test_a_file_in_the_way_is_said_in_a_sentence(tmp_path):
    (tmp_path / "c").write_text("not a folder")
    with pytest.raises(SpaceError, match="is a file"):
        synth(Synth(out=tmp_path / "c", size=32, frames=1, test_frames=0))


def test_video_has_all_frames(tmp_path):
    video = tmp_path / "clip.mp4"
    synth(Synth(out=tmp_path / "c", seed=1, size=64, frames=5, test_frames=2, video=video))
    reader = cv2.VideoCapture(str(video))
    assert int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) == 7
    assert reader.get(cv2.CAP_PROP_FPS) == pytest.approx(25)
    done, first = reader.read()
    assert done
    own = read_capture(tmp_path / "c").image(0)[..., ::-1].astype(float)
    assert np.abs(first - own).mean() < 8


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"size": 8}, {"test_frames": -1}])
def test_impossible_settings_are_refused(tmp_path, wrong):
    with pytest.raises(InputError):
        synth(Synth(out=tmp_path / "c", **wrong))
