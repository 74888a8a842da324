# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a dataset is said in a sentence, and nothing is written."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.cli import main
from engine.errors import CaptureError
from tests.engine.capture.readers import formats_written as written


@pytest.fixture
def refused(bring, tmp_path):
    """Checks that a dataset is refused with these words and leaves nothing."""

    def check(folder, says, **options):
        out = tmp_path / "deep" / "out"
        with pytest.raises(CaptureError, match=says) as raised:
            bring(folder, out, **options)
        assert raised.value.hint
        assert not out.parent.exists()

    return check


@pytest.fixture(scope="module")
def whole(actor, tmp_path_factory):
    """One intact dataset of each format, written once."""
    root, made = tmp_path_factory.mktemp("whole"), {}

    def write(name):
        if name not in made:
            made[name] = getattr(written, name)(actor, root / name)
        return made[name]

    return write


@pytest.fixture
def copy(whole, tmp_path):
    """A copy of an intact dataset, to be spoilt."""
    return lambda name: Path(shutil.copytree(whole(name), tmp_path / "d"))


# Conventions


def test_a_convention_that_fits_nothing(actor, refused, tmp_path):
    sideways = np.array([[0, 1.0, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    refused(written.vhap(actor, tmp_path / "d", axes=sideways), "does not lie over")


def test_a_head_seen_from_behind(actor, refused, tmp_path):
    """Its outline is that of a face; the camera's axes say that it is none."""
    turned = np.diag([-1.0, 1.0, -1.0, 1.0])
    pose = actor.camera.camera_from_world.copy()
    pose[:3] = (np.diag([1, -1, -1, 1.0]) @ turned)[:3]
    pose[2, 3] = 0.8
    behind = replace(actor, camera=replace(actor.camera, camera_from_world=pose))
    refused(written.vhap(behind, tmp_path / "d"), "does not lie over")


def test_another_subjects_pictures(actor, copy, refused, tmp_path):
    folder = copy("vhap")
    for n in range(len(actor)):
        matte = np.roll(actor.mattes[n], (45, 50), (0, 1))
        written.write_picture(folder / "fg_masks" / f"{n:05d}_00.png", matte)
    refused(folder, "does not lie over")


def test_a_scale_that_is_neither_metres_nor_four_times_them(actor, refused, tmp_path):
    refused(written.imavatar(actor, tmp_path / "d", unit=16.0), "does not lie over")


# Pickles


@pytest.mark.parametrize("plain", [False, True])
def test_a_checkpoint_that_would_run_code(plain, stiff_actor, refused, tmp_path):
    folder = written.metrical(stiff_actor, tmp_path / "d")
    mark = tmp_path / "it ran"
    written.bomb_frame(folder / "checkpoint" / "00004.frame", mark, plain=plain)
    refused(folder, "00004.frame")
    assert not mark.exists()


def test_an_npz_that_carries_a_pickle(actor, copy, refused, tmp_path):
    folder = copy("vhap")
    mark = tmp_path / "it ran"
    np.savez(folder / "flame_param" / "00002.npz", shape=np.array([written.Bomb(mark)], object))
    refused(folder, "more than plain arrays")
    assert not mark.exists()


# Files


@pytest.mark.parametrize(
    ("name", "missing", "says"),
    [
        ("vhap", "images/00003_00.png", "missing"),
        ("vhap", "flame_param/00003.npz", "missing"),
        ("imavatar", "image/3.png", "missing"),
        ("insta", "meshes/00003.obj", "missing"),
        ("insta", "canonical.obj", "missing"),
        ("insta", "flame/exp/00003.txt", "missing"),
        ("nha", "frame_0003/image_0000.png", "missing"),
        ("nha", "tracking_0/tracked_flame_params.npz", "no tracked_flame_params"),
    ],
)
def test_a_missing_file(name, missing, says, copy, refused):
    folder = copy(name)
    (folder / missing).unlink()
    refused(folder, says)


@pytest.mark.parametrize(
    ("name", "damaged", "says"),
    [
        ("vhap", "flame_param/00003.npz", "damaged"),
        ("imavatar", "flame_params.json", "damaged"),
        ("insta", "meshes/00003.obj", "mesh"),
        ("insta", "flame/exp/00003.txt", "cannot be read"),
    ],
)
def test_a_damaged_file(name, damaged, says, copy, refused):
    folder = copy(name)
    (folder / damaged).write_text("v 1 2 here lies what was a file")
    refused(folder, says, format=name)


def test_numbers_that_are_not_finite(actor, copy, refused, tmp_path):
    folder = copy("imavatar")
    table = json.loads((folder / "flame_params.json").read_text())
    table["frames"][2]["pose"][4] = float("nan")
    (folder / "flame_params.json").write_text(json.dumps(table))
    refused(folder, "not finite")


def test_no_folder_and_no_dataset(refused, tmp_path):
    refused(tmp_path / "none", "no folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "imavatar: flame_params.json.*vhap: transforms.json")


def test_two_formats_in_one_folder(actor, copy, refused, tmp_path):
    folder = copy("vhap")
    written.imavatar(actor, folder)
    refused(folder, "imavatar, vhap")


def test_several_subjects(actor, refused, tmp_path):
    for name in ("anna", "bob"):
        written.imavatar(actor, tmp_path / "d" / name / "video", frames=range(3))
    refused(tmp_path / "d", "several subjects")


def test_a_single_frame(actor, refused, tmp_path):
    refused(written.imavatar(actor, tmp_path / "d", frames=[0]), "too few frames")


def test_a_camera_that_is_not_there(actor, refused, tmp_path):
    refused(written.vhap(actor, tmp_path / "d", cameras=2), "no camera 7.*cam1", camera="7")


def test_a_dataset_is_never_overwritten(copy, bring):
    folder = copy("insta")
    before = sorted(path.name for path in folder.rglob("*"))
    for out in (folder, folder / "images"):
        with pytest.raises(CaptureError, match="holds other files"):
            bring(folder, out)
    assert sorted(path.name for path in folder.rglob("*")) == before


# Head models


def test_coefficients_of_flame_need_flame(whole, refused):
    refused(whole("vhap"), "another head model", head="generic")


def test_meshes_of_another_head(actor, copy, refused, tmp_path):
    folder = copy("insta")
    rng = np.random.default_rng(0)
    wrong = actor.canonical(0.2) + rng.normal(size=actor.head.vertices.shape) * 0.01
    written.write_obj(folder / "canonical.obj", wrong, actor.head.faces)
    refused(folder, "mm away from every head")


def test_more_coefficients_than_the_model_has(actor, copy, refused, tmp_path):
    folder = copy("vhap")
    path = folder / "flame_param" / "00000.npz"
    arrays = dict(np.load(path))
    arrays["expr"][0, 99] = 0.5
    np.savez(path, **arrays)
    refused(folder, "100 expression coefficients")


def test_a_shape_that_changes(actor, copy, refused, tmp_path):
    folder = copy("vhap")
    path = folder / "flame_param" / "00003.npz"
    arrays = dict(np.load(path))
    arrays["shape"][0] += 1
    np.savez(path, **arrays)
    refused(folder, "changes between")


def test_the_command_line_says_a_sentence(tmp_path, capfd):
    status = main(["import", str(tmp_path / "none"), str(tmp_path / "out"), "--json", "--quiet"])
    out, err = capfd.readouterr()
    assert status == 1
    assert "There is no folder" in err
    assert json.loads(out.splitlines()[-1])["error"]["code"] == "bad_capture"
