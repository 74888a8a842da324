# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar's panel for avatars among ordinary objects: merge, colour, shadows."""

import bpy

from ..partnerface_blender.properties import avatar_of, is_avatar
from .tab import Sidebar


class PARTNERFACE_PT_compositing(Sidebar, bpy.types.Panel):
    """The avatar among ordinary objects."""

    bl_label = "Compositing"
    bl_idname = "PARTNERFACE_PT_compositing"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with an avatar, or with what was set up for one."""
        settings = context.scene.partnerface
        return settings.avatar_scene is not None or any(map(is_avatar, context.scene.objects))

    def draw(self, context: bpy.types.Context) -> None:
        """Set up, colour, and what the avatar does to the light."""
        column, settings = self.layout.column(), context.scene.partnerface
        ready = settings.avatar_scene is not None
        row = column.row(align=True)
        text = "Update Compositor" if ready else "Set Up Compositor"
        row.operator("partnerface.set_up_compositor", text=text, icon="NODE_COMPOSITING")
        if ready:
            row.operator("partnerface.remove_compositor", text="", icon="X")
        column.use_property_split = True
        column.prop(settings, "colour")
        if ready:
            beside = settings.avatar_scene
            column.prop(beside.partnerface, "part_passes")
            samples = column.column()
            samples.active = beside.render.use_motion_blur
            samples.prop(beside.partnerface_render, "motion_samples")
        rig = avatar_of(context)
        if rig is None:
            return
        switches = column.column(heading=rig.name)
        for name in ("casts_shadow", "shows_in_reflections", "holds_out"):
            switches.prop(rig.partnerface, name)
        if rig.partnerface.shows_in_reflections and "EEVEE" in context.scene.render.engine:
            column.label(text="EEVEE's mirrors need a light probe plane", icon="INFO")


CLASSES = (PARTNERFACE_PT_compositing,)
