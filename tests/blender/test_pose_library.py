# SPDX-License-Identifier: GPL-3.0-or-later
"""The standard expressions: as a click, and as pose assets that work on another rig."""

import pytest


def values(rig):
    from blender_side import addon

    sliders = addon("rig.sliders")
    found = {name: sliders.get_slider(rig, name) for name in sliders.all_slider_names(rig)}
    return {name: round(value, 4) for name, value in found.items() if value}


def blender_assets(avatar, folder):
    import bpy
    import numpy as np
    from blender_side import addon, load_avatar

    scene, rig, _ = load_avatar(avatar)
    before = values(rig)
    action = rig.animation_data.action
    for _ in range(2):  # again: nothing twice
        assert bpy.ops.partnerface.add_pose_assets() == {"FINISHED"}
    found = {"kept": values(rig) == before and rig.animation_data.action == action}
    assets = [item for item in bpy.data.actions if item.asset_data]
    found["names"] = sorted(item.name for item in assets)
    pictures = {}
    for item in assets:
        pixels = np.empty(item.preview.image_size[0] * item.preview.image_size[1] * 4, np.float32)
        item.preview.image_pixels_float.foreach_get(pixels)
        pictures[item.name] = pixels.reshape(*item.preview.image_size, 4)[::-1]
    np.savez(f"{folder}/pictures.npz", **pictures)
    found["described"] = all(item.asset_data.description for item in assets)
    # Another rig takes them; a mouth shape leaves the brows as they are.
    other = load_avatar(avatar, motion=False)[1]
    steps = []
    for name in ("Surprise", "Speech PP", "Wink L", "Neutral"):
        other.pose.apply_pose_from_action(bpy.data.actions[name])
        steps.append(values(other))
    assert bpy.ops.partnerface.apply_expression(expression="Smile", strength=0.5) == {"FINISHED"}
    names = set(bpy.data.actions.keys())
    for _ in range(2):
        assert bpy.ops.partnerface.save_expression(pictures=False) == {"FINISHED"}
    found["saved"] = sorted(set(bpy.data.actions.keys()) - names)
    bpy.ops.partnerface.reset_pose(scope="ALL")
    other.pose.blend_pose_from_action(bpy.data.actions["Expression"], blend_factor=0.5)
    found["blended"] = values(other)["mouthSmileLeft"]
    other.pose.apply_pose_from_action(bpy.data.actions["Smile"])
    bpy.ops.partnerface.apply_expression(expression="Smile", strength=0.5)
    return found | {"steps": steps, "smile": values(other), "fps": scene.render.fps,
                    "count": len(addon("rig.expressions").EXPRESSIONS)}  # fmt: skip


@pytest.mark.ends
def test_expressions_are_pose_assets(in_blender, avatar, tmp_path):
    import numpy as np

    found = in_blender(blender_assets, str(avatar), str(tmp_path))
    assert found["kept"]
    assert found["described"]
    assert len(found["names"]) == found["count"] >= 25
    surprise, speech, wink, neutral = found["steps"]
    assert surprise["browInnerUp"] == pytest.approx(0.9)
    assert surprise["jawOpen"] == pytest.approx(0.6)
    assert speech["browInnerUp"] == pytest.approx(0.9)
    assert "jawOpen" not in speech
    assert speech["mouthPressLeft"] == speech["mouthPressRight"] == pytest.approx(0.5)
    assert wink["eyeBlinkLeft"] == 1
    assert "eyeBlinkRight" not in wink
    assert neutral == {}
    assert found["smile"]["mouthSmileLeft"] == pytest.approx(0.4)
    assert found["saved"] == ["Expression", "Expression.001"]
    assert found["blended"] == pytest.approx(0.2)
    pictures = np.load(tmp_path / "pictures.npz")
    neutral = pictures["Neutral"]
    assert (neutral[..., 3] > 0.9).mean() > 0.2
    for name in ("Surprise", "Smile", "Blink", "Speech aa"):
        assert np.abs(pictures[name] - neutral).max() > 0.03, name
