# SPDX-License-Identifier: GPL-3.0-or-later
"""In a real window: the extension comes and goes, files are loaded again, edits are undone."""

import numpy as np

SLIDERS = ("jawOpen", "browInnerUp", "eyeBlinkLeft", "mouthSmileRight")
STEPS = 20


def window_comes_and_goes(avatar):
    import blender_side as blender
    import bpy
    import window_side as side

    package = blender.PACKAGE
    seen = {"on": [], "off": []}
    for _ in range(2):
        seen["on"].append(len(blender.traces()))
        bpy.ops.preferences.addon_disable(module=package)
        yield 0.3  # panels are drawn without it
        seen["off"] += blender.traces()
        bpy.ops.preferences.addon_enable(module=package)
        yield 0.3
    seen["on"].append(len(blender.traces()))
    blender.load_avatar(avatar)
    engine = blender.addon("connection.engine_link").running_engine()
    with side.override():
        side.area().spaces.active.shading.type = "SOLID"
    yield from side.show_sidebar("PartNerFace")
    yield 1.0
    seen["engine_ran"] = engine.alive
    seen["left"] = yield from blender.uninstall()
    seen["engine_left"] = engine.process.poll() is None
    return seen


def test_it_comes_and_goes_without_a_trace(in_window, avatar):
    found = in_window(window_comes_and_goes, str(avatar), binds=[avatar.parent])
    assert len(set(found["on"])) == 1
    assert found["on"][0] > 20
    assert found["off"] == []
    assert found["engine_ran"]
    assert not found["engine_left"]
    assert found["left"] == []


def pixels_now(name):
    """The scene as F12 renders it now, small."""
    import blender_side as blender
    import bpy
    import window_side as side

    scene = bpy.context.scene
    scene.render.resolution_percentage = 100
    scene.render.resolution_x = scene.render.resolution_y = 64
    return blender.render(scene, side.FOLDER, name)


def window_reloads(avatar):
    import blender_side as blender
    import bpy
    import window_side as side

    scene, _, _ = blender.load_avatar(avatar)
    scene.frame_set(7)
    before = pixels_now("before")
    path = str(side.FOLDER / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_homefile(app_template="")
    yield 0.5
    bpy.ops.wm.open_mainfile(filepath=path)
    yield 1.0
    after = pixels_now("after")
    return {"most": float(abs(before - after).max()), "alpha": float(before[..., 3].mean())}


def test_save_reload_render_gives_the_same_pixels(in_window, avatar):
    found = in_window(window_reloads, str(avatar), binds=[avatar.parent])
    assert found["alpha"] > 0.05
    assert found["most"] == 0


def window_undoes(avatar, names, steps):
    import blender_side as blender
    import bpy
    import window_side as side

    _, rig, _ = blender.load_avatar(avatar, motion=False)
    sliders, name = blender.addon("rig.sliders"), rig.name

    def at():
        return [sliders.get_slider(bpy.data.objects[name], each) for each in names]

    with side.override():
        bpy.ops.ed.undo_push(message="start")
    start, pictures = at(), [pixels_now("start")]
    for step in range(steps):
        rig = bpy.data.objects[name]
        sliders.set_slider(rig, names[step % len(names)], 0.05 * (step + 1))
        with side.override():
            bpy.ops.ed.undo_push(message=f"slider {step}")
        yield 0.02
    end = at()
    pictures.append(pixels_now("end"))
    for word in ("undo", "redo"):
        for _ in range(steps):
            with side.override():
                getattr(bpy.ops.ed, word)()
            yield 0.05  # the viewport draws what was undone
        yield 0.3
        pictures.append(pixels_now(word))
    most = [float(np.abs(a - b).max()) for a, b in zip(pictures[2:], pictures, strict=False)]
    return {"undone": most[0], "redone": most[1], "start": start, "end": end, "at_last": at(),
            "moved": float(np.abs(pictures[0] - pictures[1]).max())}  # fmt: skip


def test_twenty_slider_edits_are_undone_and_redone(in_window, avatar):
    found = in_window(window_undoes, str(avatar), SLIDERS, STEPS, binds=[avatar.parent])
    assert found["start"] == [0] * len(SLIDERS)
    assert min(found["end"]) > 0.5
    assert found["at_last"] == found["end"]
    assert found["moved"] > 0.05
    assert found["undone"] == found["redone"] == 0
