# SPDX-License-Identifier: GPL-3.0-or-later
"""The import command: splits, cameras, sizes, mattes, offsets, resuming."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine import cores
from engine.capture.folder import read_capture
from engine.capture.readers.command import run
from engine.capture.readers.formats import READERS
from engine.capture.readers.options import ReadOptions
from engine.cli import main
from engine.config import Import
from engine.errors import Cancelled
from engine.jobs import Job
from tests.engine.capture.readers import formats_written as written
from tests.engine.capture.readers.actor import FRAMES, make_actor
from tests.engine.capture.readers.checks import check


@pytest.fixture(scope="module")
def vhap_folder(actor, tmp_path_factory):
    return written.vhap(actor, tmp_path_factory.mktemp("vhap") / "data")


def test_pictures_mattes_and_overlay(actor, vhap_folder, bring):
    capture, result = bring(vhap_folder)
    assert (capture.image(3) == actor.images[3]).all()
    head = capture.matte(3).astype(int)
    assert (head <= actor.mattes[3].astype(int) + 1).all()
    top = slice(0, actor.mattes[3].any(1).argmax() + 30)  # the matte is cut at the neck alone
    np.testing.assert_allclose(head[top], actor.mattes[3][top], atol=2)
    assert head.sum() < actor.mattes[3].sum()
    video = cv2.VideoCapture(str(capture.path / "overlay.mp4"))
    assert sum(iter(video.grab, False)) == FRAMES
    assert capture.source["kind"] == "dataset"
    assert capture.source["format"] == result["format"] == "vhap"
    assert capture.source["conventions"]["overlap"] == result["overlap"]
    assert capture.source["names"][2] == "00002_00"


def test_splits_are_the_datasets(actor, stiff_actor, vhap_folder, tmp_path):
    insta = written.insta(stiff_actor, tmp_path / "i", test=2)
    nha = written.nha(stiff_actor, tmp_path / "n")
    for name, folder, tests in (("vhap", vhap_folder, 3), ("insta", insta, 2), ("nha", nha, 2)):
        dataset = READERS[name].read(folder, actor.model, ReadOptions())
        assert dataset.train == tuple(range(FRAMES - tests)), name
        assert dataset.test == tuple(range(FRAMES - tests, FRAMES)), name


def test_videos_of_one_subject_are_joined(actor, bring, tmp_path):
    for name, frames in (("MVI_1810", (0, 1)), ("MVI_1812", (2, 3)), ("MVI_1814", (4, 5))):
        written.imavatar(actor, tmp_path / "yufeng" / "yufeng" / name, frames=frames)
    capture, result = bring(tmp_path / "yufeng")
    assert result["videos"] == ["MVI_1810", "MVI_1812", "MVI_1814"]
    assert (capture.train, capture.test) == ((0, 1, 4, 5), (2, 3))
    check(capture, actor, frames=range(6))


def test_one_of_several_cameras(actor, bring, tmp_path):
    folder = written.vhap(actor, tmp_path / "d", cameras=2)
    capture, result = bring(folder)
    assert result["camera"] == "0 (cam0), one of 2"
    check(capture, actor)
    again, _ = bring(folder, tmp_path / "again", camera="cam0")
    assert again.source["names"] == capture.source["names"]


def test_a_wide_picture_is_cropped_around_the_head(generic_model, bring, tmp_path):
    wide = make_actor(generic_model, (160, 96))
    capture, _ = bring(written.imavatar(wide, tmp_path / "d"), size=64)
    assert capture.image(0).shape == (64, 64, 3)
    assert capture.matte(0).shape == (64, 64)
    check(capture, wide)
    assert not capture.matte(4)[:, [0, -1]].any()  # all of the head is in it


def test_frames_of_several_lenses_are_brought_to_one(actor, bring, tmp_path):
    folder = written.vhap(actor, tmp_path / "d")
    table = json.loads((folder / "transforms.json").read_text())
    first, camera = table["frames"][0], actor.camera
    zoom, middle = 1.25, 48
    moved = np.array([[zoom, 0, (1 - zoom) * middle], [0, zoom, (1 - zoom) * middle]])
    for key in ("file_path", "fg_mask_path"):
        picture = cv2.imread(str(folder / first[key]), cv2.IMREAD_UNCHANGED)
        # cv2 counts from the middle of the first pixel, cameras from its corner
        inner = moved + np.array([0, 0, 0.5 * zoom - 0.5])
        cv2.imwrite(str(folder / first[key]), cv2.warpAffine(picture, inner, (96, 96)))
    cx, cy = moved @ (camera.cx, camera.cy, 1)
    first |= {"fl_x": zoom * camera.fx, "fl_y": zoom * camera.fy, "cx": cx,
              "cy": camera.height - cy}  # fmt: skip
    (folder / "transforms.json").write_text(json.dumps(table))
    capture, _ = bring(folder)
    check(capture, actor)
    inner = slice(24, 72)
    image = capture.image(0)[inner, inner].astype(int)
    error = np.abs(image - actor.images[0][inner, inner]).mean()  # resampled twice
    assert error < 0.5 * np.abs(image - actor.images[0][inner, 25:73]).mean()
    assert error < 6


def test_a_dataset_without_mattes_gets_ours(actor, bring, tmp_path):
    folder = written.imavatar(actor, tmp_path / "d", masks=False)
    capture, result = bring(folder)
    assert result["mattes"] == "computed"
    ours, true = capture.matte(2) > 127, actor.mattes[2] > 127
    upper = slice(0, 55)  # px, above the neck
    assert (ours & true)[upper].sum() / (ours | true)[upper].sum() > 0.85


def test_static_offsets_are_part_of_the_head(actor, bring, tmp_path):
    bump = np.random.default_rng(1).normal(size=actor.head.vertices.shape) * 3e-4
    rest = (actor.head.vertices + bump).astype(np.float32)
    bumpy = replace(actor, head=replace(
        actor.head, vertices=rest, joints=actor.model.joint_regressor @ rest
    ))  # fmt: skip
    teeth = np.zeros((120, 3))
    folder = written.vhap(bumpy, tmp_path / "d", offset=np.concatenate([bump, teeth]))
    capture, _ = bring(folder)
    check(capture, bumpy)


def test_eyelids_of_the_tracker(stiff_actor, bring, tmp_path):
    shapes = np.random.default_rng(2).normal(size=(2, *stiff_actor.head.vertices.shape)) * 1e-3
    amounts = np.linspace(0, 1, FRAMES)

    def change(data):
        n = int(data["frame_id"])
        data["flame"]["eyelids"] = np.array([[amounts[n], amounts[-1 - n]]])
        return data

    folder = written.metrical(stiff_actor, tmp_path / "d", change=change)
    _, result = bring(folder, tmp_path / "without")
    assert "left out" in result["eyelids"]
    lids = tmp_path / "lids"
    lids.mkdir()
    for name, shape in zip("lr", shapes, strict=True):
        np.save(lids / f"{name}_eyelid.npy", shape.astype(np.float32))
    capture, _ = bring(folder, tmp_path / "with", eyelids=lids)
    assert capture.head.expression_names[-2:] == ("eyeBlinkLeft", "eyeBlinkRight")
    np.testing.assert_allclose(capture.motion.psi[:, -2], amounts, atol=1e-6)
    np.testing.assert_allclose(capture.motion.psi[:, -1], amounts[::-1], atol=1e-6)
    np.testing.assert_allclose(capture.head.expressions[-2], shapes[0], atol=2e-6)


def test_insta_without_meshes_says_that_the_jaw_is_missing(stiff_actor, bring, tmp_path):
    folder = written.insta(stiff_actor, tmp_path / "d", meshes=False)
    capture, result = bring(folder)
    assert "left closed" in result["jaw"]
    assert not capture.motion.theta[:, 2].any()
    np.testing.assert_allclose(capture.motion.theta[:, 3], stiff_actor.theta[:, 3], atol=1e-4)


def test_insta_with_checkpoints_takes_them(stiff_actor, bring, tmp_path):
    folder = written.insta(stiff_actor, tmp_path / "d", meshes=False)
    written.checkpoints(stiff_actor, folder / "checkpoint")
    capture, result = bring(folder)
    assert result["parameters"] == "checkpoints"
    check(capture, stiff_actor)


# Resuming


def test_the_same_import_again_is_done_at_once(vhap_folder, bring):
    capture, result = bring(vhap_folder)
    before = {path: path.stat().st_mtime_ns for path in capture.path.rglob("*.*")}
    assert bring(vhap_folder)[1] == result
    assert before == {path: path.stat().st_mtime_ns for path in capture.path.rglob("*.*")}


def test_a_stopped_import_goes_on(vhap_folder, flame_file, tmp_path, monkeypatch):
    monkeypatch.setattr(cores, "_ready", set())  # a first import: its first picture is made alone
    out, folder = tmp_path / "out", tmp_path / "job"

    class Stopping(Job):
        def update(self, message, step, total, **figures):
            if message == "Writing pictures" and step == 1:
                (folder / "cancel").touch()
            super().update(message, step, total, **figures)

    config = Import(dataset=vhap_folder, out=out, head=str(flame_file), quiet=True)
    with pytest.raises(Cancelled), Stopping("import", folder, quiet=True) as job:
        run(config, job)
    assert not (out / "capture.json").exists()
    done = {path: path.stat().st_mtime_ns for path in (out / "images").glob("*.png")}
    assert len(done) == 1  # later ones would find others under way
    with Job("import", folder, quiet=True) as job:
        run(config, job)
    later = {path: path.stat().st_mtime_ns for path in (out / "images").glob("*.png")}
    assert done.items() <= later.items()
    assert len(read_capture(out).motion) == len(later) == FRAMES


def test_the_command_line_prints_figures(vhap_folder, flame_file, tmp_path, capfd):
    out = tmp_path / "out"
    assert main(["import", str(vhap_folder), str(out), "--head", str(flame_file), "--json"]) == 0
    said, progress = capfd.readouterr()
    figures = json.loads(said)
    assert figures["format"] == "vhap"
    assert figures["frames"] == FRAMES
    assert figures["overlap"] > 0.95
    assert figures["conventions"].startswith("opengl")
    assert "is read as vhap" in progress
    assert "overlap" in progress
