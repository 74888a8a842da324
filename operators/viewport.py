# SPDX-License-Identifier: GPL-3.0-or-later
"""Avatars in one viewport, on or off."""

import bpy

from ..partnerface_blender.viewport import view


class PARTNERFACE_OT_toggle_viewport(bpy.types.Operator):
    """Show avatars in this viewport, or leave them out of it."""

    bl_idname = "partnerface.toggle_viewport"
    bl_label = "Avatars in This Viewport"
    bl_description = "Show avatars in this viewport, or leave them out of it"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only over a 3D view."""
        cls.poll_message_set("There is no 3D view here")
        return context.space_data is not None and context.space_data.type == "VIEW_3D"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Switch, and draw."""
        view.switch(context.space_data)
        context.area.tag_redraw()
        return {"FINISHED"}


CLASSES = (PARTNERFACE_OT_toggle_viewport,)
