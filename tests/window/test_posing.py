# SPDX-License-Identifier: GPL-3.0-or-later
"""The pose panel in a window: it draws every group, and a button is one step of undo."""


def window_pose(avatar):
    import sys

    import blender_side
    import bpy
    import window_side as side

    _, rig, _ = blender_side.load_avatar(avatar, motion=False)
    panels = sys.modules[f"{blender_side.PACKAGE}.panels.rig"].CLASSES
    for kind in panels:  # all open, so that all are drawn
        bpy.utils.unregister_class(kind)
        kind.bl_options = set()
        bpy.utils.register_class(kind)
    bpy.context.preferences.view.ui_scale = 0.5
    yield from side.only_area()
    yield from side.show_sidebar("PartNerFace")
    sliders = blender_side.addon("rig.sliders")
    name, found = rig.name, {}
    with side.override():
        bpy.ops.ed.undo_push(message="loaded")
        bpy.ops.partnerface.apply_expression("EXEC_DEFAULT", True, expression="Surprise")
        found["surprise"] = sliders.get_slider(bpy.data.objects[name], "jawOpen")
        bpy.ops.partnerface.reset_pose("EXEC_DEFAULT", True, scope="ALL")
        found["reset"] = sliders.get_slider(bpy.data.objects[name], "jawOpen")
    yield 0.5
    side.press("Z", ctrl=True)
    yield 0.5
    found["undone"] = sliders.get_slider(bpy.data.objects[name], "jawOpen")
    side.press("Z", ctrl=True)
    yield 0.5
    found["undone twice"] = sliders.get_slider(bpy.data.objects[name], "jawOpen")
    return found | {"picture": side.screenshot("pose"), "groups": len(panels)}


def test_the_panel_draws_and_each_button_is_one_undo(in_window, avatar, tmp_path):
    found = in_window(window_pose, str(avatar), binds=[avatar.parent])
    assert found["groups"] >= 8
    assert found["surprise"] == found["undone"] > 0.5
    assert found["reset"] == found["undone twice"] == 0
    said = (tmp_path / "blender.log").read_text(errors="replace")
    assert "Traceback" not in said, said[-3000:]
    assert "cycle" not in said.lower(), said[-3000:]
    assert "rna_uiItem" not in said, said[-3000:]  # a property that a panel could not find
