# SPDX-License-Identifier: GPL-3.0-or-later
"""Reset, mirror, key, select and aim, as the panel's buttons do it."""

import pytest


def pose_something(rig):
    """A pose that is not the same on both sides."""
    from blender_side import addon

    for name, value in (("mouthSmileLeft", 0.8), ("mouthSmileRight", 0.1), ("browInnerUp", 0.4),
                        ("eyeLookInLeft", 0.5), ("jawLeft", 0.6)):  # fmt: skip
        addon("rig.sliders").set_slider(rig, name, value)
    bones = rig.pose.bones
    bones["neck"].rotation_euler = (0.1, 0.2, 0.3)
    bones["eye.L"].rotation_euler = (0.1, 0.0, -0.2)
    bones["root"].location = (0.01, 0.02, 0.03)
    rig.update_tag()


def state(rig):
    """Parameters [psi by name, theta, translation] as they are read."""
    import bpy
    from blender_side import addon

    bpy.context.view_layer.update()
    names = [block.name for block in rig.partnerface.head.data.shape_keys.key_blocks[1:]]
    depsgraph = bpy.context.evaluated_depsgraph_get()
    values = addon("rig.parameters").read_parameters(rig, depsgraph, names)
    psi = {
        name: round(float(v), 4) for name, v in zip(names, values.psi, strict=True) if abs(v) > 1e-5
    }
    return [psi, values.theta.tolist(), values.translation.tolist()]


def blender_mirrors(avatar):
    import bpy
    import numpy as np
    from blender_side import deformed_vertices, load_avatar

    _, rig, head = load_avatar(avatar, motion=False)
    pose_something(rig)
    found = {"posed": state(rig)}
    before = deformed_vertices(head)
    assert bpy.ops.partnerface.mirror_pose(how="FLIP") == {"FINISHED"}
    found["flipped"] = state(rig)
    after = deformed_vertices(head) * (-1, 1, 1)
    # The head's mesh is nearly symmetric: each mirrored vertex has a twin.
    import mathutils

    tree = mathutils.kdtree.KDTree(len(before))
    for n, point in enumerate(before):
        tree.insert(point, n)
    tree.balance()
    found["apart"] = float(np.mean([tree.find(point)[2] for point in after]))
    assert bpy.ops.partnerface.mirror_pose(how="FLIP") == {"FINISHED"}
    found["back"] = state(rig)
    assert bpy.ops.partnerface.mirror_pose(how="LEFT") == {"FINISHED"}
    found["left"] = state(rig)
    return found


def test_flip_swaps_the_sides_and_twice_is_nothing(in_blender, avatar):
    found = in_blender(blender_mirrors, str(avatar))
    psi, theta, shift = found["posed"]
    flipped, turned, shifted = found["flipped"]
    assert flipped["mouthSmileRight"] == psi["mouthSmileLeft"] == pytest.approx(0.8)
    assert flipped["mouthSmileLeft"] == pytest.approx(0.1)
    assert flipped["jawRight"] == pytest.approx(0.6)
    assert "jawLeft" not in flipped
    # Head space: mirroring keeps turns about x and turns those about y and z round.
    for joint, other in ((1, 1), (3, 4)):
        x, y, z = theta[joint]
        assert turned[other] == pytest.approx([x, -y, -z], abs=1e-5)
    assert shifted == pytest.approx([-shift[0], shift[1], shift[2]], abs=1e-6)
    assert found["apart"] < 1e-3
    assert found["back"][0] == psi
    assert found["back"][1] == [pytest.approx(row, abs=1e-5) for row in theta]
    left = found["left"][0]
    assert left["mouthSmileRight"] == left["mouthSmileLeft"] == pytest.approx(0.8)
    assert found["left"][1][1] == pytest.approx(theta[1], abs=1e-5)  # the middle stays


