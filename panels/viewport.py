# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar's panel for avatars in the viewport."""

import bpy

from ..partnerface_blender import preferences
from ..partnerface_blender.properties import is_avatar
from ..partnerface_blender.viewport import settings, view
from .tab import Sidebar


class PARTNERFACE_PT_viewport(Sidebar, bpy.types.Panel):
    """Which avatars are live, here and at all, and how fine they get."""

    bl_label = "Viewport"
    bl_idname = "PARTNERFACE_PT_viewport"
    bl_order = 5
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Switches for this viewport and each avatar, then the preferences."""
        layout = self.layout
        shown = view.is_shown(context.space_data)
        icon = "HIDE_OFF" if shown else "HIDE_ON"
        layout.operator("partnerface.toggle_viewport", icon=icon, depress=shown)
        for rig in (item for item in context.scene.objects if is_avatar(item)):
            layout.prop(rig.partnerface, "live", text=rig.name, icon="ARMATURE_DATA")
        settings.draw(layout, preferences.preferences().viewport)


CLASSES = (PARTNERFACE_PT_viewport,)
