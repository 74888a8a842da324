# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs outlive Blender, are found again, pause, are killed, go on, and show themselves."""

import json
import os
import signal
import time

import pytest

pytestmark = pytest.mark.newest


def wait_until(true, seconds=150):
    """Wait for something to become true, in Blender too."""
    until = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.2)
    return value


def blender_asks(capture, folder):
    """Ask for a long training and an export behind it, then go."""
    import bpy
    from blender_side import addon, empty_scene

    chosen = empty_scene().partnerface
    chosen.capture, chosen.avatar_folder = capture, folder
    chosen.preset, chosen.steps, chosen.device = "draft", 100_000, "cpu"
    assert bpy.ops.partnerface.train() == {"FINISHED"}
    first = chosen.job
    assert bpy.ops.partnerface.train() == {"FINISHED"}
    watch = addon("jobs.watch")
    wait_until(lambda: watch.look(first).step > 2)
    return {
        "first": first,
        "second": [watch.look(chosen.job).state, watch.look(chosen.job).sentence],
    }


def blender_finds_again(folder):
    """Another Blender, another file: the same jobs."""
    import bpy
    from blender_side import addon, sentence_of

    watch, listing, words, shown = map(
        addon, ("jobs.watch", "jobs.listing", "jobs.words", "jobs.shown")
    )
    told = {"states": [status.state for status in watch.look_at_all()]}
    listing.choose(folder)
    told["title"] = words.title(listing.chosen())
    call = bpy.ops.partnerface

    assert call.pause_job() == {"FINISHED"}
    paused = wait_until(lambda: watch.look(folder).state == "paused" and watch.look(folder))
    time.sleep(1.0)
    told["paused"] = [paused.step, watch.look(folder).step, words.progress(paused)]
    assert call.resume_job() == {"FINISHED"}
    wait_until(lambda: watch.look(folder).step > paused.step)

    picture = shown.show_preview(watch.look(folder).folder)
    told["picture"] = [picture.name, *picture.size]
    assert call.show_job_log() == {"FINISHED"}
    told["log"] = bpy.data.texts["PartNerFace log"].as_string()
    shown.refresh()
    saved = os.path.join(folder, "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=saved, copy=True)
    with bpy.data.libraries.load(saved) as (held, _):
        told["saved"] = [n for n in (*held.images, *held.texts) if n.startswith("PartNerFace")]

    assert call.cancel_job() == {"FINISHED"}  # writes a checkpoint
    kept = wait_until(lambda: watch.look(folder).state == "cancelled" and watch.look(folder)).step
    waiting = wait_until(lambda: [s for s in watch.look_at_all() if s.at_work])
    told["next"] = [status.kind for status in waiting]  # the queue goes on
    for other in waiting:
        call.cancel_job(folder=str(other.folder))
    wait_until(lambda: not any(s.active for s in watch.look_at_all()))

    listing.choose(folder)
    assert call.resume_job() == {"FINISHED"}
    resumed = wait_until(lambda: watch.look(folder).state == "running" and watch.look(folder).step)
    told["went on"] = [kept, resumed]
    with open(os.path.join(folder, "status.json")) as file:
        os.kill(json.load(file)["pid"], signal.SIGKILL)
    killed = wait_until(lambda: not watch.look(folder).active and watch.look(folder))
    told["killed"] = [killed.state, killed.sentence, sentence_of(call.refresh_job)]
    assert call.resume_job() == {"FINISHED"}
    told["after the kill"] = wait_until(
        lambda: watch.look(folder).state == "running" and watch.look(folder).step
    )
    call.cancel_job()
    wait_until(lambda: not watch.look(folder).active)
    told["cleared"] = sorted(call.clear_jobs())
    told["left"] = len(watch.look_at_all()) + len(bpy.context.window_manager.partnerface.items)
    told["refused"] = [call.pause_job.poll(), call.resume_job.poll(), call.cancel_job.poll()]
    return told


def test_jobs_live_on_without_blender_and_after_being_killed(in_new_blender, avatar, tmp_path):
    capture = avatar.parents[1] / "capture"
    asked = in_new_blender(blender_asks, str(capture), str(tmp_path / "kim"))
    assert asked["second"] == ["queued", "Waits for its turn"]
    found = in_new_blender(blender_finds_again, asked["first"])
    assert sorted(found["states"]) == ["queued", "running"]
    assert found["title"] == "Training kim"
    stood, still, said = found["paused"]
    assert still == stood
    assert "paused" in said
    assert found["picture"] == ["PartNerFace preview", 128, 64]
    assert found["log"].strip()
    assert found["saved"] == []  # nothing of a job stays in the user's file
    assert found["next"] == ["train"]
    kept, resumed = found["went on"]
    assert kept > 2
    assert resumed >= kept
    state, sentence, reported = found["killed"]
    assert state == "failed"
    assert "killed" in sentence
    assert "Resume" in sentence
    assert reported == sentence
    assert found["after the kill"] >= kept
    assert found["cleared"] == ["FINISHED"]
    assert found["left"] == 0
    assert found["refused"] == [False] * 3


def blender_renders_a_sequence(avatar, out):
    import bpy
    import numpy as np
    from blender_side import addon, avatar_planes, load_avatar

    scene, rig, _head = load_avatar(avatar)
    scene.render.resolution_x = scene.render.resolution_y = 40
    scene.frame_start, scene.frame_end, scene.frame_step = 2, 6, 2
    rig.scale = (2.0, 2.0, 2.0)
    scene.frame_set(4)
    colour, depth = avatar_planes(scene, rig)
    scene.frame_set(3)
    render = bpy.ops.partnerface.render_sequence
    assert render(directory=out, file_format="exr") == {"FINISHED"}
    frame = scene.frame_current
    look, folder = addon("jobs.watch").look, scene.partnerface.job
    wait_until(lambda: not look(folder).active)
    status = look(folder)
    made = addon("jobs.words").made(status)
    image = bpy.data.images.load(os.path.join(out, "0004.exr"))
    kind = (image.size[:], image.type)[1]  # asking for the size reads the file
    bpy.data.images.remove(image)
    np.savez(os.path.join(out, "wanted.npz"), colour=colour, depth=depth)
    return {"state": status.state, "said": status.sentence, "frame": frame, "type": kind,
            "result": dict(status.result), "folder": str(made.folder)}  # fmt: skip


def test_a_sequence_is_rendered_without_blender(in_new_blender, avatar, tmp_path):
    import numpy as np

    out = tmp_path / "frames"
    found = in_new_blender(blender_renders_a_sequence, str(avatar), str(out))
    assert found["state"] == "done", found["said"]
    assert found["frame"] == 3  # the scene is where it was
    assert sorted(path.name for path in out.glob("*.exr")) == ["0002.exr", "0004.exr", "0006.exr"]
    assert found["type"] == "MULTILAYER"
    assert found["folder"] == str(out)
    wanted = np.load(out / "wanted.npz")
    in_new_blender(blender_composites, str(out / "0004.exr"), str(tmp_path), 40)
    seen = np.load(tmp_path / "seen.npz")
    np.testing.assert_allclose(seen["Combined"], wanted["colour"], atol=4e-3)
    inside = wanted["depth"] < 1e9
    assert inside.any()
    np.testing.assert_allclose(seen["Depth"][..., 0][inside], wanted["depth"][inside], rtol=1e-4)


def blender_composites(path, folder, size):
    """The file's layers as Blender's compositor reads them."""
    import bpy
    import numpy as np
    from blender_side import addon, empty_scene, render

    scene, versions = empty_scene(), addon("blender_versions")
    scene.render.engine, scene.cycles.samples = "CYCLES", 1
    scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(scene.camera)
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    tree = versions.make_compositor_tree(scene)
    node = tree.nodes.new("CompositorNodeImage")
    image = bpy.data.images.load(path)
    assert len(image.size) == 2  # asking for the size reads the file, and with it the layers
    node.image = image
    seen = {}
    for name in ("Combined", "Depth"):
        tree.links.new(node.outputs[name], versions.find_output(tree).inputs[0])
        seen[name] = render(scene, folder, name)
    np.savez(os.path.join(folder, "seen.npz"), **seen)
