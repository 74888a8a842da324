# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo's scene shows: keyed expressions and turns, a set, and a ring around the head.

Imported by scene.py once Blender is there.
"""

import math

import bpy
from mathutils import Matrix, Vector

SECONDS, FPS = 2, 24

# Full strength is 1; (frame, value) pairs. The first name of each row that the head has is keyed.
EXPRESSIONS = (
    (("browInnerUp", "browInnerUpLeft"), ((1, 0), (10, 0.8), (22, 0.1), (48, 0))),
    (("browOuterUpLeft",), ((1, 0), (10, 0.7), (24, 0), (48, 0))),
    (("mouthSmileLeft",), ((1, 0), (14, 0.1), (24, 0.9), (36, 0.7), (48, 0))),
    (("mouthSmileRight",), ((1, 0), (14, 0.1), (26, 0.8), (36, 0.6), (48, 0))),
    (("eyeBlinkLeft",), ((15, 0), (17, 0.9), (20, 0), (40, 0), (42, 0.9), (45, 0))),
    (("eyeBlinkRight",), ((15, 0), (17, 0.9), (20, 0), (40, 0), (42, 0.9), (45, 0))),
    (("mouthFunnel", "mouthPucker"), ((28, 0), (38, 0.5), (47, 0))),
)
# Bone, axis (of its own rest basis, x is the subject's left), (frame, radians) pairs.
TURNS = (
    ("neck", 1, ((1, -0.06), (16, 0.14), (34, -0.14), (48, -0.06))),
    ("neck", 0, ((1, 0.0), (12, -0.05), (30, 0.05), (48, 0.0))),
    ("jaw", 0, ((1, 0.02), (8, 0.12), (13, 0.03), (24, 0.1), (32, 0.04), (40, 0.15), (48, 0.02))),
)


def key(rig: bpy.types.Object) -> list[str]:
    """Key sliders and bones as an artist would; their names."""
    keyed = []
    face = rig.pose.bones["face"]  # its properties are the sliders
    for names, keys in EXPRESSIONS:
        name = next((name for name in names if name in face), None)
        keyed += [name] if name else []
        for frame, value in keys if name else ():
            face[name] = float(value)
            face.keyframe_insert(f'["{name}"]', frame=frame)
    for name, axis, keys in TURNS:
        bone = rig.pose.bones[name]
        for frame, angle in keys:
            bone.rotation_euler[axis] = angle
            bone.keyframe_insert("rotation_euler", index=axis, frame=frame)
    return keyed + sorted({name for name, _, _ in TURNS})


def build_set(scene: bpy.types.Scene, rig: bpy.types.Object) -> None:
    """A backdrop, a plinth under the neck, lights, and a ring that tumbles around the head."""
    bpy.context.view_layer.update()
    head = rig.partnerface.head.evaluated_get(bpy.context.evaluated_depsgraph_get())
    corners = [head.matrix_world @ vertex.co for vertex in head.data.vertices]
    crown = max(point.z for point in corners)
    base = min(point.z for point in corners)
    skull = [point for point in corners if point.z > crown - 0.2]
    centre = sum(skull, Vector()) / len(skull)
    reach = max(math.hypot(point.x - centre.x, point.y - centre.y) for point in skull)
    towards = (scene.camera.matrix_world.translation - centre).normalized()

    bpy.ops.mesh.primitive_torus_add(
        location=centre, major_radius=reach + 0.035, minor_radius=0.011,
        major_segments=96, minor_segments=24,
    )  # fmt: skip
    ring = finish("ring", (0.9, 0.55, 0.12), metallic=1.0, roughness=0.3)
    ring.rotation_mode = "XYZ"  # tilted, and then the tilt travels around the vertical
    for frame, turn in ((1, 0.0), (SECONDS * FPS + 1, 2 * math.pi)):
        ring.rotation_euler = (0.42, 0.0, turn)
        ring.keyframe_insert("rotation_euler", frame=frame)
    bpy.ops.mesh.primitive_uv_sphere_add(segments=48, ring_count=24, radius=1)
    plinth = finish("plinth", (0.03, 0.035, 0.05), roughness=0.5)
    plinth.location, plinth.scale = (centre.x, centre.y - 0.01, base - 0.035), (0.17, 0.12, 0.085)
    bpy.ops.mesh.primitive_plane_add(size=8, location=centre - towards * 0.9)
    backdrop = finish("backdrop", (0.16, 0.22, 0.3), roughness=0.9)
    backdrop.rotation_euler = towards.to_track_quat("Z", "Y").to_euler()
    add_light("key", centre + towards * 0.8 + Vector((0.7, 0, 0.8)), centre, 14.0, 1.0)
    add_light("fill", centre + towards * 0.9 + Vector((-0.9, 0, 0.1)), centre, 4.0, 1.2)
    add_light("rim", centre - towards * 0.6 + Vector((-0.4, 0, 0.7)), centre, 8.0, 0.8)
    rig.partnerface.casts_shadow = True
    scene.frame_start, scene.frame_end = 1, SECONDS * FPS
    scene.render.fps, scene.render.fps_base = FPS, 1.0
    orbit(scene, centre)


def finish(
    name: str, colour: tuple, metallic: float = 0.0, roughness: float = 0.5
) -> bpy.types.Object:
    """Name the active object, smooth it, and give it a material; the object."""
    made = bpy.context.object
    made.name = name
    if len(made.data.polygons) > 1:
        bpy.ops.object.shade_smooth()
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1)
    shader.inputs["Metallic"].default_value = metallic
    shader.inputs["Roughness"].default_value = roughness
    made.data.materials.append(material)
    return made


def add_light(name: str, place: Vector, target: Vector, watts: float, size: float) -> None:
    """An area light that looks at the target."""
    bpy.ops.object.light_add(type="AREA", location=place)
    lamp = bpy.context.object
    lamp.name, lamp.data.energy, lamp.data.size = name, watts, size
    lamp.rotation_euler = (place - target).to_track_quat("Z", "Y").to_euler()


def orbit(scene: bpy.types.Scene, centre: Vector) -> None:
    """Step back from the matched camera, and move a little around the head."""
    camera = scene.camera
    camera.data.background_images.clear()
    place = camera.matrix_world.copy()
    place.translation = centre + (place.translation - centre) * 1.22
    for frame, angle in ((1, -0.1), (SECONDS * FPS, 0.1)):
        around = (
            Matrix.Translation(centre)
            @ Matrix.Rotation(angle, 4, "Z")
            @ Matrix.Translation(-centre)
        )
        camera.matrix_world = around @ place
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_euler", frame=frame)
