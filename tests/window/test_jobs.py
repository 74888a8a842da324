# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs in a window: list, status bar, picture and log follow by themselves and never hold it up."""


def window_training(capture, folder):
    import blender_side
    import bpy
    import window_side as side

    addon = blender_side.addon
    watch, listing = addon("jobs.watch"), addon("jobs.listing")
    scene = bpy.context.scene
    chosen = scene.partnerface
    chosen.capture, chosen.avatar_folder = capture, folder
    chosen.preset, chosen.steps, chosen.device = "draft", 100_000, "cpu"
    for area in side.window().screen.areas:  # somewhere for the picture and the log
        if area.type == "DOPESHEET_EDITOR":
            area.type = "IMAGE_EDITOR"
        elif area.type == "OUTLINER":
            area.type = "TEXT_EDITOR"
    yield from side.show_sidebar("PartNerFace")
    with side.override():
        assert bpy.ops.partnerface.train() == {"FINISHED"}
        first = chosen.job
        chosen.avatar_folder = folder + "-second"
        assert bpy.ops.partnerface.train() == {"FINISHED"}
    listing.choose(first)
    # jobs give way to whatever else a busy machine does, so that this may take a while
    yield from side.until(lambda: "PartNerFace preview" in bpy.data.images, 300, "a picture")
    with side.override():
        bpy.ops.partnerface.show_job_log()
    yield from side.until(lambda: watch.last_seen(first).step > 8, 120, "steps")
    yield 2.0
    told = {"picture": side.screenshot("jobs")}
    spaces = [area.spaces.active for area in side.window().screen.areas]
    told["image"] = [getattr(getattr(s, "image", None), "name", "") for s in spaces]
    told["text"] = [getattr(getattr(s, "text", None), "name", "") for s in spaces]
    told["listed"] = len(bpy.context.window_manager.partnerface.items)
    bpy.ops.wm.read_homefile(app_template="")  # another file: the jobs are still there
    yield 2.5
    told["after"] = [status.state for status in watch.all_seen()]
    step = watch.last_seen(first).step
    yield from side.until(lambda: watch.last_seen(first).step > step, 90, "still watched")
    for status in watch.all_seen():
        bpy.ops.partnerface.cancel_job(folder=str(status.folder))
    yield from side.until(lambda: not any(s.active for s in watch.all_seen()), 60, "the end")
    package = "bl_ext.user_default.partnerface"
    bpy.ops.preferences.addon_disable(module=package)
    yield 0.5
    drawn = bpy.types.STATUSBAR_HT_header.draw
    told["status bar"] = [f.__module__ for f in getattr(drawn, "_draw_funcs", [])]
    return told


def test_a_training_is_seen_in_the_window(in_window, avatar, tmp_path):
    capture = avatar.parents[1] / "capture"
    found = in_window(
        window_training, str(capture), str(tmp_path / "kim"), binds=[capture.parent], limit_s=600
    )
    assert "PartNerFace preview" in found["image"]
    assert "PartNerFace log" in found["text"]
    assert found["listed"] == 2
    assert sorted(found["after"]) == ["queued", "running"]
    assert not any("partnerface" in name for name in found["status bar"])