def blender_resets(avatar):
    import bpy
    from blender_side import addon, load_avatar

    scene, rig, _ = load_avatar(avatar, motion=False)
    versions, found = addon("blender_versions"), {}
    for scope in ("FACE", "BONES", "SELECTED", "ALL"):
        pose_something(rig)
        assert bpy.ops.partnerface.select_controls(which="EYES") == {"FINISHED"}
        assert bpy.ops.partnerface.reset_pose(scope=scope) == {"FINISHED"}
        found[scope] = state(rig)
    chosen = [bone.name for bone in rig.pose.bones if versions.is_bone_selected(bone)]
    bpy.ops.partnerface.reset_pose(scope="ALL")
    # Auto-key keys what changes and nothing else.
    scene.tool_settings.use_keyframe_insert_auto = True
    addon("rig.sliders").set_slider(rig, "mouthSmileLeft", 0.5)
    scene.frame_set(7)
    addon("rig.sliders").set_slider(rig, "mouthSmileLeft", 0.5)
    bpy.ops.partnerface.reset_pose(scope="ALL")
    keyed = curves(rig)
    scene.tool_settings.use_keyframe_insert_auto = False
    bpy.ops.partnerface.key_pose(scope="ALL")
    return found | {"chosen": chosen, "mode": bpy.context.mode, "auto": keyed,
                    "all": len(curves(rig)), "channels": len(addon("rig.posing").channels_of(
                        rig, "ALL"))}  # fmt: skip


def curves(rig):
    """Data path → frames, of the rig's action."""
    action = rig.animation_data.action
    if action is None:
        return {}
    bag = action
    if not hasattr(action, "fcurves"):
        bag = action.layers[0].strips[0].channelbag(rig.animation_data.action_slot)
    return {f"{c.data_path} {c.array_index}": [p.co[0] for p in c.keyframe_points]
            for c in bag.fcurves}  # fmt: skip


def test_reset_takes_back_what_it_is_told_to(in_blender, avatar):
    found = in_blender(blender_resets, str(avatar))
    assert found["FACE"][0] == {}
    assert max(found["FACE"][1][1]) > 0.05
    assert found["BONES"][0] != {}
    assert found["BONES"][1][1] == pytest.approx([0, 0, 0], abs=1e-6)
    assert found["SELECTED"][0] != {}
    assert found["SELECTED"][1][1] != [0, 0, 0]
    assert found["SELECTED"][1][4] == pytest.approx([0, 0, 0], abs=1e-6)
    assert found["ALL"][0] == {}
    for row in (*found["ALL"][1], found["ALL"][2]):
        assert row == pytest.approx([0, 0, 0], abs=1e-6)
    assert found["chosen"] == ["eye.L", "eye.R"]
    assert found["mode"] == "POSE"
    assert found["auto"] == {'pose.bones["face"]["mouthSmileLeft"] 0': [7]}
    assert found["all"] == found["channels"] > 60


def blender_aims(avatar):
    import bpy
    from blender_side import load_avatar
    from mathutils import Vector

    scene, rig, _ = load_avatar(avatar, motion=False)
    rig.location, rig.rotation_euler.z, rig.scale = (0.2, 0.1, 0), 0.3, (1.5, 1.5, 1.5)
    angles = []
    for where, place in (("CAMERA", scene.camera.location), ("CURSOR", Vector((0.5, -3, 0.4)))):
        scene.cursor.location = (0.5, -3, 0.4)
        bpy.context.view_layer.update()
        assert bpy.ops.partnerface.aim_gaze(where=where) == {"FINISHED"}
        bpy.context.view_layer.update()
        evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        target = evaluated.matrix_world @ evaluated.pose.bones["gaze"].head
        angles.append((target - place).length)
    scene.camera = None
    refused = ""
    try:
        bpy.ops.partnerface.aim_gaze(where="CAMERA")
    except RuntimeError as error:
        refused = str(error)
    assert bpy.ops.partnerface.aim_gaze(where="AHEAD") == {"FINISHED"}
    return {"apart": max(angles), "refused": refused, "follow": rig.pose.bones["gaze"]["follow"],
            "rest": list(rig.pose.bones["gaze"].location)}  # fmt: skip


def test_the_gaze_goes_where_it_is_sent(in_blender, avatar):
    found = in_blender(blender_aims, str(avatar))
    assert found["apart"] < 1e-5
    assert "no camera" in found["refused"]
    assert found["follow"] == 1
    assert found["rest"] == pytest.approx([0, 0, 0], abs=1e-6)
