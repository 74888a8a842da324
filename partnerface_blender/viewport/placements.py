# SPDX-License-Identifier: GPL-3.0-or-later
"""Which avatars a viewport shows, and where: instances too, hidden ones not."""

from collections import deque
from dataclasses import dataclass

import bpy
import numpy as np

from ..properties import is_avatar
from .lenses import Ball

HAIR = 0.06  # m beyond the head mesh
ROOM = 1.15  # for bones and expressions that move it
ROOT = "root"

_without: deque[tuple] = deque(maxlen=8)  # states in which a view layer had no avatars


@dataclass(frozen=True)
class Placement:
    """One avatar in one place."""

    key: tuple  # which avatar: the same from draw to draw, another one for each instance
    rig: bpy.types.Object  # original
    world_from_rig: np.ndarray  # [4, 4]

    @property
    def name(self) -> str:
        """The rig's."""
        return self.rig.name


def visible_avatars(
    depsgraph: bpy.types.Depsgraph, space: bpy.types.SpaceView3D | None, changes: int
) -> list[Placement]:
    """The avatars that are live and visible in a viewport (None: in any), with their instances.

    Args:
        depsgraph: of the viewport.
        space: the viewport.
        changes: another number whenever anything has changed. As long as it is the same, a scene
            without avatars is not looked through again, however many objects it has.
    """
    if not len(bpy.data.armatures):
        return []
    layer = depsgraph.view_layer
    state = changes, depsgraph.scene.name_full, layer.name
    if state in _without:
        return []
    found, live, instancing = [], False, False
    for item in depsgraph.objects:
        if item.type == "ARMATURE" and is_live(item):
            live = True
            if is_seen(item.original, layer, space):
                matrix = np.array(item.matrix_world, np.float64)
                found.append(Placement((item.name_full,), item.original, matrix))
        instancing = instancing or instances_avatars(item)
    if instancing:  # going through all instances can be slow in a scene full of them
        found += instanced_avatars(depsgraph, space)
    if not live and not instancing:
        _without.append(state)
    return found


def instanced_avatars(
    depsgraph: bpy.types.Depsgraph, space: bpy.types.SpaceView3D | None
) -> list[Placement]:
    """The avatars that collection instances show."""
    found = []
    for instance in depsgraph.object_instances:
        item = instance.object
        if not instance.is_instance or item.type != "ARMATURE" or not is_live(item):
            continue
        owner = instance.parent
        if owner is None or not is_seen(owner.original, depsgraph.view_layer, space):
            continue
        key = (item.name_full, owner.name_full, *instance.persistent_id)
        matrix = np.array(instance.matrix_world, np.float64)
        found.append(Placement(key, item.original, matrix))
    return found


def instances_avatars(item: bpy.types.Object) -> bool:
    """Whether an object instances a collection with an avatar in it."""
    if item.type != "EMPTY" or item.instance_type != "COLLECTION":
        return False
    collection = item.instance_collection
    return collection is not None and any(is_live(inner) for inner in collection.all_objects)


def is_live(item: bpy.types.Object) -> bool:
    """Whether an object is an avatar that wants to be seen in viewports."""
    return is_avatar(item) and item.partnerface.live


def is_seen(
    item: bpy.types.Object, layer: bpy.types.ViewLayer, space: bpy.types.SpaceView3D | None
) -> bool:
    """Whether eye, monitor, collections, local view and local collections let an object be seen."""
    if space is None:
        return item.visible_get(view_layer=layer)
    return item.visible_get(view_layer=layer, viewport=space)


def ball_of(rig: bpy.types.Object) -> Ball:
    """Where the head of a rig (evaluated) is, as its root bone carries it.

    The mesh's own box counts, at rest: it is there when the mesh is hidden, and no shape key or
    bone but the root moves it far.
    """
    head = rig.partnerface.head
    if head is None:
        return Ball(np.zeros(3), 0.5)
    box = np.array(head.original.bound_box, np.float64)
    centre, radius = (box.min(0) + box.max(0)) / 2, np.linalg.norm(box.max(0) - box.min(0)) / 2
    if ROOT in rig.pose.bones:
        rest = np.array(rig.data.bones[ROOT].matrix_local, np.float64)
        moved = np.array(rig.pose.bones[ROOT].matrix, np.float64) @ np.linalg.inv(rest)
        centre = (moved @ np.append(centre, 1.0))[:3]
    return Ball(centre, float(radius) * ROOM + HAIR)
