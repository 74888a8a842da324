# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones that are shown in front of everything are shown in front of the neural head, too.

Blender draws them before a draw handler has its turn, so that the head would cover them. They are
drawn once more here, where a head was drawn: as sticks, or as the edges of their custom shapes.
"""

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader
from mathutils import Matrix

from ..blender_versions import is_bone_selected, is_bone_shown

WIDTH = 1.5  # px


def draw(context: bpy.types.Context, rig: bpy.types.Object) -> None:
    """Draw a rig's bones (evaluated) over everything, where Blender shows them so."""
    overlay = context.space_data.overlay
    if not (overlay.show_overlays and overlay.show_bones and rig.show_in_front):
        return
    by_colour: dict[tuple, list[np.ndarray]] = {}
    for bone in rig.pose.bones:
        if is_bone_shown(bone):
            lines = lines_of(bone, rig.data.show_bone_custom_shapes)
            by_colour.setdefault(colour_of(context, rig, bone), []).append(lines)
    if not by_colour:
        return
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    shader.bind()
    shader.uniform_float("viewportSize", (context.region.width, context.region.height))
    shader.uniform_float("lineWidth", WIDTH * context.preferences.system.ui_scale)
    gpu.state.blend_set("ALPHA")
    with gpu.matrix.push_pop():
        gpu.matrix.multiply_matrix(rig.matrix_world)
        for colour, lines in by_colour.items():
            shader.uniform_float("color", colour)
            points = np.concatenate(lines).astype(np.float32)
            batch_for_shader(shader, "LINES", {"pos": points}).draw(shader)
    gpu.state.blend_set("NONE")


def lines_of(bone: bpy.types.PoseBone, shaped: bool) -> np.ndarray:
    """Ends of lines [2 L, 3] in rig space."""
    shape = bone.custom_shape
    if not (shaped and shape is not None and shape.type == "MESH" and shape.data.edges):
        return np.array([bone.head, bone.tail], np.float64)
    mesh = shape.data
    points = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", points)
    edges = np.empty(len(mesh.edges) * 2, np.int32)
    mesh.edges.foreach_get("vertices", edges)
    place = np.array(shape_matrix(bone), np.float64)
    return points.reshape(-1, 3)[edges] @ place[:3, :3].T + place[:3, 3]


def shape_matrix(bone: bpy.types.PoseBone) -> Matrix:
    """rig_from_shape [4, 4] of a bone with a custom shape."""
    over = bone.custom_shape_transform
    matrix = over.matrix if over is not None else bone.matrix
    size = bone.custom_shape_scale_xyz * (bone.length if bone.use_custom_shape_bone_size else 1.0)
    own = Matrix.LocRotScale(
        bone.custom_shape_translation, bone.custom_shape_rotation_euler.to_quaternion(), size
    )
    return matrix @ own


def colour_of(
    context: bpy.types.Context, rig: bpy.types.Object, bone: bpy.types.PoseBone
) -> tuple[float, float, float, float]:
    """A bone's own colour, or the theme's, for the bone as it is now."""
    theme = context.preferences.themes[0].view_3d
    if rig.mode != "POSE":
        selected = rig.original.select_get()
        active = rig.original == context.view_layer.objects.active
        colour = theme.object_active if selected and active else theme.object_selected
        return (*(colour if selected else theme.wire), 1.0)
    active = rig.data.bones.active
    is_active = active is not None and active.name == bone.name
    state = ("active" if is_active else "select") if is_bone_selected(bone) else "normal"
    own = color_set_of(context, bone) if rig.data.show_bone_colors else None
    if own is not None:
        return (*getattr(own, state), 1.0)
    by_state = {"active": theme.bone_pose_active, "select": theme.bone_pose, "normal": theme.wire}
    return (*by_state[state], 1.0)


def color_set_of(
    context: bpy.types.Context, bone: bpy.types.PoseBone
) -> bpy.types.ThemeBoneColorSet | None:
    """The colours that were chosen for a bone; None where the theme's usual ones hold."""
    chosen = bone.color if bone.color.palette != "DEFAULT" else bone.bone.color
    if chosen.palette == "DEFAULT":
        return None
    if chosen.palette == "CUSTOM":
        return chosen.custom
    number = int(chosen.palette.removeprefix("THEME"))
    return context.preferences.themes[0].bone_color_sets[number - 1]
