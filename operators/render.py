# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering the avatars by themselves."""

import bpy
from bpy.props import BoolProperty

from ..engine.errors import PartNerFaceError
from ..partnerface_blender.compositing import avatar_scenes
from .waiting import refuse


class PARTNERFACE_OT_render(bpy.types.Operator):
    """Render the avatars by themselves on a transparent ground, whatever engine the scene has."""

    bl_idname = "partnerface.render"
    bl_label = "Render Avatars"
    bl_description = (
        "Render the avatars by themselves on a transparent ground, whatever engine the scene has"
    )
    bl_options = {"REGISTER", "UNDO"}  # it may make the avatars a scene

    animation: BoolProperty(
        name="Animation",
        description="Render the whole frame range to the output path instead of one picture",
        default=False,
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Render and wait."""
        try:
            avatar_scenes.render_alone(context.scene, animation=self.animation, in_window=False)
        except PartNerFaceError as error:
            return refuse(self, error)
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Render in a window, as F12 does."""
        if bpy.app.background:
            return self.execute(context)
        try:
            avatar_scenes.render_alone(context.scene, animation=self.animation, in_window=True)
        except PartNerFaceError as error:
            return refuse(self, error)
        return {"FINISHED"}


CLASSES = (PARTNERFACE_OT_render,)
