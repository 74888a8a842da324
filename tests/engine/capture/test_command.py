# SPDX-License-Identifier: GPL-3.0-or-later
"""The capture command from end to end: a good clip, resuming, full disks, a real person."""

import json
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.capture import fitting
from engine.capture.command import run
from engine.capture.folder import read_capture
from engine.capture.quality import read_quality
from engine.config import Capture as CaptureConfig
from engine.cores import AHEAD
from engine.errors import Cancelled, CaptureError, ClipError, SpaceError
from engine.files import read_tensors
from engine.head.model import EYE_LEFT, EYE_RIGHT, NECK
from engine.jobs import Job

KEYS = {"frames_used", "frames_total", "reprojection_px", "reprojection_eye_fraction", "seconds",
        "silhouette_iou", "silhouette_iou_bare", "silhouette_outside"}  # fmt: skip


@pytest.fixture(scope="module")
def captured(head_clip, tmp_path_factory):
    """A capture of the painted generic head with the generic head, and what the command said."""
    out = tmp_path_factory.mktemp("capture") / "out"
    with Job("capture", quiet=True) as job:
        result = run(CaptureConfig(clip=head_clip, out=out, size=96, device="cpu"), job)
    return out, result


def test_the_folder_is_complete(captured):
    out, result = captured
    capture = read_capture(out)
    assert result.keys() >= KEYS
    assert result["frames_used"] == result["frames_total"] == len(capture.motion) == 24
    assert capture.train == tuple(range(21))
    assert capture.test == (21, 22, 23)
    assert capture.head.model_name == "generic"
    assert (capture.camera.width, capture.camera.height) == (96, 96)
    assert dict(capture.figures) == result
    assert capture.marks == {"ok": [[0, 23]]}
    np.testing.assert_allclose(capture.seconds, np.arange(24) / 25, atol=1e-6)
    assert cv2.imread(str(out / "timeline.png")) is not None
    assert "notes" not in result


def test_the_painted_head_is_followed(captured, generic_model):
    out, result = captured
    assert result["reprojection_eye_fraction"] < 0.04
    capture = read_capture(out)
    turned = 0.3 * np.sin(2 * np.pi * np.arange(24) / 24)
    found = capture.motion.theta[:, 0, 1] + capture.motion.theta[:, NECK, 1]
    assert np.corrcoef(found, turned)[0, 1] > 0.95
    np.testing.assert_allclose(found, turned, atol=0.08)
    opened = 1 - np.cos(4 * np.pi * np.arange(24) / 24)
    assert np.corrcoef(capture.motion.theta[:, 2, 0], opened)[0, 1] > 0.7


def test_pictures_mattes_and_overlay_fit_together(captured):
    out, _ = captured
    capture = read_capture(out)
    image, matte = capture.image(5), capture.matte(5)
    assert image.shape == (96, 96, 3)
    head = ~(image > 245).all(-1)
    assert matte[head].mean() > 150  # all of the head but the neck's end
    assert matte[~head].mean() < 40
    video = cv2.VideoCapture(str(out / "overlay.mp4"))
    frames = 0
    while video.grab():
        frames += 1
    assert frames == 24


def test_the_same_command_again_is_done_at_once(captured, head_clip, job):
    out, result = captured
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    again = run(CaptureConfig(clip=head_clip, out=out, size=96, device="cpu"), job)
    assert again == result
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}


def test_another_size_keeps_landmarks_and_fit(captured, head_clip, tmp_path, job):
    out = tmp_path / "out"
    shutil.copytree(captured[0], out)
    stages = {path: path.stat().st_mtime_ns for path in (out / "stages").rglob("*.safetensors")}
    assert len(stages) == 2
    run(CaptureConfig(clip=head_clip, out=out, size=64, device="cpu"), job)
    assert stages == {
        path: path.stat().st_mtime_ns for path in (out / "stages").rglob("*.safetensors")
    }
    assert read_capture(out).image(0).shape == (64, 64, 3)


