# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill −9 of the engine: a frame is rendered again, an animation goes on where it stopped."""

import numpy as np
import pytest

FRAMES = 6


def blender_still(avatar, folder):
    """A frame whose engine is killed once, then one whose engines are killed both times."""
    import bpy
    from blender_side import Printed, kill_engine, load_avatar, neutral, render, sentence_of

    scene, rig, head = load_avatar(avatar)
    neutral(scene, rig, head)
    scene.render.resolution_percentage = 400
    before = render(scene, folder, "before")
    killer = kill_engine(1)
    with Printed(f"{folder}/said") as said:
        after = render(scene, folder, "after")
    killer.join(1)
    found = {
        "killed": not killer.is_alive(),
        "same": float(np.abs(after - before).max()),
        "seen": float(after.max()),
        "said": said.text,
    }
    killer = kill_engine(2)
    found["refused"] = sentence_of(bpy.ops.render.render)
    killer.join(1)
    found["next"] = float(np.abs(render(scene, folder, "next") - before).max())
    return found


@pytest.mark.ends
def test_a_frame_is_rendered_again_once(in_new_blender, avatar, tmp_path):
    found = in_new_blender(blender_still, str(avatar), str(tmp_path))
    assert found["killed"]
    assert found["seen"] > 0.1
    assert found["same"] < 1e-6
    assert "killed" in found["said"]
    assert "again" in found["said"]
    assert "killed" in found["refused"]
    assert "\n" not in found["refused"]
    assert found["next"] < 1e-6


def blender_animation(avatar, folder):
    """An animation that loses one engine, then one that loses two in the same frame and goes on."""
    from pathlib import Path

    import bpy
    from blender_side import kill_engine, load_avatar, read_picture, sentence_of

    scene = load_avatar(avatar)[0]
    scene.render.resolution_percentage = 200
    scene.frame_start, scene.frame_end = 1, FRAMES
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_mode, settings.color_depth = "OPEN_EXR", "RGBA", "32"
    done = []
    bpy.app.handlers.render_write.append(lambda *_: done.append(scene.frame_current))

    def animation(name, kills):
        done.clear()
        scene.render.filepath = f"{folder}/{name}/"
        killer = kill_engine(kills, when=lambda: len(done) >= 2)
        said = sentence_of(bpy.ops.render.render, animation=True)
        killer.join(1)
        assert not killer.is_alive() or not kills
        files = sorted(Path(folder, name).iterdir())
        return said, {file.name: file.stat().st_mtime_ns for file in files}

    _, whole = animation("whole", 0)
    once = animation("once", 1)
    scene.render.use_overwrite, scene.render.use_placeholder = False, True
    twice = animation("twice", 2)
    written = dict(twice[1])
    rest = animation("twice", 0)
    kept = [name for name in written if written[name] == rest[1].get(name)]
    worst = [
        max(
            float(np.abs(read_picture(f"{folder}/whole/{frame}")
                         - read_picture(f"{folder}/{name}/{frame}")).max())
            for frame in whole
        )
        for name in ("once", "twice")
    ]  # fmt: skip
    return {
        "once": [once[0], len(once[1])],
        "twice": [twice[0], len(written), len(kept)],
        "rest": [rest[0], len(rest[1])],
        "rendered_then": list(done),
        "empty": [n for n in written if Path(folder, "twice", n).stat().st_size == 0],
        "worst": worst,
    }


@pytest.mark.ends
def test_an_animation_goes_on_where_it_stopped(in_new_blender, avatar, tmp_path):
    found = in_new_blender(blender_animation, str(avatar), str(tmp_path))
    print(found)
    assert found["once"] == ["", FRAMES]
    said, written, kept = found["twice"]
    assert "killed" in said
    assert "Overwrite off" in said
    assert 2 <= written < FRAMES
    assert kept == written
    assert not found["empty"]
    assert found["rest"] == ["", FRAMES]
    assert found["rendered_then"] == list(range(written + 1, FRAMES + 1))
    assert max(found["worst"]) < 1e-6


def blender_leaves(avatar):
    import threading
    import time
    from pathlib import Path

    from blender_side import addon, stop_engine

    link = addon("connection.engine_link")
    settings, said, waited = link.read_settings(), [], []

    def open_it():
        try:
            link.open_avatar(settings, Path(avatar))
        except Exception as error:
            said.append(str(error))

    for moment in ("_starting", "_engine"):  # while it introduces itself, and opens the avatar
        stop_engine()
        thread = threading.Thread(target=open_it)
        thread.start()
        while getattr(link, moment) is None:
            time.sleep(0.001)
        began = time.monotonic()
        link.stop_engine()
        waited.append(time.monotonic() - began)
        thread.join()
    link.detach()
    open_it()
    link.attach()
    open_it()
    stop_engine()
    return waited, said


def test_leaving_never_waits_for_an_engine_that_is_starting(in_new_blender, avatar):
    waited, said = in_new_blender(blender_leaves, str(avatar))
    assert max(waited) < 2  # where the start itself takes seconds
    assert len(said) == 3  # and the last one succeeds
    assert all("was stopped" in sentence for sentence in said[:2])
    assert "switched off" in said[2]
