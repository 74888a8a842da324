# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion is brought and parts are overridden from buttons, while the window goes on."""


def window_import(avatar, capture):
    import time

    import blender_side as blender
    import bpy
    import window_side as side

    yield 0.1
    _, rig, _ = blender.load_avatar(avatar)
    before = rig.animation_data.action.name
    bpy.ops.ed.undo_push(message="an avatar")
    blender.addon("connection.engine_link").stop_engine()  # it must be started anew, for seconds
    yield from side.show_sidebar("PartNerFace")
    with side.override():
        bpy.ops.partnerface.import_motion("INVOKE_DEFAULT")
    browser = yield from side.until(
        lambda: next((area for window in bpy.context.window_manager.windows
                      for area in window.screen.areas if area.type == "FILE_BROWSER"), None)
    )  # fmt: skip
    yield from side.until(lambda: browser.spaces.active.params is not None)
    params = browser.spaces.active.params
    offered = browser.spaces.active.active_operator
    out = {"target": offered.target_frame, "now": bpy.context.scene.frame_current}
    offered.name, offered.as_strip = "brought", True
    params.directory, params.filename = capture.encode(), "capture.json"
    yield 0.5
    owner = next(w for w in bpy.context.window_manager.windows if browser in w.screen.areas[:])
    area_region = next(item for item in browser.regions if item.type == "WINDOW")
    with bpy.context.temp_override(window=owner, area=browser, region=area_region):
        bpy.ops.file.execute()
    gaps, last = [], time.monotonic()
    began, end = last, last + 60
    while "brought" not in bpy.data.actions and time.monotonic() < end:
        yield 0.01
        gaps.append(time.monotonic() - last)
        last = time.monotonic()
    whole = last - began
    yield 0.3
    out["tracks"] = [track.strips[0].action.name for track in rig.animation_data.nla_tracks]
    out["before"], out["longest share"] = before, max(gaps) / whole
    # One step back takes all of it away again.
    with side.override():
        bpy.ops.ed.undo()
    yield 0.5
    rig = next(item for item in bpy.data.objects if item.type == "ARMATURE")
    out["undone"] = rig.animation_data.action.name if rig.animation_data.action else ""
    return out


def test_a_capture_is_chosen_and_arrives_while_the_window_goes_on(in_window, avatar):
    capture = avatar.parents[1] / "capture"
    found = in_window(window_import, str(avatar), str(capture), binds=[avatar.parents[1]])
    print(found)
    assert found["tracks"] == [found["before"], "brought"]
    assert found["target"] == found["now"]
    assert found["longest share"] < 0.5, "the window stood still while the engine started"
    assert found["undone"] == found["before"]


def window_parts(avatar):
    import blender_side as blender
    import bpy
    import window_side as side

    yield 0.1
    _, rig, _ = blender.load_avatar(avatar)
    yield from side.only_area()
    yield from side.show_sidebar("PartNerFace")
    rig.partnerface_parts.shown = "eye_left"
    with side.override():
        bpy.ops.partnerface.override_part("INVOKE_DEFAULT", part="eye_left")
    yield from side.until(lambda: rig.partnerface_parts.eye_left.hears, 120)
    with side.override():
        bpy.ops.partnerface.add_part_slider(part="eye_left", expression="eyeBlinkLeft")
        yield 0.2
        bpy.ops.partnerface.freeze_part(part="eye_left")
    yield 0.5
    picture = side.screenshot("parts", side.region(side.area(), "UI"))
    parts = blender.addon("rig.parts")
    return {"picture": picture, "own": len(parts.own_sliders(rig, "eye_left")),
            "heard": len(parts.heard_by(rig, "eye_left"))}  # fmt: skip


def test_a_part_is_overridden_from_the_sidebar(in_window, read_picture, avatar):
    found = in_window(window_parts, str(avatar), binds=[avatar.parents[1]])
    assert found["own"] == found["heard"] > 3
    picture = read_picture(found["picture"])
    assert len({tuple(pixel) for pixel in picture.reshape(-1, 3)[::7]}) > 30
