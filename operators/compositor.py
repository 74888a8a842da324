# SPDX-License-Identifier: GPL-3.0-or-later
"""The compositor: set up the merge by depth, remove it."""

import bpy

from ..engine.errors import PartNerFaceError
from ..partnerface_blender.compositing import merge as compositor
from .waiting import refuse


class PARTNERFACE_OT_set_up_compositor(bpy.types.Operator):
    """Render the avatars together with this scene, merged by depth; run again after changes."""

    bl_idname = "partnerface.set_up_compositor"
    bl_label = "Set Up Compositor"
    bl_description = (
        "Render the avatars together with this scene, merged by depth; run again after changes"
    )
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make or bring up to date."""
        try:
            made = compositor.set_up(context.scene)
        except PartNerFaceError as error:
            return refuse(self, error)
        self.report({"INFO"}, f"F12 renders this scene and “{made.name}” and merges them by depth.")
        return {"FINISHED"}


class PARTNERFACE_OT_remove_compositor(bpy.types.Operator):
    """Take the avatars out of this scene's compositor and delete their scene."""

    bl_idname = "partnerface.remove_compositor"
    bl_label = "Remove from Compositor"
    bl_description = "Take the avatars out of this scene's compositor and delete their scene"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put everything back."""
        try:
            compositor.remove(context.scene)
        except PartNerFaceError as error:
            return refuse(self, error)
        return {"FINISHED"}


CLASSES = (PARTNERFACE_OT_set_up_compositor, PARTNERFACE_OT_remove_compositor)
