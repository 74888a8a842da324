# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist chooses of the viewports: in the preferences, for all files."""

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty

from ..properties import QUALITIES


def redraw_views() -> None:
    """Have every 3D view drawn again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


def follow(settings: "PARTNERFACE_PG_viewport", context: bpy.types.Context) -> None:
    """Show at once what has been chosen."""
    redraw_views()


class PARTNERFACE_PG_viewport(bpy.types.PropertyGroup):
    """In the preferences: how avatars are shown in viewports."""

    enabled: BoolProperty(
        name="Avatars in Viewports",
        description="Show the neural heads live in Solid, Material Preview and Rendered shading",
        default=True,
        update=follow,
    )
    quality: EnumProperty(
        name="Quality",
        description="What a viewport is refined to when nothing moves",
        items=QUALITIES,
        default="frame-baked",
        update=follow,
    )
    largest_side: IntProperty(
        name="Largest Side",
        description="Most pixels of an avatar's picture in a viewport, along its longest side",
        default=512,
        min=64,
        max=2048,
        subtype="PIXEL",
        update=follow,
    )
    share: IntProperty(
        name="Processor Time",
        description="Share of the time for which the engine may compute refinements of viewports; "
        "the first, coarse picture never waits",
        default=80,
        min=5,
        max=100,
        subtype="PERCENTAGE",
    )


def draw(layout: bpy.types.UILayout, settings: PARTNERFACE_PG_viewport) -> None:
    """The settings in a layout."""
    column = layout.column()
    column.use_property_split = True
    column.prop(settings, "enabled")
    inner = column.column()
    inner.active = settings.enabled
    for name in ("quality", "largest_side", "share"):
        inner.prop(settings, name)


CLASSES = (PARTNERFACE_PG_viewport,)
