# SPDX-License-Identifier: GPL-3.0-or-later
"""NerFACE's pictures are tracked anew, and its poses say whether that is right."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from engine.capture.folder import read_capture
from engine.capture.readers import nerface
from engine.capture.readers.command import run
from engine.config import Import
from engine.errors import CaptureError
from engine.head.generic.paint import base_colours
from engine.jobs import Job
from engine.render.camera import Camera
from engine.render.mesh import shade
from tests.engine.capture.readers import formats_written as written
from tests.engine.capture.readers.actor import posed

SIZE, FRAMES, TEST = 192, 24, 5
HEAD_SPACES = Rotation.from_rotvec([0.3, -2.0, 0.4])  # Face2Face's head against ours


@pytest.fixture(scope="module")
def turns():
    """The head's rotations [24, 3] rad, about all axes."""
    phase = 2 * np.pi * np.arange(FRAMES) / FRAMES
    return np.stack([0.15 * np.cos(phase), 0.3 * np.sin(phase), 0.12 * np.sin(2 * phase + 1)], 1)


def poses(turns, axes):
    """Head from camera [N, 4, 4] as a camera of these axes and another head space has them."""
    camera_from_head = np.diag([1.0, -1, -1]) @ Rotation.from_rotvec(turns).as_matrix()
    written_so = np.diag(axes) @ camera_from_head @ HEAD_SPACES.as_matrix()
    result = np.tile(np.eye(4), (len(turns), 1, 1))
    result[:, :3, :3] = written_so.transpose(0, 2, 1)
    result[:, :3, 3] = (0.01, 0.02, 0.5)
    return result


def write(folder, pictures, transforms):
    for split, frames in (("train", range(FRAMES - TEST)), ("test", range(FRAMES - TEST, FRAMES))):
        table = {"camera_angle_x": 0.4, "intrinsics": [-450.0, 450.0, 0.5, 0.5], "frames": []}
        for place, n in enumerate(frames):
            name = f"./{split}/f_{place:04d}"
            written.write_picture(folder / f"{name}.png", pictures[n])
            table["frames"].append({"file_path": name, "expression": [0.0] * 76,
                                    "bbox": [0, 1, 0, 1],
                                    "transform_matrix": transforms[n].tolist()})  # fmt: skip
        written.write_json(folder / f"transforms_{split}.json", table)
    return folder


@pytest.fixture(scope="module")
def dataset(generic_model, turns, tmp_path_factory):
    head, n = generic_model.mean, FRAMES
    theta = np.zeros((n, 5, 3))
    theta[:, 0] = turns
    theta[:, 2, 0] = 0.1 * (1 - np.cos(4 * np.pi * np.arange(n) / n))
    pose = np.eye(4)
    pose[:3, :3] = np.diag([1.0, -1.0, -1.0])
    pose[:3, 3] = pose[:3, :3] @ -head.vertices.mean(0) + (0, 0, 0.7)
    camera = Camera(SIZE, SIZE, 322, 322, SIZE / 2, SIZE / 2, pose)
    meshes = posed(head, np.zeros((n, len(head.expression_names))), theta, np.zeros((n, 3)))
    colours = base_colours(head)
    pictures = [shade(mesh, head.faces, camera, colours) for mesh in meshes]
    folder = tmp_path_factory.mktemp("nerface") / "person_1"
    return write(folder, pictures, poses(turns, (1, -1, -1)))


def test_it_is_tracked_and_its_poses_agree(dataset, tmp_path, capsys):
    config = Import(dataset=dataset, out=tmp_path / "out", size=96, device="cpu")
    with Job("import", quiet=True) as job:
        result = run(config, job)
    assert result["format"] == "nerface"
    assert result["rotation_difference_deg"] < 3
    assert result["conventions"] == "opengl axes"
    assert "rotations differ by" in capsys.readouterr().err
    capture = read_capture(tmp_path / "out")
    assert capture.test == tuple(range(FRAMES - TEST, FRAMES))
    assert capture.train == tuple(range(FRAMES - TEST))
    assert capture.source["names"][-1] == f"test/f_{TEST - 1:04d}.png"
    assert capture.source["kind"] == "dataset"
    with Job("import", quiet=True) as job:
        assert run(config, job) == result

    # The same pictures with poses of another clip
    other = nerface.open_sequence(dataset)
    shuffled = np.random.default_rng(0).permutation(FRAMES)
    pictures = [nerface.read_rgb(path) for path in other.pictures]
    folder = write(tmp_path / "wrong", pictures, other.poses[shuffled])
    with pytest.raises(CaptureError, match="turns otherwise"), Job("import", quiet=True) as job:
        run(Import(dataset=folder, out=tmp_path / "out", size=96, device="cpu"), job)
    assert not (tmp_path / "out" / "capture.json").exists()


@pytest.mark.parametrize(
    ("name", "axes"),
    [("opencv", (1, 1, 1)), ("opengl", (1, -1, -1)), ("pytorch3d", (-1, -1, 1))],
)
def test_axes_are_told_by_the_rotations(name, axes, turns):
    tracked = np.diag([1.0, -1, -1]) @ Rotation.from_rotvec(turns).as_matrix()
    found, angle = nerface.best_axes(tracked, poses(turns, axes)[:, :3, :3])
    assert found == name
    assert angle < 1e-4


def test_a_mirrored_camera_is_one_of_other_axes(turns):
    tracked = np.diag([1.0, -1, -1]) @ Rotation.from_rotvec(turns).as_matrix()
    # A head space of the other hand, seen by a camera whose x is mirrored too
    mirror = np.diag([-1.0, 1, 1])
    written_so = (mirror @ tracked @ mirror).transpose(0, 2, 1)
    assert nerface.best_axes(tracked, written_so)[1] < 1e-4


def test_poses_the_wrong_way_round_disagree(turns):
    tracked = np.diag([1.0, -1, -1]) @ Rotation.from_rotvec(3 * turns).as_matrix()
    right = poses(3 * turns, (1, 1, 1))[:, :3, :3]
    assert nerface.best_axes(tracked, right.transpose(0, 2, 1))[1] > nerface.MOST_ANGLE


def test_a_missing_picture(dataset, tmp_path):
    pictures = [np.zeros((8, 8, 3), np.uint8)] * FRAMES
    folder = write(tmp_path / "d", pictures, np.tile(np.eye(4), (FRAMES, 1, 1)))
    (folder / "test" / "f_0002.png").unlink()
    config = Import(dataset=folder, out=tmp_path / "out", quiet=True)
    with pytest.raises(CaptureError, match="missing"), Job("import", quiet=True) as job:
        run(config, job)
    assert not (tmp_path / "out").exists()
