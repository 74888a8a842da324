# SPDX-License-Identifier: GPL-3.0-or-later
"""Sliders: where they live, what they move, and that one action holds them."""

import pytest

ARKIT = 52


def blender_sliders(avatar):
    import bpy
    import numpy as np
    from blender_side import addon, deformed_vertices, load_avatar

    _, rig, head = load_avatar(avatar, motion=False)
    sliders, parameters = addon("rig.sliders"), addon("rig.parameters")
    names = sliders.slider_names(rig)
    engine = addon("connection.engine_link")
    header = engine.find_open(addon("avatars").avatar_path(rig))
    blocks = head.data.shape_keys.key_blocks
    still, reached = [], {}
    rest = deformed_vertices(head)
    for name in names:
        sliders.set_slider(rig, name, 0.5)
        bpy.context.view_layer.update()
        depsgraph = bpy.context.evaluated_depsgraph_get()
        values = parameters.read_parameters(rig, depsgraph, header["expression_names"])
        moved = float(np.abs(deformed_vertices(head) - rest).max())
        reached[name] = [float(np.abs(values.psi).sum()), values.theta.tolist(), moved]
        still += [] if moved > 2e-4 else [name]
        sliders.set_slider(rig, name, 0.0)
    return {"names": names, "own": len(blocks) - 1,
            "coefficients": addon("rig.combinations").coefficient_names(rig)
            == header["expression_names"], "all": len(sliders.all_slider_names(rig)),
            "reached": reached, "still": still}  # fmt: skip


def test_all_of_arkit_s_sliders_move_the_head(in_blender, avatar):
    found = in_blender(blender_sliders, str(avatar))
    assert len(found["names"]) == len(set(found["names"])) == ARKIT
    assert found["still"] == []
    assert found["coefficients"]
    assert found["all"] == found["own"] + 9  # jawOpen and the eight eyeLook turn bones
    for name, (psi, theta, _) in found["reached"].items():
        turned = [n for n, row in enumerate(theta) if max(map(abs, row)) > 1e-6]
        if name == "jawOpen":
            assert turned == [2]
            assert theta[2][0] > 0.1
        elif name.startswith("eyeLook"):
            assert turned == ([3] if name.endswith("Left") else [4])
        else:
            assert not turned
            assert psi == pytest.approx(1.0 if name in ("browInnerUp", "cheekPuff") else 0.5)
    eyes = {name: theta[3] if name.endswith("Left") else theta[4]
            for name, (_, theta, _) in found["reached"].items() if "Look" in name}  # fmt: skip
    # Head space: x to the subject's left, y up. Down turns about +x, to the left about +y.
    assert all(eyes[f"eyeLookDown{side}"][0] > 0.1 for side in ("Left", "Right"))
    assert all(eyes[f"eyeLookUp{side}"][0] < -0.1 for side in ("Left", "Right"))
    assert eyes["eyeLookOutLeft"][1] > 0.1
    assert eyes["eyeLookInLeft"][1] < -0.1
    assert eyes["eyeLookInRight"][1] > 0.1
    assert eyes["eyeLookOutRight"][1] < -0.1


def blender_seam(avatar):
    import bpy
    from blender_side import addon, load_avatar

    scene, rig, head = load_avatar(avatar, motion=False)
    sliders = addon("rig.sliders")
    owner, path, index = sliders.slider_path(rig, "mouthSmileLeft")
    owner.keyframe_insert(path, index=-1, frame=1)
    sliders.set_slider(rig, "mouthSmileLeft", 1.0)
    owner.keyframe_insert(path, index=-1, frame=11)
    scene.frame_set(6)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    names = [block.name for block in head.data.shape_keys.key_blocks[1:]]
    psi = addon("rig.parameters").read_parameters(rig, depsgraph, names).psi
    lost = ""
    try:
        sliders.slider_path(rig, "noSuchSlider")
    except KeyError as error:
        lost = error.args[0]
    # A rig of an older file: no face bone, the shape keys are the sliders.
    head.data.shape_keys.animation_data_clear()
    rig.pose.bones["face"].bone.name = "something else"
    sliders.set_slider(rig, "mouthSmileLeft", 0.25)
    bpy.context.view_layer.update()
    older = addon("rig.parameters").read_parameters(rig, depsgraph, names).psi
    older_path = sliders.slider_path(rig, "mouthSmileLeft")
    return {"value": sliders.get_slider(rig, "mouthSmileLeft"), "index": index, "lost": lost,
            "psi": float(psi[names.index("mouthSmileLeft")]), "sum": float(psi.sum()),
            "older": float(older[names.index("mouthSmileLeft")]), "older_path": older_path[1],
            "older_owner": older_path[0] == head.data.shape_keys}  # fmt: skip


def test_a_slider_is_keyed_where_it_lives(in_blender, avatar):
    found = in_blender(blender_seam, str(avatar))
    assert found["psi"] == found["sum"] == pytest.approx(0.5, abs=1e-5)
    assert found["index"] == 0
    assert found["lost"] == "noSuchSlider"
    assert found["older"] == found["value"] == pytest.approx(0.25)
    assert found["older_owner"]
    assert found["older_path"] == 'key_blocks["mouthSmileLeft"].value'
