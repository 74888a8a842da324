# SPDX-License-Identifier: GPL-3.0-or-later
"""Missing avatar files: said in the sidebar; our paths in Blender's External Data menu."""

import bpy

from ..partnerface_blender.relinking import links
from .sidebar import Sidebar
from .wrapped import draw_wrapped


class PARTNERFACE_PT_missing(Sidebar, bpy.types.Panel):
    """Avatars whose file is gone."""

    bl_label = "Missing Avatars"
    bl_idname = "PARTNERFACE_PT_missing"
    bl_order = -1

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only where there are any."""
        return bool(links.missing_rigs())

    def draw(self, context: bpy.types.Context) -> None:
        """Which, and the way out."""
        column = self.layout.column()
        for rig in links.missing_rigs():
            column.label(text=rig.name, icon="ERROR")
            draw_wrapped(column, context, f"Not there: {links.absolute(rig)}")
        column.operator("partnerface.find_avatar", icon="VIEWZOOM")


def draw_paths(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    """Blender's own entries know nothing of an add-on's paths."""
    layout = menu.layout
    layout.separator()
    make = layout.operator("partnerface.set_paths", text="Make PartNerFace Paths Relative")
    make.relative = True
    make = layout.operator("partnerface.set_paths", text="Make PartNerFace Paths Absolute")
    make.relative = False
    layout.operator("partnerface.find_avatar", text="Find Missing Avatars")


def attach() -> None:
    """Add our entries to the menu."""
    bpy.types.TOPBAR_MT_file_external_data.append(draw_paths)


def detach() -> None:
    """Take them out again."""
    bpy.types.TOPBAR_MT_file_external_data.remove(draw_paths)


CLASSES = (PARTNERFACE_PT_missing,)
