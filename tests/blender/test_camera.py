# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig's own transform and the scene's camera reach the engine as they should."""

import numpy as np


def blender_transforms(avatar, folder):
    from blender_side import avatar_planes, load_avatar, neutral, render
    from mathutils import Euler, Matrix, Vector

    scene, rig, head = load_avatar(avatar)
    neutral(scene, rig, head)
    first, depth = render(scene, folder, "first"), avatar_planes(scene, rig)[1]
    figures = {"delivered": float(np.abs(first - avatar_planes(scene, rig)[0]).max())}

    # Rig and camera moved, turned and scaled together see the same; depths grow with the scale.
    scale = 1.7
    move = Matrix.LocRotScale(
        Vector((0.3, -2.0, 1.1)), Euler((0.4, -0.3, 0.9)), Vector((scale,) * 3)
    )
    rig_before, camera_before = rig.matrix_world.copy(), scene.camera.matrix_world.copy()
    rig.matrix_world = move @ rig_before
    scene.camera.matrix_world = move @ camera_before
    second, far = render(scene, folder, "second"), avatar_planes(scene, rig)[1]
    seen = (depth < 1e9) & (far < 1e9)
    figures["same"] = float(np.abs(second - first).max())
    figures["depth"] = float(np.quantile(np.abs(far / depth / scale - 1)[seen], 0.99))
    rig.matrix_world, scene.camera.matrix_world = rig_before, camera_before

    # Moved alone to its left, the head goes to the picture's right, by focal length over depth.
    rig.location.x += 0.02
    third = render(scene, folder, "third")
    rig.location.x -= 0.02
    moved = centre(third[..., 3]) - centre(first[..., 3])
    width = first.shape[1]
    focal = scene.camera.data.lens / scene.camera.data.sensor_width * width
    figures["moved"] = [float(v) for v in moved]
    figures["expected"] = 0.02 * focal / float(np.median(depth[depth < 1e9]))

    # A lens shift moves the picture the other way; a border cuts it out.
    scene.camera.data.shift_x += 0.1
    figures["shifted"] = float(
        (centre(render(scene, folder, "shift")[..., 3]) - centre(first[..., 3]))[0]
    )
    scene.camera.data.shift_x -= 0.1
    scene.render.use_border = scene.render.use_crop_to_border = True
    scene.render.border_min_x, scene.render.border_max_x = 0.25, 0.75
    scene.render.border_min_y, scene.render.border_max_y = 0.5, 1.0
    cut = render(scene, folder, "cut")
    whole = first[: first.shape[0] // 2, width // 4 : 3 * width // 4]
    figures["cut"] = (
        float(np.abs(cut - whole).max()) if cut.shape == whole.shape else str(cut.shape)
    )
    figures["width"] = width
    return figures


def centre(alpha):
    """The centre of mass (x, y) in pixels."""
    y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]]
    return np.array([(x * alpha).sum(), (y * alpha).sum()]) / alpha.sum()


def test_transforms_and_camera(in_blender, avatar, tmp_path):
    found = in_blender(blender_transforms, str(avatar), str(tmp_path))
    assert found["delivered"] < 1e-3
    assert found["same"] < 0.02
    assert found["depth"] < 0.005
    assert abs(found["moved"][0] - found["expected"]) < 0.2 * found["expected"]
    assert abs(found["moved"][1]) < 0.5
    assert abs(found["shifted"] + 0.1 * found["width"]) < 0.05 * found["width"]
    assert found["cut"] < 0.02