def test_a_capture_says_what_it_measured(captured):
    out, result = captured
    assert result["silhouette_iou_bare"] > 0.85
    assert "24 frames only" in (out / "report.html").read_text(encoding="utf-8")
    quality = read_quality(read_capture(out))
    assert quality.error[1::2, 1].mean() == pytest.approx(result["reprojection_px"], rel=1e-4)


def test_the_head_wears_its_hair(captured, generic_model):
    head = read_capture(captured[0]).head
    bald = generic_model.subject(head.beta)
    np.testing.assert_allclose(head.vertices, bald.vertices + head.static_offset, atol=1e-6)
    assert not head.static_offset[head.vertices_in("face", "neck")].any()
    thick = np.linalg.norm(head.static_offset[head.vertices_in("scalp")], axis=1)
    assert 0 < thick.mean() < 0.02  # m


def test_own_mattes_are_taken_and_kept_whole(captured, head_clip, tmp_path, job):
    out, own = tmp_path / "out", tmp_path / "own"
    shutil.copytree(captured[0] / "stages", out / "stages")
    own.mkdir()
    for n in range(24):
        matte = np.zeros((128, 128), np.uint8)
        matte[8 + n :] = 255  # down to the picture's edge
        cv2.imwrite(str(own / f"{n}.png"), matte)
    config = CaptureConfig(clip=head_clip, out=out, size=64, matte=str(own), cut="none")
    run(config, job)
    capture = read_capture(out)
    assert capture.matte(9).shape == (64, 64)
    assert capture.matte(9)[-1].min() == 255
    assert (capture.matte(3) > 0).sum() > (capture.matte(20) > 0).sum()
    cut = replace(config, cut="neck")
    assert run(cut, job)["frames_used"] == 24
    assert read_capture(out).matte(9)[-1].max() < 255
    (own / "23.png").unlink()
    with pytest.raises(ClipError, match="24 frames"):
        run(replace(config, out=tmp_path / "other"), job)
    assert not (tmp_path / "other").exists()


def test_a_stopped_capture_goes_on(captured, head_clip, tmp_path):
    out, folder = tmp_path / "out", tmp_path / "job"
    out.mkdir()
    shutil.copytree(captured[0] / "stages", out / "stages")

    class Stopping(Job):
        def update(self, message, step, total, **figures):
            if message == "Writing pictures" and step == 10:
                (folder / "cancel").touch()
            super().update(message, step, total, **figures)

    config = CaptureConfig(clip=head_clip, out=out, size=96, device="cpu")
    with pytest.raises(Cancelled), Stopping("capture", folder, quiet=True) as job:
        run(config, job)
    assert not (out / "capture.json").exists()
    done = {path: path.stat().st_mtime_ns for path in (out / "images").glob("*.png")}
    assert 10 <= len(done) <= 11 + AHEAD  # those that were under way are finished
    with Job("capture", folder, quiet=True) as job:
        result = run(config, job)
    assert result["frames_used"] == 24
    assert (
        done.items()
        <= {path: path.stat().st_mtime_ns for path in (out / "images").glob("*.png")}.items()
    )
    whole = read_capture(captured[0])
    assert (read_capture(out).matte(17) == whole.matte(17)).all()


def test_outlines_that_were_found_are_kept_until_there_is_a_fit(
    captured, head_clip, tmp_path, monkeypatch
):
    out, folder = tmp_path / "out", tmp_path / "job"
    out.mkdir()
    shutil.copytree(captured[0] / "stages" / "landmarks", out / "stages" / "landmarks")
    monkeypatch.setattr(fitting, "CHUNK", 8)

    class Stopping(Job):
        looked = 0

        def update(self, message, step, total, **figures):
            if message == "Looking at the outline":
                Stopping.looked += 1
                if Stopping.looked == 20:
                    (folder / "cancel").touch()
            super().update(message, step, total, **figures)

    config = CaptureConfig(clip=head_clip, out=out, size=96, device="cpu")
    with pytest.raises(Cancelled), Stopping("capture", folder, quiet=True) as job:
        run(config, job)
    assert len(list((out / "stages" / "outlines").iterdir())) == 2
    with Stopping("capture", folder, quiet=True) as job:
        run(config, job)
    assert Stopping.looked == 20 + 24 - 16
    assert not (out / "stages" / "outlines").exists()
    fits = [path / "stages" / "fit.safetensors" for path in (out, captured[0])]
    assert fits[0].read_bytes() == fits[1].read_bytes()


