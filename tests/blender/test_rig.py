# SPDX-License-Identifier: GPL-3.0-or-later
"""Shape keys and bones ARE the parameters: what goes in comes out."""

import pytest


def blender_round_trip(avatar):
    from pathlib import Path

    import bpy
    import numpy as np
    from blender_side import addon, load_avatar, projected

    scene, rig, head = load_avatar(avatar)
    link = addon("connection.engine_link")
    opened = link.open_avatar(link.read_settings(), Path(avatar))
    names, arrays = opened.header["expression_names"], opened.arrays
    worst = {"psi": 0.0, "theta": 0.0, "translation": 0.0}
    count = len(arrays["motion.psi"])
    for n in range(count):
        scene.frame_set(n + 1)
        values = addon("rig.parameters").read_parameters(
            rig, bpy.context.evaluated_depsgraph_get(), names
        )
        for name in worst:
            error = np.abs(getattr(values, name) - arrays[f"motion.{name}"][n]).max()
            worst[name] = max(worst[name], float(error))
    # The matched camera sees head space as the clip's camera did.
    camera = opened.header["camera"]
    pose = np.array(camera["camera_from_world"])
    points = arrays["vertices"].astype(np.float64)
    seen = points @ pose[:3, :3].T + pose[:3, 3]
    truth = seen[:, :2] / seen[:, 2:] * (camera["fx"], camera["fy"]) + (camera["cx"], camera["cy"])
    pixels, depth = projected(scene, rig, addon("axes").to_rig(points))
    return {
        **worst,
        "moved": float(np.abs(arrays["motion.theta"]).max()),
        "pixels": float(np.abs(pixels - truth).max()),
        "depth": float(np.abs(depth - seen[:, 2]).max()),
        "keys": sorted({block.name for block in head.data.shape_keys.key_blocks} - set(names)),
        "frames": [scene.frame_start, scene.frame_end, count],
        "fps": abs(scene.render.fps / scene.render.fps_base - opened.header["fps"]),
        "bones": [bone.name for bone in rig.data.bones if bone.use_deform],
        "groups": [group.name for group in head.vertex_groups],
    }


def test_the_tracked_motion_comes_back(in_blender, avatar):
    found = in_blender(blender_round_trip, str(avatar))
    assert found["moved"] > 0.01
    assert max(found["psi"], found["theta"], found["translation"]) < 1e-4
    assert found["pixels"] < 0.01
    assert found["depth"] < 1e-5
    assert found["keys"] == ["Basis", "browInnerUp", "cheekPuff"]
    assert found["frames"][0] == 1
    assert found["frames"][1] == found["frames"][2]
    assert found["fps"] < 1e-3
    assert sorted(found["bones"]) == sorted(found["groups"])
    assert found["groups"] == ["root", "neck", "jaw", "eye.L", "eye.R"]


def blender_mesh_follows(avatar):
    import bpy
    import numpy as np
    from blender_side import addon, deformed_vertices, load_avatar, neutral

    scene, rig, head = load_avatar(avatar)
    neutral(scene, rig, head)
    rest = deformed_vertices(head)
    bone = rig.pose.bones["jaw"]
    bone.rotation_euler.x = 0.3  # nods whatever way the bone points: the jaw opens
    bpy.context.view_layer.update()
    moved = deformed_vertices(head) - rest
    values = addon("rig.parameters").read_pose(
        rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    )
    return {"theta": values[0].tolist(), "lowest": float(moved[:, 2].min()),
            "still": float((np.abs(moved).max(1) < 1e-6).mean())}  # fmt: skip


def test_the_jaw_opens_about_the_subject_s_left(in_blender, avatar):
    found = in_blender(blender_mesh_follows, str(avatar))
    assert found["theta"][2] == pytest.approx([0.3, 0, 0], abs=1e-6)
    assert [row for n, row in enumerate(found["theta"]) if n != 2] == [[0, 0, 0]] * 4
    assert found["lowest"] < -0.01
    assert found["still"] > 0.2


def blender_evaluated(avatar):
    import bpy
    from blender_side import addon, load_avatar, neutral

    scene, rig, head = load_avatar(avatar)
    neutral(scene, rig, head)
    names = [block.name for block in head.data.shape_keys.key_blocks[1:]]
    # A driver on a shape key, and a constraint on a bone, are what the artist sees; so is a mute.
    driven, muted = (
        head.data.shape_keys.key_blocks[names[0]],
        head.data.shape_keys.key_blocks[names[1]],
    )
    driven.driver_add("value").driver.expression = "0.25 + 0.5"
    muted.value, muted.mute = 1.0, True
    constraint = rig.pose.bones["neck"].constraints.new("LIMIT_ROTATION")
    constraint.use_limit_x, constraint.min_x, constraint.max_x = True, 0.1, 0.2
    constraint.owner_space = "LOCAL"
    head.hide_viewport = head.hide_render = True  # a hidden head still counts
    bpy.context.view_layer.update()
    values = addon("rig.parameters").read_parameters(
        rig, bpy.context.evaluated_depsgraph_get(), names
    )
    return {"psi": values.psi[:2].tolist(), "neck": values.theta[1].tolist()}


def blender_arkit_slider(avatar):
    import bpy
    from blender_side import addon, deformed_vertices, load_avatar, neutral

    scene, rig, head = load_avatar(avatar)
    link = addon("connection.engine_link")
    from pathlib import Path

    names = link.open_avatar(link.read_settings(), Path(avatar)).header["expression_names"]
    neutral(scene, rig, head)
    blocks = head.data.shape_keys.key_blocks
    shapes, psi = [], []
    for values in ({"browInnerUp": 0.5}, {"browInnerUpLeft": 0.5, "browInnerUpRight": 0.5}):
        for block in blocks:
            block.value = values.get(block.name, 0.0)
        bpy.context.view_layer.update()
        depsgraph = bpy.context.evaluated_depsgraph_get()
        psi.append(addon("rig.parameters").read_parameters(rig, depsgraph, names).psi)
        shapes.append(deformed_vertices(head))
    return {"psi": float(abs(psi[0] - psi[1]).max()), "most": float(psi[0].max()),
            "shape": float(abs(shapes[0] - shapes[1]).max())}  # fmt: skip


def test_arkit_s_one_slider_moves_both_halves(in_blender, avatar):
    found = in_blender(blender_arkit_slider, str(avatar))
    assert found["most"] == pytest.approx(0.5)
    assert found["psi"] < 1e-6
    assert found["shape"] < 1e-5


def test_parameters_are_read_from_the_evaluated_scene(in_blender, avatar):
    found = in_blender(blender_evaluated, str(avatar))
    assert found["psi"] == pytest.approx([0.75, 0.0])
    assert found["neck"] == pytest.approx([0.1, 0, 0], abs=1e-5)
