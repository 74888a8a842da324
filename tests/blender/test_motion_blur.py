# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion blur: the shutter's moments, averaged; data passes are those of its middle."""

import numpy as np
import pytest

SHIFT = 0.03  # m per frame


def blender_shutter():
    """The moments for each position of the shutter."""
    import bpy
    from blender_side import addon, empty_scene

    scene, shutter = empty_scene(), addon("rendering.shutter")
    found = {"off": shutter.moments(scene.render, 5, 9)}
    scene.render.use_motion_blur, scene.render.motion_blur_shutter = True, 0.5
    for position in ("START", "CENTER", "END"):
        scene.render.motion_blur_position = position
        found[position] = shutter.moments(scene.render, 5, 4)
    found["split"] = [shutter.split(t) for t in (4.75, 5.0, -0.25, 6.9999999999)]
    found["default"] = bpy.context.scene.partnerface_render.motion_samples
    return found


@pytest.mark.ends
def test_the_shutter_is_open_when_the_scene_says_so(in_blender):
    found = in_blender(blender_shutter)
    assert found["off"] == [5]
    offsets = np.array([0, -0.2, -0.1, 0.1, 0.2])  # five moments of half a frame, middle first
    np.testing.assert_allclose(found["CENTER"], 5 + offsets)
    np.testing.assert_allclose(found["START"], 5.25 + offsets)
    np.testing.assert_allclose(found["END"], 4.75 + offsets)
    np.testing.assert_allclose(found["split"], [[4, 0.75], [5, 0], [-1, 0.75], [7, 0]])
    assert found["default"] % 2 == 1


def blender_blur(avatar, folder):
    """A head that moves sideways, sharp and blurred; and the sharp pictures of the moments."""
    import bpy
    from blender_side import load_avatar, neutral, render, render_layers
    from exr_layers import read_layers

    scene, rig, head = load_avatar(avatar)
    neutral(scene, rig, head)
    for frame in (0, 10):
        rig.location.x = SHIFT * (frame - 5)
        rig.keyframe_insert("location", frame=frame)
        head.data.shape_keys.key_blocks[1].value = frame / 10
        head.data.shape_keys.key_blocks[1].keyframe_insert("value", frame=frame)
    curves = addon_curves(rig)
    for curve in curves:
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"
    scene.frame_set(5)
    scene.partnerface_render.motion_samples = 3
    scene.render.motion_blur_shutter = 0.6
    scene.render.motion_blur_position = "CENTER"
    found = {"sharp": render(scene, folder, "sharp")}
    layer = bpy.context.view_layer
    layer.use_pass_z = True
    depth = read_layers(render_layers(scene, folder, "sharp_layers"))[0]["Depth"]
    scene.render.use_motion_blur = True
    layer.use_pass_cryptomatte_object = True
    planes = read_layers(render_layers(scene, folder, "blurred"))[0]
    found |= {"blurred": planes["Combined"], "blurred_depth": planes["Depth"], "depth": depth}
    found["coverage"] = planes["CryptoObject00"][..., 1]
    where = scene.frame_current, scene.frame_subframe
    scene.render.use_motion_blur = False
    moments = []
    for moment in (4.8, 5.0, 5.2):
        scene.frame_set(int(moment), subframe=moment % 1)
        moments.append(render(scene, folder, "moment"))
    found["moments"] = np.stack(moments)
    rig.animation_data_clear()
    head.data.shape_keys.animation_data_clear()
    still = render(scene, folder, "still")
    scene.render.use_motion_blur = True
    found["resting"] = render(scene, folder, "resting") - still
    np.savez(f"{folder}/blur.npz", **found)
    return where


def addon_curves(rig):
    """The rig's F-curves, in every version."""
    action = rig.animation_data.action
    if hasattr(action, "fcurves"):
        return action.fcurves
    return action.layers[0].strips[0].channelbag(rig.animation_data.action_slot).fcurves


@pytest.mark.ends
def test_blurred_frames_are_the_mean_of_their_moments(in_blender, avatar, tmp_path):
    assert in_blender(blender_blur, str(avatar), str(tmp_path)) == [5, 0.0]
    found = np.load(tmp_path / "blur.npz")
    mean = found["moments"].mean(0)
    assert np.abs(found["blurred"] - found["sharp"]).max() > 0.1
    np.testing.assert_allclose(found["blurred"], mean, atol=0.01)
    np.testing.assert_allclose(found["coverage"], mean[..., 3], atol=0.01)
    np.testing.assert_allclose(found["blurred_depth"], found["depth"], rtol=1e-5)
    assert np.abs(found["resting"]).max() < 1e-6