def test_no_space_left_is_one_sentence(captured, head_clip, tmp_path, job, monkeypatch):
    import errno

    out = tmp_path / "out"
    out.mkdir()
    shutil.copytree(captured[0] / "stages", out / "stages")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("engine.files.os.replace", full)
    with pytest.raises(SpaceError, match="no space left"):
        run(CaptureConfig(clip=head_clip, out=out, size=64, device="cpu"), job)
    assert not (out / "capture.json").exists()


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a file system for one command: `run(options, command)`; what the command said."""

    def run(options, before, command):
        place = tmp_path / "disk"
        place.mkdir(exist_ok=True)
        script = (
            f"mount -t tmpfs -o {options} tmpfs {place} && {before} && exec {shlex.join(command)}"
        )
        return subprocess.run(
            ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True
        )

    if shutil.which("unshare") is None or run("size=64k", "true", ["true"]).returncode:
        pytest.skip("This machine lets nobody but root mount a small disk to fill.")
    return run


def capture_words(clip, out):
    return [sys.executable, "-m", "engine", "capture", str(clip), str(out),
            "--size", "96", "--device", "cpu", "--quiet", "--json"]  # fmt: skip


def test_a_full_disk_is_one_sentence(captured, head_clip, small_disk, tmp_path):
    out = tmp_path / "disk" / "out"
    stages = captured[0] / "stages"
    kilobytes = sum(file.stat().st_size for file in stages.rglob("*") if file.is_file()) // 1024
    found = small_disk(f"size={kilobytes + 150}k", f"mkdir {out} && cp -r {stages} {out}",
                       capture_words(head_clip, out))  # fmt: skip
    assert found.returncode == 1
    assert json.loads(found.stdout)["error"]["code"] == "no_space"
    assert found.stderr.startswith("There is no space left to write")
    assert len(found.stderr.splitlines()) == 1


def test_a_read_only_disk_is_one_sentence(head_clip, small_disk, tmp_path):
    place = tmp_path / "disk"
    found = small_disk("size=64k", f"mount -o remount,ro {place}",
                       capture_words(head_clip, place / "out"))  # fmt: skip
    assert found.returncode == 1
    assert "is not permitted" in found.stderr
    assert len(found.stderr.splitlines()) == 1


@pytest.mark.slow
def test_kill_9_twice_and_the_folder_is_the_same(captured, head_clip, tmp_path):
    whole, out = captured[0], tmp_path / "out"
    out.mkdir()
    shutil.copytree(whole / "stages", out / "stages")
    (out / "stages" / "pictures.json").unlink()
    for picture in (5, 16):
        process = subprocess.Popen(capture_words(head_clip, out), stdout=subprocess.DEVNULL)
        while process.poll() is None and not (out / "images" / f"{picture:05d}.png").exists():
            time.sleep(0.002)
        process.kill()
        assert process.wait() not in (0, 1), "it was done before it could be killed"
        assert not (out / "capture.json").exists()
    (out / ".overlay-0123456789ab.mp4").write_bytes(b"left by a killed capture")
    subprocess.run(capture_words(head_clip, out), check=True, stdout=subprocess.DEVNULL)

    def content(folder):
        made = {str(file.relative_to(folder)): file.read_bytes()
                for file in folder.rglob("*") if file.is_file()}  # fmt: skip
        told = json.loads(made.pop("capture.json"))
        told["figures"].pop("seconds")
        return told, made

    assert content(out) == content(whole)


def test_pictures_in_a_folder_with_landmarks_from_a_file(
    captured, head_pictures, tmp_path, job, monkeypatch
):
    """No model looks for a face; the eyes look straight ahead, for the file knows no irises."""
    (tmp_path / "pictures").mkdir()
    for n, picture in enumerate(head_pictures):
        cv2.imwrite(str(tmp_path / "pictures" / f"{n}.png"), picture[..., ::-1])
    track = read_tensors(captured[0] / "stages/landmarks/00000.safetensors", "landmarks/00000", 1)[
        1
    ]
    kept = np.delete(np.arange(24), [3, 4])
    landmarks = tmp_path / "landmarks.npz"
    np.savez(landmarks, frames=kept, points=track["points"][kept, :468])
    monkeypatch.setattr("engine.capture.tracking.MediaPipeFaces", None)
    config = CaptureConfig(clip=tmp_path / "pictures", out=tmp_path / "out", size=64, fps=12.5,
                           landmarks=landmarks, device="cpu")  # fmt: skip
    result = run(config, job)
    capture = read_capture(config.out)
    assert result["frames_used"] == 22
    assert result["notes"] == "Left out of 24 frames: 2 without a face."
    assert capture.marks == {"ok": [[0, 2], [5, 23]], "no_face": [[3, 4]]}
    np.testing.assert_allclose(capture.seconds, kept / 12.5)
    assert capture.fps == 12.5
    assert not capture.motion.theta[:, [EYE_LEFT, EYE_RIGHT]].any()


def test_a_real_person_is_followed(shared, tmp_path, job):
    head = shared / "heads" / "ict_head.npz"
    clip = shared / "videos" / "talk_512.mp4"
    config = CaptureConfig(clip=clip, out=tmp_path / "out", head=str(head),
                           size=128, frames="0-31", device="cpu")  # fmt: skip
    result = run(config, job)
    assert result["frames_used"] == result["frames_total"] == 32
    assert result["reprojection_eye_fraction"] <= 0.02
    capture = read_capture(config.out)
    turn = np.degrees(capture.motion.theta[:, 0] + capture.motion.theta[:, NECK])
    jitter = np.linalg.norm(turn[2:] - 2 * turn[1:-1] + turn[:-2], axis=1).mean()
    assert jitter < 0.3
    matte = capture.matte(0) / 255
    assert 0.1 < matte.mean() < 0.4
    below = capture.image(0)[100:][matte[100:] > 0.5].mean(1)  # 0…255
    assert len(below) > 100
    assert below.min() > 50  # no shirt: it is black


def test_somebodys_own_pictures_are_never_replaced(head_clip, tmp_path):
    mine = tmp_path / "data" / "images" / "00001.png"
    mine.parent.mkdir(parents=True)
    cv2.imwrite(str(mine), np.full((300, 300, 3), 200, np.uint8))
    (tmp_path / "data" / "stages").mkdir()  # as a capture has them, which makes no difference here
    for clip, out, said in (
        (mine.parent, tmp_path / "data", "made from"),
        (head_clip, tmp_path / "other", "holds other files"),
    ):
        if out.name == "other":
            shutil.copytree(mine.parent, out / "images")
        config = CaptureConfig(clip=clip, out=out, size=96, device="cpu")
        with Job("capture", quiet=True) as job, pytest.raises(CaptureError, match=said):
            run(config, job)
        assert (out / "images" / "00001.png").is_file()


def test_a_picture_that_is_gone_is_made_again(captured, head_clip, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(captured[0], out)
    lost, empty = out / "images" / "00003.png", out / "mattes" / "00007.png"
    before = lost.read_bytes(), empty.read_bytes()
    lost.unlink()
    empty.write_bytes(b"")
    with Job("capture", quiet=True) as job:
        run(CaptureConfig(clip=head_clip, out=out, size=96, device="cpu"), job)
    assert (lost.read_bytes(), empty.read_bytes()) == before
