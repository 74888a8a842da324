# SPDX-License-Identifier: GPL-3.0-or-later
import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.capture.folder import read_capture, write_capture
from engine.config import Eval
from engine.errors import AvatarError, HeadMismatchError, InputError
from engine.jobs import Job
from engine.train.evaluate import head_boxes, run, true_depth, true_picture
from engine.train.metrics import psnr
from engine.train.regions import REGIONS

NAMES = {"psnr", "ssim", "flip", "l1", "alpha_iou"}
REGION_NAMES = {f"psnr_{name}" for name in (*REGIONS, "moving")}


@pytest.fixture
def capture_folder(trained_avatar, tmp_path):
    """A copy of the capture that the avatar was trained on."""
    return shutil.copytree(trained_avatar.parents[1] / "capture", tmp_path / "capture")


def evaluate(avatar, capture, **options):
    config = Eval(avatar=avatar, capture=capture, device="cpu", quiet=True, **options)
    with Job("eval", quiet=True) as job:
        return run(config, job)


def read(path):
    return cv2.imread(str(path))[..., ::-1] / 255


def test_figures_pictures_and_their_means(trained_avatar, capture_folder, tmp_path, capfd):
    result = evaluate(trained_avatar, capture_folder, out=tmp_path / "out")
    assert NAMES | {name + "_head" for name in NAMES} <= set(result)
    assert result["frames"] == 2
    stored = json.loads((tmp_path / "out" / "frames.json").read_text())
    indices = [frame["frame"] for frame in stored["frames"]]
    assert tuple(indices) == read_capture(capture_folder).test
    for name in NAMES:
        assert result[name] == pytest.approx(np.mean([frame[name] for frame in stored["frames"]]))
    for frame in stored["frames"]:
        truth, found, error, parts = (
            read(tmp_path / "out" / kind / f"{frame['frame']:05d}.png")
            for kind in ("truth", "avatar", "error", "parts")
        )
        assert psnr(truth, found) == pytest.approx(frame["psnr"], abs=0.2)  # 8-bit pictures
        x0, y0, x1, y1 = frame["head_box"]
        inside = slice(y0, y1), slice(x0, x1)
        assert psnr(truth[inside], found[inside]) == pytest.approx(frame["psnr_head"], abs=0.2)
        assert error.shape == parts.shape == truth.shape
    assert capfd.readouterr().out == ""


def test_regions_surfaces_and_strength_of_every_frame(trained_avatar, capture_folder, tmp_path):
    result = evaluate(trained_avatar, capture_folder, out=tmp_path / "out")
    names = REGION_NAMES | {"depth_mm", "normal_deg", "strength"}
    assert names <= set(result)
    assert "latents_optimised" not in result
    frames = json.loads((tmp_path / "out" / "frames.json").read_text())["frames"]
    for name in names:
        assert result[name] == pytest.approx(np.mean([frame[name] for frame in frames]))
    assert 0 < result["depth_mm"] < 60
    assert 0 < result["normal_deg"] < 90


def test_a_capture_without_depth_has_no_surface_figures(trained_avatar, capture_folder):
    shutil.rmtree(capture_folder / "depth")
    result = evaluate(trained_avatar, capture_folder)
    assert set(result) >= REGION_NAMES
    assert not {"depth_mm", "normal_deg"} & set(result)


@pytest.mark.parametrize("quality", ["exact", "preview"])
def test_optimised_latents_are_named_as_such(trained_avatar, capture_folder, quality):
    result = evaluate(trained_avatar, capture_folder, optimise_latents=2, quality=quality)
    assert result["latents_optimised"] == 2


def test_depth_shrinks_without_mixing_in_the_background(capture_folder):
    capture = read_capture(capture_folder)
    full = true_depth(capture, 0, capture.camera)
    half = true_depth(capture, 0, capture.camera.of_height(16))
    blocks = full.reshape(16, 2, 16, 2).transpose(0, 2, 1, 3).reshape(16, 16, 4)
    whole = np.isfinite(blocks).all(-1)
    assert whole.any()
    assert np.allclose(half[whole], blocks[whole].mean(-1), atol=1e-5)
    assert not np.isfinite(half[~whole]).any()


def test_another_size_and_split(trained_avatar, capture_folder, tmp_path):
    write_capture(replace(read_capture(capture_folder), train=(0, 3)))
    result = evaluate(trained_avatar, capture_folder, size=16, split="train", out=tmp_path / "out")
    assert result["frames"] == 2
    assert read(tmp_path / "out" / "truth" / "00000.png").shape == (16, 16, 3)


def test_another_head_model_is_refused(trained_avatar, capture_folder):
    capture = read_capture(capture_folder)
    write_capture(replace(capture, head=replace(capture.head, model_fingerprint="other")))
    with pytest.raises(HeadMismatchError, match="another head model"):
        evaluate(trained_avatar, capture_folder)


def test_an_empty_split_is_refused(trained_avatar, capture_folder):
    write_capture(replace(read_capture(capture_folder), test=()))
    with pytest.raises(InputError, match="no test frames"):
        evaluate(trained_avatar, capture_folder)


def test_a_truncated_avatar_is_refused(trained_avatar, capture_folder, tmp_path):
    (tmp_path / "half.safetensors").write_bytes(trained_avatar.read_bytes()[:5000])
    with pytest.raises(AvatarError):
        evaluate(tmp_path / "half.safetensors", capture_folder)


def test_truth_is_white_where_the_matte_is_empty(capture_folder):
    capture = read_capture(capture_folder)
    picture = true_picture(capture, 0, capture.camera)
    matte = capture.matte(0)
    assert (picture.colour[matte == 0] == 1).all()
    full = matte == 255
    assert np.allclose(picture.colour[full], capture.image(0)[full] / 255, atol=1e-6)
    small = true_picture(capture, 0, capture.camera.of_height(16))
    assert small.alpha.mean() == pytest.approx(picture.alpha.mean(), abs=1e-3)
    assert small.colour.mean() == pytest.approx(picture.colour.mean(), abs=1e-3)


def test_head_boxes_follow_the_head(capture_folder):
    capture = read_capture(capture_folder)
    shifted = capture.motion.translation + np.float32([0.02, 0, 0])
    moved = replace(capture, motion=replace(capture.motion, translation=shifted))
    before = head_boxes(capture, (0,), capture.camera)[0]
    after = head_boxes(moved, (0,), capture.camera)[0]
    assert after[0] != before[0] or after[2] != before[2]
    assert before[2] - before[0] > 8
