# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work is started, watched and cancelled from Blender."""

import pytest

pytestmark = pytest.mark.newest


def blender_exports(avatar, folder):
    import time
    from pathlib import Path

    import bpy
    from blender_side import addon, load_avatar

    scene, _rig, _head = load_avatar(avatar)
    scene.partnerface.export_resolution = 48
    out = Path(folder) / "head.ply"
    assert bpy.ops.partnerface.export(filepath=str(out)) == {"FINISHED"}
    look, folder = addon("jobs.watch").look, scene.partnerface.job
    until = time.monotonic() + 150
    while look(folder).active and time.monotonic() < until:
        time.sleep(0.3)
    status = look(folder)
    assert bpy.ops.partnerface.refresh_job() == {"FINISHED"}
    return {"state": status.state, "said": status.sentence, "size": out.stat().st_size,
            "vertices": status.result.get("vertices", 0)}  # fmt: skip


def test_an_export_runs_to_its_end(in_new_blender, avatar, tmp_path):
    found = in_new_blender(blender_exports, str(avatar), str(tmp_path))
    assert found["state"] == "done", found["said"]
    assert found["size"] > 1000
    assert found["vertices"] > 100


def blender_trains_and_cancels(capture, folder):
    import time

    import bpy
    from blender_side import addon, empty_scene

    chosen = empty_scene().partnerface
    chosen.capture, chosen.avatar_folder = capture, folder
    chosen.preset, chosen.steps, chosen.device = "draft", 100_000, "cpu"
    assert bpy.ops.partnerface.train() == {"FINISHED"}
    look = addon("jobs.watch").look
    until = time.monotonic() + 150
    while not look(chosen.job).step and look(chosen.job).active and time.monotonic() < until:
        time.sleep(0.2)
    running = look(chosen.job)
    assert bpy.ops.partnerface.cancel_job() == {"FINISHED"}
    while look(chosen.job).active and time.monotonic() < until:
        time.sleep(0.2)
    ended = look(chosen.job)
    again = bpy.ops.partnerface.cancel_job.poll()
    return {"running": running.state, "step": running.step, "ended": ended.state,
            "said": ended.sentence, "again": again}  # fmt: skip


def test_a_training_is_cancelled(in_new_blender, avatar, tmp_path):
    capture = avatar.parents[1] / "capture"
    found = in_new_blender(blender_trains_and_cancels, str(capture), str(tmp_path))
    assert found["running"] == "running", found["said"]
    assert found["step"] > 0
    assert found["ended"] == "cancelled", found["said"]
    assert not found["again"]


def blender_fails(folder):
    import time
    from pathlib import Path

    import bpy
    from blender_side import addon, empty_scene, sentence_of

    chosen = empty_scene().partnerface
    clip = Path(folder) / "clip.mp4"
    clip.write_bytes(b"no film at all")
    chosen.clip, chosen.capture, chosen.device = str(clip), str(Path(folder) / "capture"), "cpu"
    assert bpy.ops.partnerface.capture() == {"FINISHED"}
    look = addon("jobs.watch").look
    until = time.monotonic() + 150
    while look(chosen.job).active and time.monotonic() < until:
        time.sleep(0.2)
    return {"state": look(chosen.job).state, "said": sentence_of(bpy.ops.partnerface.refresh_job)}


def test_a_capture_that_fails_says_why(in_new_blender, tmp_path):
    found = in_new_blender(blender_fails, str(tmp_path))
    assert found["state"] == "failed"
    assert "clip.mp4" in found["said"]
    assert "Traceback" not in found["said"]
