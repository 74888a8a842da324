# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig: a head mesh with shape keys and an armature. Their values ARE the avatar's parameters.

Rest positions are the subject's own. Every bone's local x axis is the subject's left, so that
turning a bone about its x nods, whatever way the bone points.
"""

from collections.abc import Mapping, Sequence

import bpy
import numpy as np
from mathutils import Matrix

from .. import axes
from .arkit import HALVES
from .controls import DRIVE, DRIVEN, control_bones, dress_bones
from .sliders import HARD_LIMIT

# In the engine's order of joints: bone name, parent, direction in head space, length in m.
BONES = (
    ("root", None, (0.0, 1.0, 0.0), 0.08),
    ("neck", "root", (0.0, 1.0, 0.0), 0.10),
    ("jaw", "neck", (0.0, -0.6, 0.8), 0.09),
    ("eye.L", "neck", (0.0, 0.0, 1.0), 0.04),
    ("eye.R", "neck", (0.0, 0.0, 1.0), 0.04),
)
BONE_NAMES = tuple(bone[0] for bone in BONES)
EXPRESSION_RANGE = (-1.0, 2.0)  # beyond 0 … 1 by typing, as animators do


def build_mesh_object(
    name: str,
    vertices: np.ndarray,
    faces: np.ndarray,
    uv: np.ndarray,
    uv_faces: np.ndarray,
) -> bpy.types.Object:
    """A mesh object, linked nowhere yet.

    Args:
        name: of object and mesh.
        vertices: [V, 3] m, head space.
        faces: [F, 3].
        uv: [U, 2].
        uv_faces: [F, 3] into uv.
    """
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", axes.to_rig(vertices).astype(np.float32).ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(faces, np.int32).ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
    mesh.update(calc_edges=True)
    if len(uv):
        layer = mesh.uv_layers.new(name="UVMap")
        layer.data.foreach_set("uv", uv[uv_faces].astype(np.float32).ravel())
    return bpy.data.objects.new(name, mesh)


def add_shape_keys(
    head: bpy.types.Object,
    names: Sequence[str],
    vertices: np.ndarray,
    expressions: np.ndarray,
    lowest: float,
    highest: float,
    combinations: Mapping[str, np.ndarray],
) -> None:
    """Give the mesh a Basis, one shape key for each expression, and ARKit's for two halves or more.

    Args:
        head: the mesh object.
        names: E expression names.
        vertices: [V, 3] m, head space, neutral.
        expressions: [E, V, 3] m, head space.
        lowest: the smallest value that must be reachable.
        highest: the largest one.
        combinations: name → psi [E] of further keys.
    """
    head.shape_key_add(name="Basis", from_mix=False)
    head.data.shape_keys.name = head.name
    moves = dict(zip(names, (offsets.astype(np.float32) for offsets in expressions), strict=True))
    for whole, halves in HALVES.items():
        if whole not in moves and moves.keys() >= set(halves):
            moves[whole] = moves[halves[0]] + moves[halves[1]]
    for name, psi in combinations.items():
        moves[name] = np.tensordot(psi, expressions.astype(np.float32), 1)
    for name, offsets in moves.items():
        block = head.shape_key_add(name=name, from_mix=False)
        block.value = 0.0  # from Blender 5.0 on a new key begins at 1
        block.slider_min = max(-HARD_LIMIT, min(EXPRESSION_RANGE[0], lowest))
        block.slider_max = min(HARD_LIMIT, max(EXPRESSION_RANGE[1], highest))
        moved = axes.to_rig(vertices + offsets)
        block.points.foreach_set("co", np.ascontiguousarray(moved, np.float32).ravel())


def add_vertex_groups(head: bpy.types.Object, weights: np.ndarray) -> None:
    """Give the mesh one vertex group for each bone from weights [V, J]."""
    for j, name in enumerate(BONE_NAMES):
        group = head.vertex_groups.new(name=name)
        column = weights[:, j]
        # One call for each distinct weight is much faster than one for each vertex.
        order = np.argsort(column, kind="stable")
        values, starts = np.unique(column[order], return_index=True)
        for value, chosen in zip(values, np.split(order, starts[1:]), strict=True):
            if value > 0:
                group.add(chosen.tolist(), float(value), "REPLACE")


def build_armature_object(
    context: bpy.types.Context, collection: bpy.types.Collection, name: str, joints: np.ndarray
) -> bpy.types.Object:
    """An armature object with its bones at the joints [J, 3] (m, head space).

    The collection must be in the view layer: bones are made in edit mode. The rig is active
    afterwards.
    """
    armature = bpy.data.armatures.new(name)
    armature.display_type = "STICK"
    rig = bpy.data.objects.new(name, armature)
    rig.show_in_front = True
    collection.objects.link(rig)
    for other in context.selected_objects:
        other.select_set(False)
    context.view_layer.objects.active = rig
    rig.select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        for (bone_name, parent, direction, length), joint in zip(BONES, joints, strict=True):
            above = parent
            if bone_name in DRIVEN:
                above = f"{DRIVE}{bone_name}"
                _add_bone(armature, above, parent, direction, joint, length).use_deform = False
            _add_bone(armature, bone_name, above, direction, joint, length)
        for bone in control_bones(np.asarray(joints, np.float64)):
            _add_bone(armature, *bone).use_deform = False
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
    dress_bones(rig)
    return rig


def _add_bone(
    armature: bpy.types.Armature,
    name: str,
    parent: str | None,
    direction: Sequence[float],
    place: np.ndarray,
    length: float,
) -> bpy.types.EditBone:
    """A bone at `place` (m, head space) that points along `direction`; in edit mode."""
    bone = armature.edit_bones.new(name)
    bone.head = (0, 0, 0)
    bone.tail = (0, length, 0)  # the matrix keeps the length
    bone.matrix = Matrix(_bone_matrix(np.array(direction), np.asarray(place, np.float64)).tolist())
    bone.parent = armature.edit_bones[parent] if parent else None
    return bone


def _bone_matrix(direction: np.ndarray, joint: np.ndarray) -> np.ndarray:
    """rig_from_bone [4, 4] at rest: y along `direction` (head space), x to the subject's left."""
    along = axes.to_rig(direction / np.linalg.norm(direction))
    left = axes.to_rig(np.array([1.0, 0.0, 0.0]))
    turn = np.stack([left, along, np.cross(left, along)], axis=1)
    return axes.affine(turn, axes.to_rig(joint))


def bind(head: bpy.types.Object, rig: bpy.types.Object) -> None:
    """Hang the mesh on the armature; it cannot be moved by itself."""
    head.parent = rig
    modifier = head.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig
    head.lock_location = head.lock_rotation = head.lock_scale = (True, True, True)
    head.hide_render = True  # the picture of the head comes from the engine


def rest_bases(rig: bpy.types.Object) -> np.ndarray:
    """The bones' rest rotations [J, 3, 3], columns in rig space, in the engine's order."""
    bones = rig.data.bones
    return np.array([np.array(bones[name].matrix_local)[:3, :3] for name in BONE_NAMES], np.float64)
