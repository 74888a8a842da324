# SPDX-License-Identifier: GPL-3.0-or-later
"""Pose assets in a window: made while the interface runs, left with Esc, applied by Blender."""


def window_assets(avatar):

    import blender_side
    import bpy
    import window_side as side

    _, rig, _ = blender_side.load_avatar(avatar, motion=False)
    found, assets = {}, lambda: [a for a in bpy.data.actions if a.asset_data]
    with side.override():
        bpy.ops.partnerface.add_pose_assets("INVOKE_DEFAULT")
    yield 1.0
    side.press("ESC")
    yield 0.5
    link = blender_side.addon("connection.engine_link")
    found["left"] = len(assets())
    with side.override():
        bpy.ops.partnerface.add_pose_assets("INVOKE_DEFAULT")
    yield from side.until(assets, 150, "the poses")
    found["made"] = len(assets())
    with side.override():
        bpy.ops.partnerface.select_controls(which="FACE")
    rig.pose.apply_pose_from_action(bpy.data.actions["Surprise"])
    found["jaw"] = rig.pose.bones["face"]["jawOpen"]
    found["engine"] = link.running_engine() is not None
    return found


def test_poses_are_made_while_the_interface_runs(in_window, avatar, tmp_path):
    found = in_window(window_assets, str(avatar), binds=[avatar.parent])
    assert found["left"] == 0
    assert found["made"] >= 25
    assert found["jaw"] > 0.5
    assert found["engine"]
    said = (tmp_path / "blender.log").read_text(errors="replace")
    assert "Traceback" not in said, said[-3000:]
