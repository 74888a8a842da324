# SPDX-License-Identifier: GPL-3.0-or-later
"""Panels in the properties editor: render properties and the rig's object properties."""

import bpy

from ..partnerface_blender.properties import is_avatar


class PARTNERFACE_PT_render(bpy.types.Panel):
    """In the render properties, when PartNerFace is the engine."""

    bl_label = "PartNerFace"
    bl_idname = "PARTNERFACE_PT_render"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "render"
    COMPAT_ENGINES = {"PARTNERFACE"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only for our engine."""
        return context.engine in cls.COMPAT_ENGINES

    def draw(self, context: bpy.types.Context) -> None:
        """Which avatars are rendered, and how."""
        layout = self.layout
        layout.use_property_split = True
        rigs = [item for item in context.scene.objects if is_avatar(item)]
        if not rigs:
            layout.label(text="No avatar in this scene", icon="INFO")
        for rig in rigs:
            layout.prop(rig.partnerface, "quality", text=rig.name)
        layout.prop(context.scene.partnerface, "part_passes")


class PARTNERFACE_PT_object(bpy.types.Panel):
    """In the object properties of a rig."""

    bl_label = "PartNerFace Avatar"
    bl_idname = "PARTNERFACE_PT_object"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "object"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only for avatars."""
        return is_avatar(context.object)

    def draw(self, context: bpy.types.Context) -> None:
        """The file, the head, the quality."""
        layout = self.layout
        layout.use_property_split = True
        for name in ("path", "head", "quality", "casts_shadow", "shows_in_reflections",
                     "holds_out"):  # fmt: skip
            layout.prop(context.object.partnerface, name)


CLASSES = (PARTNERFACE_PT_render, PARTNERFACE_PT_object)
