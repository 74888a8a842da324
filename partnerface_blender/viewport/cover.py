# SPDX-License-Identifier: GPL-3.0-or-later
"""The head mesh makes way for the neural head, and comes back exactly as it was.

The mesh is where the neural head is and would cover it, in every shading mode and in the depth
buffer. Only hiding takes it out of all of them; of Blender's switches we take `hide_viewport`
(Disable in Viewports), which no Alt-H undoes and which leaves the mesh's shape keys evaluated,
since the rig points to it.
"""

import bpy

from ..properties import is_avatar


def update(avatar: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    """Called when `live` is switched."""
    settle(avatar)


def settle(avatar: bpy.types.PropertyGroup) -> None:
    """Hide the head of a live avatar, once; give that of another one back."""
    head = avatar.head
    if head is None or head.library is not None:
        return
    if avatar.live and not avatar.covers:
        avatar.covers, avatar.head_was_hidden = True, head.hide_viewport
        head.hide_viewport = True
    elif avatar.covers and not avatar.live:
        avatar.covers = False
        head.hide_viewport = avatar.head_was_hidden


def unsettled() -> list[bpy.types.PropertyGroup]:
    """Avatars whose head does not stand as their switch says."""
    rigs = (item for item in bpy.data.objects if item.type == "ARMATURE" and is_avatar(item))
    return [
        rig.partnerface
        for rig in rigs
        if rig.partnerface.live != rig.partnerface.covers
        and rig.library is None
        and rig.partnerface.head is not None
        and rig.partnerface.head.library is None
    ]


def give_back() -> None:
    """Show every head again that was hidden for its avatar; the switches stay as they are."""
    for item in bpy.data.objects:
        if item.type == "ARMATURE" and is_avatar(item) and item.partnerface.covers:
            avatar = item.partnerface
            avatar.covers = False
            if avatar.head is not None and avatar.head.library is None:
                avatar.head.hide_viewport = avatar.head_was_hidden
