# SPDX-License-Identifier: GPL-3.0-or-later
"""Every perspective and orthographic camera, exactly: against Blender's own projection, and against
what Cycles renders in the avatar's place."""

import numpy as np
import pytest

SIZES = ((64, 64), (90, 50), (41, 77))


def blender_projections():
    """Largest distances, in pixels, between our projection and Blender's own, by camera."""
    import bpy
    from blender_side import addon, empty_scene
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Euler, Vector

    scene = empty_scene()
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.location, camera.rotation_euler = (0.3, -2, 0.4), Euler((1.4, 0.1, 0.2))
    camera.scale = (1, 1, 1)
    rng = np.random.default_rng(0)
    points = [Vector(row) for row in rng.uniform(-0.5, 0.5, (20, 3))]
    worst, count = 0.0, 0
    for kind in ("PERSP", "ORTHO"):
        for fit in ("AUTO", "HORIZONTAL", "VERTICAL"):
            for width, height in SIZES:
                for aspect in ((1, 1), (2, 1), (1, 1.5)):
                    data, render = camera.data, scene.render
                    data.type, data.sensor_fit = kind, fit
                    data.lens, data.ortho_scale = rng.uniform(20, 120), rng.uniform(0.5, 4)
                    data.sensor_width, data.sensor_height = rng.uniform(10, 40, 2)
                    data.shift_x, data.shift_y = rng.uniform(-0.5, 0.5, 2)
                    render.resolution_x, render.resolution_y = width * 2, height * 2
                    render.resolution_percentage = 50
                    render.pixel_aspect_x, render.pixel_aspect_y = aspect
                    depsgraph = bpy.context.evaluated_depsgraph_get()
                    lens = addon("rendering.cameras").lens_of(
                        camera.evaluated_get(depsgraph), depsgraph, width, height
                    )
                    for point in points:
                        x, y, depth = world_to_camera_view(scene, camera, point)
                        local = np.linalg.inv(lens.world_from_camera) @ (*point, 1)
                        reach = 1 if lens.orthographic else local[2]
                        ours = (
                            local[0] / reach * lens.fx + lens.cx,
                            (local[1] / reach * lens.fy + lens.cy),
                        )
                        off = np.hypot(ours[0] - x * width, ours[1] - (1 - y) * height)
                        worst = max(worst, float(off), abs(local[2] - depth) * 100)
                    count += 1
    return {"worst": worst, "cameras": count}


def test_our_projection_is_blender_s(in_blender):
    found = in_blender(blender_projections)
    assert found["cameras"] == 54
    assert found["worst"] < 0.02


def blender_beside_cycles(avatar, folder, kind, border, crop):
    """A ball where the head is: what Cycles' passes say of it, and ours of the head, one camera."""
    import bpy
    from blender_side import addon, load_avatar, neutral, render_layers
    from exr_layers import read_layers

    scene, rig, head = load_avatar(avatar)
    neutral(scene, rig, head)
    layer, data = bpy.context.view_layer, scene.camera.data
    for name in ("z", "mist", "position", "normal", "object_index"):
        setattr(layer, f"use_pass_{name}", True)
    scene.world = scene.world or bpy.data.worlds.new("World")
    scene.world.mist_settings.start, scene.world.mist_settings.depth = 0.1, 1.0
    scene.world.mist_settings.falloff = "QUADRATIC"
    scene.render.resolution_x, scene.render.resolution_y = 150, 120
    scene.render.resolution_percentage = 80
    data.shift_x, data.shift_y, data.type = 0.06, -0.04, kind
    data.ortho_scale = 0.5
    render = scene.render
    render.use_border, render.use_crop_to_border = border, crop
    render.border_min_x, render.border_max_x = 0.3, 0.7  # 0.7 is less in single precision
    render.border_min_y, render.border_max_y = 0.15, 0.9
    ours, _ = read_layers(render_layers(scene, folder, "ours"))
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 16, False
    scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BOX", 0.01
    head.hide_render = False
    rig.partnerface.head.pass_index = 3
    theirs, _ = read_layers(render_layers(scene, folder, "theirs"))
    lens = addon("rendering.cameras").lens_of(
        scene.camera, bpy.context.evaluated_depsgraph_get(), 120, 96
    )
    np.savez(f"{folder}/ours.npz", **ours)
    np.savez(f"{folder}/theirs.npz", **theirs)
    return {
        "lens": [lens.fx, lens.fy, lens.cx, lens.cy],
        "orthographic": lens.orthographic,
        "pose": lens.world_from_camera.tolist(),
    }


@pytest.mark.parametrize(
    ("kind", "border", "crop"),
    [("PERSP", False, False), ("ORTHO", True, False), ("PERSP", True, True)],
)
def test_passes_are_where_cycles_has_them(in_blender, avatar, tmp_path, kind, border, crop):
    """Cycles renders the head's mesh, we its neural picture: the same place, units and axes."""
    told = in_blender(blender_beside_cycles, str(avatar), str(tmp_path), kind, border, crop)
    ours, theirs = (dict(np.load(tmp_path / f"{name}.npz")) for name in ("ours", "theirs"))
    assert ours["Combined"].shape == theirs["Combined"].shape

    # Cycles' positions project into their own pixels through our lens.
    depth = theirs["Depth"][..., 0]
    seen = depth < 1e9
    assert seen.sum() > 500
    pose, (fx, fy, cx, cy) = np.array(told["pose"]), told["lens"]
    local = (theirs["Position"][seen] - pose[:3, 3]) @ pose[:3, :3]
    reach = 1 if told["orthographic"] else local[:, 2]
    y, x = np.argwhere(seen).T
    left, top = (36, 96 - 86) if crop else (0, 0)  # 0.3 × 120; 0.9 × 96 from below
    assert np.abs(local[:, 0] / reach * fx + cx - left - x - 0.5).max() < 0.05
    assert np.abs(local[:, 1] / reach * fy + cy - top - y - 0.5).max() < 0.05
    np.testing.assert_allclose(local[:, 2], depth[seen], rtol=1e-4)

    # And where both see the head's skin, all passes agree.
    both = seen & (ours["Depth"][..., 0] < 1e9) & (ours["Combined"][..., 3] > 0.95)
    assert both.sum() > 300
    near = both & (np.abs(ours["Depth"][..., 0] - depth) < 0.01)
    assert near.sum() > 0.5 * both.sum()
    assert np.median(np.linalg.norm(ours["Position"] - theirs["Position"], axis=-1)[near]) < 0.012
    assert np.median((ours["Normal"] * theirs["Normal"]).sum(-1)[near]) > 0.95
    assert np.median(np.abs(ours["Mist"] - theirs["Mist"])[near]) < 0.02
    empty = (ours["Combined"][..., 3] == 0) & ~seen
    for name in ("Position", "Normal"):
        assert np.abs(ours[name] - theirs[name])[empty].max() < 1e-6
    inside = np.zeros_like(seen)  # beyond a border that is not cropped Blender writes zeros itself
    inside[10:82, 36:84] = True
    where = empty & inside if border and not crop else empty
    assert np.abs(ours["Mist"] - theirs["Mist"])[where].max() < 1e-6
