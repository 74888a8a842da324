# SPDX-License-Identifier: GPL-3.0-or-later
"""Missing avatar files: said in the sidebar; our paths in Blender's External Data menu."""

import bpy

from ..partnerface_blender.relinking import links
from .wrapped import draw_wrapped


def draw_missing(column: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Which avatars' files are gone, and the way out; nothing where all are there."""
    missing = links.missing_rigs()
    if not missing:
        return
    box = column.box().column()
    for rig in missing:
        box.label(text=f"{rig.name}: the avatar file is missing", icon="ERROR")
        draw_wrapped(box, context, str(links.absolute(rig)))
    box.operator("partnerface.find_avatar", icon="VIEWZOOM")


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
