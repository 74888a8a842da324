# SPDX-License-Identifier: GPL-3.0-or-later
"""The avatar live in viewports, with a ring that crosses the head."""

import shutil
from collections.abc import Iterator


def window_viewport(demo: str) -> Iterator[float]:
    """Solid with the panel, Cycles with the ring, and posing with the bones on top."""
    import math

    import bpy
    import window_side as side
    from blender_side import addon, load_avatar
    from mathutils import Euler

    yield from side.only_area()
    avatar = shutil.copy(f"{demo}/avatar/avatar.safetensors", side.FOLDER / "mara.safetensors")
    bpy.ops.wm.save_as_mainfile(filepath=str(side.FOLDER / "shot.blend"))  # its path begins with //
    scene, rig, _ = load_avatar(str(avatar))
    scene.frame_set(20)
    chosen = addon("preferences").preferences().viewport
    chosen.quality, chosen.largest_side = "frame-baked", 640
    space, feed = side.area().spaces.active, addon("viewport.view")._views.feed
    space.overlay.show_extras = space.overlay.show_cursor = False
    space.region_3d.view_rotation = Euler((math.radians(84), 0, math.radians(18))).to_quaternion()
    space.region_3d.view_location, space.region_3d.view_distance = (0.08, -0.03, -0.02), 0.75

    def rest() -> Iterator[float]:
        side.redraw()
        yield 0.5
        yield from side.until(lambda: feed.keys() and not feed.busy(), 240, "the view at rest")
        side.redraw()
        yield 0.5

    bpy.ops.mesh.primitive_torus_add(
        major_radius=0.13, minor_radius=0.012, location=(0, -0.02, 0.03), rotation=(0.15, 0.1, 0)
    )
    ring = bpy.context.object
    material = bpy.data.materials.new("Ring")
    material.use_nodes = True
    material.diffuse_color = (0.9, 0.5, 0.05, 1)
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (0.9, 0.4, 0.05, 1)
    shader.inputs["Metallic"].default_value = 1.0
    shader.inputs["Roughness"].default_value = 0.25
    ring.data.materials.append(material)
    bpy.ops.object.shade_smooth()
    bpy.ops.object.light_add(type="AREA", location=(-0.6, -0.9, 0.8))
    bpy.context.object.data.energy = 15
    bpy.ops.object.select_all(action="DESELECT")
    bpy.context.view_layer.objects.active = rig
    space.shading.color_type = "MATERIAL"
    space.overlay.show_bones = False
    yield from side.show_sidebar("PartNerFace")
    yield from rest()
    pictures = {"viewport-solid": side.screenshot("solid", side.area())}

    space.show_region_ui = False
    scene.render.engine, space.shading.type = "CYCLES", "RENDERED"
    scene.cycles.preview_samples = 32
    yield from rest()
    yield 12.0
    pictures["viewport-cycles"] = side.screenshot("cycles", side.area())

    space.shading.type, space.overlay.show_bones = "SOLID", True
    rig.select_set(True)
    with side.override():
        bpy.ops.object.mode_set(mode="POSE")
    rig.pose.bones["jaw"].rotation_euler.x += 0.15
    yield from rest()
    pictures["viewport-pose"] = side.screenshot("pose", side.area())
    return pictures
