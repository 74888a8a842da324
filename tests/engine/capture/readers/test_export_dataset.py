# SPDX-License-Identifier: GPL-3.0-or-later
"""A capture leaves as a dataset and comes back as the same capture."""

import json
from dataclasses import replace

import numpy as np
import pytest

from engine.capture.folder import Capture, write_capture, write_frame
from engine.capture.writers import command
from engine.capture.writers.vhap import centred
from engine.cli import main
from engine.config import ExportDataset
from engine.errors import Cancelled, CaptureError
from engine.head.motion import Motion
from engine.jobs import Job
from tests.engine.capture.readers.checks import check


def write(actor, path):
    """The actor's true capture."""
    n = len(actor)
    motion = Motion(*(np.float32(a) for a in (actor.psi, actor.theta, actor.translation)))
    for index in range(n):
        write_frame(path, index, actor.images[index], actor.mattes[index])
    write_capture(Capture(path, actor.camera, 25.0, actor.head, motion,
                          tuple(range(n - 2)), (n - 2, n - 1)))  # fmt: skip
    return path


@pytest.fixture(scope="module")
def captured(actor, tmp_path_factory):
    return write(actor, tmp_path_factory.mktemp("captured") / "capture")


@pytest.fixture(scope="module")
def generic_captured(actor, generic_model, tmp_path_factory):
    """The same of the generic head: its parameters are not FLAME's."""
    head = replace(actor.head, model_name="generic", model_fingerprint="generic")
    generic = replace(actor, head=head)
    return write(generic, tmp_path_factory.mktemp("generic") / "capture")


def export(capture, out, form):
    with Job("export-dataset", quiet=True) as job:
        return command.run(ExportDataset(capture=capture, out=out, format=form, quiet=True), job)


@pytest.mark.parametrize("form", ["vhap", "insta"])
def test_flame_there_and_back(form, captured, actor, bring, tmp_path):
    result = export(captured, tmp_path / "data", form)
    back, said = bring(tmp_path / "data")
    assert said["format"] == form
    top, _, left, _ = centred(actor.camera)[1] if form == "vhap" else (0, 0, 0, 0)
    moved = actor.camera
    moved = replace(moved, cx=moved.cx + left, cy=moved.cy + top)
    check(back, replace(actor, camera=moved))
    assert result["frames"] == len(back.motion) == len(actor)
    assert (back.train, back.test) == (
        tuple(range(len(actor) - 2)),
        (len(actor) - 2, len(actor) - 1),
    )
    if form == "insta":
        assert (back.image(2) == actor.images[2]).all()


def test_vhap_has_flames_parameters(captured, actor, tmp_path):
    result = export(captured, tmp_path / "data", "vhap")
    assert "flame_param" in result["parameters"]
    with np.load(tmp_path / "data" / "flame_param" / "00003.npz", allow_pickle=False) as file:
        shapes = {name: file[name].shape for name in file.files}
        np.testing.assert_allclose(file["rotation"][0], actor.theta[3, 0], atol=1e-6)
        np.testing.assert_allclose(file["shape"], actor.shape, atol=1e-6)
    assert shapes == {
        "translation": (1, 3), "rotation": (1, 3), "neck_pose": (1, 3), "jaw_pose": (1, 3),
        "eyes_pose": (1, 6), "shape": (300,), "expr": (1, 100),
    }  # fmt: skip
    canonical = np.load(tmp_path / "data" / "canonical_flame_param.npz")
    assert canonical["jaw_pose"].tolist() == [[pytest.approx(0.3), 0, 0]]


@pytest.mark.parametrize("form", ["vhap", "insta"])
def test_hair_leaves_as_a_static_offset_and_comes_back(form, actor, bring, tmp_path):
    head, hair = actor.head, np.zeros_like(actor.head.vertices)
    hair[head.vertices_in("scalp")] = (0, 0.01, -0.01)
    joints = (actor.model.joint_regressor @ (head.vertices + hair)).astype(np.float32)
    hairy = replace(actor, head=replace(
        head, vertices=head.vertices + hair, joints=joints, static_offset=hair
    ))  # fmt: skip
    result = export(write(hairy, tmp_path / "capture"), tmp_path / "data", form)
    assert "not FLAME" not in result["for"]
    back, _ = bring(tmp_path / "data")
    near = {"vhap": 1e-5, "insta": 1e-3}[form]  # m; INSTA tells it by a mesh with an open jaw
    np.testing.assert_allclose(back.head.vertices, head.vertices + hair, atol=near)
    if form == "vhap":
        np.testing.assert_allclose(back.head.static_offset, hair, atol=1e-6)


def test_the_lens_axis_meets_the_middle_of_vhaps_pictures(captured, tmp_path):
    export(captured, tmp_path / "data", "vhap")
    table = json.loads((tmp_path / "data" / "transforms.json").read_text())
    assert abs(table["cx"] - table["w"] / 2) <= 0.5
    assert abs(table["cy"] - table["h"] / 2) <= 0.5
    assert table["camera_indices"] == [0]
    assert json.loads((tmp_path / "data" / "transforms_val.json").read_text())["frames"] == []


@pytest.mark.parametrize("form", ["vhap", "insta"])
def test_another_head_model_leaves_as_meshes(
    form, generic_captured, actor, bring, tmp_path, monkeypatch
):
    result = export(generic_captured, tmp_path / "data", form)
    assert "not FLAME" in result["for"]
    assert (tmp_path / "data" / "meshes" / "00000.obj").is_file()
    assert not (tmp_path / "data" / "flame_param").exists()
    back, said = bring(tmp_path / "data")
    assert said["format"] == "insta"  # VHAP's mesh mode has INSTA's keys
    assert said["mesh_mm"] < 0.1
    assert back.source["conventions"]["axes"] == {"vhap": "opengl", "insta": "opencv"}[form]
    if form == "insta":
        check(back, actor)


def test_an_export_goes_on_and_leaves_other_files_alone(captured, tmp_path):
    out, folder = tmp_path / "data", tmp_path / "job"

    class Stopping(Job):
        def update(self, message, step, total, **figures):
            if step == 3:
                (folder / "cancel").touch()
            super().update(message, step, total, **figures)

    config = ExportDataset(capture=captured, out=out, format="insta")
    with pytest.raises(Cancelled), Stopping("export-dataset", folder, quiet=True) as job:
        command.run(config, job)
    assert not (out / "transforms.json").exists()
    done = {path: path.stat().st_mtime_ns for path in (out / "images").glob("*.png")}
    assert len(done) == 3
    with Job("export-dataset", folder, quiet=True) as job:
        command.run(config, job)
    later = {path: path.stat().st_mtime_ns for path in (out / "images").glob("*.png")}
    assert done.items() <= later.items()
    with pytest.raises(CaptureError, match="holds other files"):
        export(captured, out, "vhap")


def test_the_command_line(captured, tmp_path, capfd):
    arguments = ["export-dataset", str(captured), str(tmp_path / "data"), "--json", "--quiet"]
    assert main(arguments) == 0
    assert json.loads(capfd.readouterr().out)["format"] == "vhap"
    assert main(["export-dataset", str(tmp_path / "none"), str(tmp_path / "x"), "--quiet"]) == 1
    assert "no finished capture" in capfd.readouterr().err
