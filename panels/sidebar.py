# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar of the 3D view: from a clip to an avatar, and the avatar itself."""

import bpy

from ..partnerface_blender import preferences
from ..partnerface_blender.connection import engine_link
from ..partnerface_blender.properties import avatar_of
from .installing import draw_setup, needs_setup
from .jobs import PARTNERFACE_PT_jobs, PARTNERFACE_UL_jobs
from .relinking import draw_missing
from .tab import Sidebar


class PARTNERFACE_PT_engine(Sidebar, bpy.types.Panel):
    """The engine: does it run, is it well."""

    bl_label = "Engine"
    bl_idname = "PARTNERFACE_PT_engine"

    def draw(self, context: bpy.types.Context) -> None:
        """State and buttons; without an engine, how to get one."""
        if not preferences.has_engine() or needs_setup():
            draw_setup(self.layout.column(), context)
            return
        running = engine_link.running_engine()
        about = running.about if running else {}
        text = f"Running on {about.get('device', '…')}" if running else "Starts when it is needed"
        self.layout.label(text=text, icon="CHECKMARK" if running else "TIME")
        row = self.layout.row(align=True)
        row.operator("partnerface.check_engine")
        row.operator("partnerface.stop_engine", text="", icon="X")


class PARTNERFACE_PT_capture(Sidebar, bpy.types.Panel):
    """Step one: track the clip."""

    bl_label = "Capture"
    bl_idname = "PARTNERFACE_PT_capture"

    def draw(self, context: bpy.types.Context) -> None:
        """What the capture needs."""
        settings, column = context.scene.partnerface, self.layout.column()
        column.use_property_split = True
        for name in ("clip", "frames", "head_model", "size", "capture"):
            column.prop(settings, name)
        column.operator("partnerface.capture", icon="TRACKER")


class PARTNERFACE_PT_train(Sidebar, bpy.types.Panel):
    """Step two: train the avatar."""

    bl_label = "Train"
    bl_idname = "PARTNERFACE_PT_train"

    def draw(self, context: bpy.types.Context) -> None:
        """What the training needs."""
        settings, column = context.scene.partnerface, self.layout.column()
        column.use_property_split = True
        for name in ("capture", "avatar_folder", "method", "preset", "steps", "device"):
            column.prop(settings, name)
        column.operator("partnerface.train", icon="MOD_SMOOTH")


class PARTNERFACE_PT_avatar(Sidebar, bpy.types.Panel):
    """Step three: the avatar in the scene."""

    bl_label = "Avatar"
    bl_idname = "PARTNERFACE_PT_avatar"

    def draw(self, context: bpy.types.Context) -> None:
        """Load, render, export."""
        column = self.layout.column()
        draw_missing(column, context)
        column.operator("partnerface.load_avatar", icon="IMPORT")
        rig = avatar_of(context)
        if rig is None:
            column.label(text="Load an avatar, or select one")
            return
        box = column.box().column()
        box.use_property_split = True
        box.label(text=rig.name, icon="OUTLINER_OB_ARMATURE")
        box.prop(rig.partnerface, "path")
        box.prop(rig.partnerface, "quality")
        row = column.row(align=True)
        row.operator("partnerface.render", icon="RENDER_STILL")
        row.operator("partnerface.render", text="", icon="RENDER_ANIMATION").animation = True
        column.operator("partnerface.render_sequence", icon="SEQUENCE")
        column.prop(context.scene.partnerface, "export_resolution")
        column.operator("partnerface.export", icon="EXPORT")


CLASSES = (
    PARTNERFACE_PT_engine,
    PARTNERFACE_UL_jobs,
    PARTNERFACE_PT_jobs,  # above the steps, which are many
    PARTNERFACE_PT_capture,
    PARTNERFACE_PT_train,
    PARTNERFACE_PT_avatar,
)
