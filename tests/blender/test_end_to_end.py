# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's whole way, once: install, load, key, render, composite, save, reload."""

import numpy as np
import pytest

EXPRESSIONS = ("mouthSmileLeft", "browInnerUpLeft")  # the first that the head has
REACH = 0.04  # of the picture's width: how far around the moved vertices a change may lie
APART = 0.006  # m between two surfaces whose order is beyond doubt


def blender_whole_way(avatar, folder):
    import bpy
    from blender_side import load_avatar, neutral, render

    scene, rig, head = load_avatar(avatar, quality="exact")
    scene.render.resolution_percentage = 200  # of the 64 px that the avatar was trained at
    neutral(scene, rig, head)
    figures = keyed_expression(scene, rig, head, folder)
    scene.frame_set(1)
    figures |= occlusion(scene, rig, add_ring(scene, head), folder)
    np.save(f"{folder}/before.npy", render(scene, folder, "before"))
    bpy.ops.wm.save_as_mainfile(filepath=f"{folder}/saved.blend")
    return figures


def keyed_expression(scene, rig, head, folder):
    """Key one shape key from 0 to 1: where do the pixels change?"""
    from blender_side import deformed_vertices, projected, render

    blocks = head.data.shape_keys.key_blocks
    block = blocks[next(name for name in EXPRESSIONS if name in blocks)]
    for frame, value in ((1, 0.0), (2, 1.0)):
        block.value = value
        block.keyframe_insert("value", frame=frame)
    pictures, vertices = [], []
    for frame in (1, 2):
        scene.frame_set(frame)
        pictures.append(render(scene, folder, f"frame{frame}"))
        vertices.append(deformed_vertices(head))
    energy = ((pictures[1] - pictures[0]) ** 2).sum(-1)
    distance = np.linalg.norm(vertices[1] - vertices[0], axis=1)
    moved = distance > 0.1 * distance.max()
    points = np.concatenate([projected(scene, rig, found[moved])[0] for found in vertices])
    height, width = energy.shape
    y, x = np.mgrid[:height, :width] + 0.5
    nearest = np.full(energy.shape, np.inf)
    for u, v in np.unique(points.round(), axis=0):
        np.minimum(nearest, np.hypot(x - u, y - v), out=nearest)
    region = nearest <= REACH * width
    alpha = pictures[0][..., 3]
    return {
        "inside": float(energy[region].sum() / energy.sum()),
        "region": float(region.sum() / (alpha > 0.5).sum()),
        "strongest": float(np.sqrt(energy.max())),
        "covered": float((alpha > 0.5).mean()),
    }


def add_ring(scene, head):
    """A lit ring around the head, tilted so that the camera sees it before and behind the head."""
    import bpy
    from blender_side import deformed_vertices

    points = deformed_vertices(head)
    top = points[points[:, 2] > np.median(points[:, 2])]  # without neck and shoulders
    low, high = top.min(0), top.max(0)
    centre, reach = (low + high) / 2, float(np.linalg.norm((high - low)[:2])) / 2
    bpy.ops.mesh.primitive_torus_add(
        location=centre.tolist(), rotation=(0.45, 0.2, 0), major_radius=reach, minor_radius=0.012
    )
    ring = bpy.context.object
    ring.data.materials.append(bpy.data.materials.new("ring"))
    ring.data.materials[0].use_nodes = True
    shader = ring.data.materials[0].node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (0.05, 0.8, 0.1, 1)
    bpy.ops.object.light_add(type="SUN", rotation=(0.6, 0.3, 0))
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 8, False
    return ring


def occlusion(scene, rig, ring, folder):
    """Composite, and compare with each side alone where known geometry says which one is seen."""
    import bpy
    from blender_side import avatar_planes, render

    alone = render(scene, folder, "ring")
    assert bpy.ops.partnerface.set_up_compositor() == {"FINISHED"}
    together = render(scene, folder, "together")
    colour, depth = avatar_planes(scene, rig)
    ring_depth = depth_of(scene, ring, rig)
    solid = colour[..., 3] > 0.95
    in_front = inner(solid & (ring_depth < depth - APART))
    behind = inner(solid & (ring_depth < 1e9) & (ring_depth > depth + APART))
    wrong_front = np.abs(together - alone)[in_front].max(-1) > 0.02
    wrong_behind = np.abs(together - colour)[behind].max(-1) > 0.02
    return {
        "in_front": int(in_front.sum()),
        "behind": int(behind.sum()),
        "wrong_front": float(wrong_front.mean()) if in_front.any() else 1.0,
        "wrong_behind": float(wrong_behind.mean()) if behind.any() else 1.0,
        "differ": float(np.abs(alone - colour)[in_front | behind].max(-1).min()),
    }


def inner(mask):
    """The pixels all of whose neighbours are in the mask too."""
    grown = np.pad(mask, 1)
    shifts = [(dy, dx) for dy in range(3) for dx in range(3)]
    height, width = mask.shape
    return np.all([grown[dy : dy + height, dx : dx + width] for dy, dx in shifts], axis=0)


def depth_of(scene, item, rig):
    """The object's true depth [H, W] along the camera's z, by casting a ray through each pixel."""
    import bpy
    from blender_side import addon, picture_size
    from mathutils import Vector
    from mathutils.bvhtree import BVHTree

    width, height = picture_size(scene)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    tree = BVHTree.FromObject(item, depsgraph)
    camera = scene.camera.evaluated_get(depsgraph)
    seen = addon("rendering.cameras").see(
        camera, rig.evaluated_get(depsgraph), depsgraph, width, height
    )
    lens = seen.camera
    item_from_camera = item.matrix_world.inverted() @ camera.matrix_world
    start = item_from_camera.translation
    depth = np.full((height, width), 1e10)
    for v in range(height):
        for u in range(width):
            x, y = (u + 0.5 - lens["cx"]) / lens["fx"], (v + 0.5 - lens["cy"]) / lens["fy"]
            towards = item_from_camera.to_3x3() @ Vector((x, -y, -1))
            hit = tree.ray_cast(start, towards)[0]
            if hit is not None:
                depth[v, u] = -(item_from_camera.inverted() @ hit).z
    return depth


def blender_reopens(folder):
    import bpy
    from blender_side import render

    bpy.ops.wm.open_mainfile(filepath=f"{folder}/saved.blend")
    before = np.load(f"{folder}/before.npy")
    after = render(bpy.context.scene, folder, "after")
    return {"difference": float(np.abs(after - before).max()), "seen": float(after.max())}


@pytest.mark.ends
def test_the_artist_s_whole_way(in_blender, in_new_blender, avatar, tmp_path):
    found = in_blender(blender_whole_way, str(avatar), str(tmp_path))
    print(found)
    assert found["covered"] > 0.1
    assert found["strongest"] > 0.02
    assert found["inside"] >= 0.8
    assert found["region"] < 0.5
    assert found["in_front"] > 50
    assert found["behind"] > 50
    assert found["differ"] > 0.01  # in the pixel where ring and head are most alike
    assert found["wrong_front"] < 0.02
    assert found["wrong_behind"] < 0.02
    reopened = in_new_blender(blender_reopens, str(tmp_path))
    assert reopened["seen"] > 0.1
    assert reopened["difference"] < 2e-3
