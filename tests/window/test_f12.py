# SPDX-License-Identifier: GPL-3.0-or-later
"""F12 in a window, from the render thread: a lost engine costs a frame's time, and no more."""


def window_f12(avatar):
    """A render as the key F12 starts it, whose engine is killed once; what the picture holds."""
    import blender_side
    import bpy
    import numpy as np
    import window_side as side

    yield 0.1
    scene, rig, head = blender_side.load_avatar(avatar)
    blender_side.neutral(scene, rig, head)
    scene.render.resolution_x = scene.render.resolution_y = 256
    scene.render.resolution_percentage = 100
    scene.render.use_motion_blur, scene.partnerface_render.motion_samples = True, 3
    rig.location.x = -0.01
    rig.keyframe_insert("location", frame=scene.frame_current - 1)
    rig.location.x = 0.01
    rig.keyframe_insert("location", frame=scene.frame_current + 1)
    bpy.context.preferences.view.render_display_type = "NONE"
    done, ticks = [], []
    bpy.app.handlers.render_complete.append(lambda *_: done.append(True))
    killer = blender_side.kill_engine(1, when=lambda: bpy.app.is_job_running("RENDER"))
    with side.override():
        bpy.ops.render.render("INVOKE_DEFAULT")
    yield from side.until(lambda: ticks.append(1) or done, 200, "the render is complete")
    killer.join(1)
    path = str(side.FOLDER / "shown.exr")
    scene.render.image_settings.file_format = "OPEN_EXR"
    bpy.data.images["Render Result"].save_render(path, scene=scene)
    picture = blender_side.read_picture(path)
    return {
        "killed": not killer.is_alive(),
        "shape": picture.shape,
        "alpha": float(picture[..., 3].max()),
        "finite": bool(np.isfinite(picture).all()),
        "ticks": len(ticks),
    }


def test_a_lost_engine_is_replaced_and_the_window_goes_on(in_window, avatar):
    found = in_window(window_f12, str(avatar), binds=[avatar.parent])
    assert found["killed"]
    assert found["shape"] == [256, 256, 4]
    assert found["alpha"] > 0.9
    assert found["finite"]
    assert found["ticks"] > 10  # the window's own timer ran meanwhile
