# SPDX-License-Identifier: GPL-3.0-or-later
"""Passes and motion blur in the properties editor, when PartNerFace is the engine."""

import bpy


class PartNerFaceEngine:
    """Mix-in: panels that are there for our render engine alone."""

    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    COMPAT_ENGINES = {"PARTNERFACE"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only for our engine."""
        return context.engine in cls.COMPAT_ENGINES


class PARTNERFACE_PT_passes(PartNerFaceEngine, bpy.types.Panel):
    """In the view layer's properties."""

    bl_label = "Passes"
    bl_idname = "PARTNERFACE_PT_passes"
    bl_context = "view_layer"

    def draw(self, context: bpy.types.Context) -> None:
        """What is rendered beside the picture."""
        layout, layer, scene = self.layout, context.view_layer, context.scene
        layout.use_property_split, layout.use_property_decorate = True, False
        column = layout.column(heading="Data", align=True)
        column.prop(layer, "use_pass_combined")
        column.prop(layer, "use_pass_z")
        column.prop(layer, "use_pass_mist")
        if layer.use_pass_mist and scene.world is not None:
            mist = column.column(align=True)
            for name in ("start", "depth", "falloff"):
                mist.prop(scene.world.mist_settings, name)
        column.prop(layer, "use_pass_position")
        column.prop(layer, "use_pass_normal")
        column = layout.column(heading="Masks", align=True)
        column.prop(layer, "use_pass_object_index")
        column.prop(scene.partnerface, "part_passes", text="Parts of the Face")


class PARTNERFACE_PT_cryptomatte(PartNerFaceEngine, bpy.types.Panel):
    """In the view layer's properties, below the passes."""

    bl_label = "Cryptomatte"
    bl_idname = "PARTNERFACE_PT_cryptomatte"
    bl_parent_id = "PARTNERFACE_PT_passes"
    bl_context = "view_layer"

    def draw(self, context: bpy.types.Context) -> None:
        """Its layers; the parts of the face are in the place of materials."""
        layout, layer = self.layout, context.view_layer
        layout.use_property_split, layout.use_property_decorate = True, False
        column = layout.column(heading="Include", align=True)
        column.prop(layer, "use_pass_cryptomatte_object", text="Avatar")
        column.prop(layer, "use_pass_cryptomatte_material", text="Part of the Face")
        column.prop(layer, "use_pass_cryptomatte_asset", text="Asset")
        layout.prop(layer, "pass_cryptomatte_depth", text="Levels")


class PARTNERFACE_PT_motion_blur(PartNerFaceEngine, bpy.types.Panel):
    """In the render properties."""

    bl_label = "Motion Blur"
    bl_idname = "PARTNERFACE_PT_motion_blur"
    bl_context = "render"
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header(self, context: bpy.types.Context) -> None:
        """The switch."""
        self.layout.prop(context.scene.render, "use_motion_blur", text="")

    def draw(self, context: bpy.types.Context) -> None:
        """The shutter."""
        layout, render = self.layout, context.scene.render
        layout.use_property_split = True
        layout.active = render.use_motion_blur
        layout.prop(render, "motion_blur_position", text="Position")
        layout.prop(render, "motion_blur_shutter")
        layout.prop(context.scene.partnerface_render, "motion_samples")


CLASSES = (PARTNERFACE_PT_passes, PARTNERFACE_PT_cryptomatte, PARTNERFACE_PT_motion_blur)
