# SPDX-License-Identifier: GPL-3.0-or-later
"""F12 in a window: both scenes are rendered, in step and as filmed, off the main thread."""


def window_renders(avatar):
    import bpy
    import numpy as np
    import window_side as side
    from blender_side import addon, load_avatar, read_picture

    yield 0.1
    scene, _rig, _ = load_avatar(avatar, match_colour=False)
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    scene.render.film_transparent = True
    scene.view_settings.view_transform = "AgX"
    with side.override():
        assert bpy.ops.partnerface.set_up_compositor() == {"FINISHED"}
    addon("colour.looks")._kept.clear()  # to be measured when the render starts
    scene.render.resolution_x, scene.render.resolution_y = 48, 40  # after the set-up
    ended = []
    bpy.app.handlers.render_complete.append(lambda *_: ended.append("complete"))
    bpy.app.handlers.render_cancel.append(lambda *_: ended.append("cancel"))
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_mode, settings.color_depth = "OPEN_EXR", "RGBA", "32"
    scene.render.filepath = str(side.FOLDER / "f12.exr")
    with side.override():
        bpy.ops.render.render("INVOKE_DEFAULT", write_still=True)
    yield from side.until(lambda: ended, 150, "the render")
    yield 0.5
    pixels = read_picture(scene.render.filepath)
    scene.partnerface.colour = "SCENE_REFERRED"
    ended.clear()
    with side.override():
        bpy.ops.render.render("INVOKE_DEFAULT", write_still=True)
    yield from side.until(lambda: ended, 150, "the second render")
    yield 0.5
    plain = read_picture(scene.render.filepath)
    solid = (pixels[..., 3] > 0.98) & (plain[..., 3] > 0.98)
    return {
        "ended": ended,
        "shape": list(pixels.shape),
        "avatar scene": scene.partnerface.avatar_scene.render.resolution_x,
        "solid": float(solid.mean()),
        "measured": len(addon("colour.looks")._kept),
        "brighter": float(np.median(pixels[solid][:, 0] / plain[solid][:, 0])),
    }


def test_f12_renders_both_scenes(in_window, avatar):
    found = in_window(window_renders, str(avatar), binds=[avatar.parent])
    print(found)
    assert found["ended"] == ["complete"]
    assert found["shape"] == [40, 48, 4]
    assert found["avatar scene"] == 48
    assert found["solid"] > 0.05
    assert found["measured"] == 1
    assert found["brighter"] > 1.1  # AgX darkens, so that as filmed wants more light
