# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences in a panel: Blender's labels do not break lines by themselves."""

import textwrap

import bpy

LETTER_PX = 6.6  # mean width of a letter at a user interface scale of 1


def draw_wrapped(
    column: bpy.types.UILayout, context: bpy.types.Context, text: str, icon: str = "NONE"
) -> None:
    """The text in as many lines as the region's width asks for."""
    scale = context.preferences.system.ui_scale
    letters = int((context.region.width / scale - 50) / LETTER_PX) if context.region else 40
    lines = column.column(align=True)
    for number, line in enumerate(textwrap.wrap(text, max(letters, 16))):
        lines.label(text=line, icon=icon if number == 0 else "NONE")
