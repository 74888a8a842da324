# SPDX-License-Identifier: GPL-3.0-or-later
"""Small text in a corner of a 3D view."""

from collections.abc import Iterator, Sequence

import blf
import bpy

LEFT, BOTTOM, LINE, SIZE = 16, 16, 18, 12  # px at a resolution scale of 1


def draw(context: bpy.types.Context, sentences: Sequence[str]) -> None:
    """Draw the sentences, one below the other, in the lower left corner."""
    scale = context.preferences.system.ui_scale
    left = LEFT * scale
    for region in context.area.regions:
        if region.type == "TOOLS" and region.width > 1 and region.x <= context.region.x + 1:
            left += region.width
    blf.size(0, SIZE * scale)
    blf.enable(0, blf.SHADOW)
    blf.shadow(0, 3, 0.0, 0.0, 0.0, 0.8)
    blf.color(0, 1.0, 1.0, 1.0, 1.0)
    width = context.region.width - left - LEFT * scale
    lines = [line for text in sentences for line in fold(f"PartNerFace: {text}", width)]
    for n, line in enumerate(reversed(lines)):
        blf.position(0, left, (BOTTOM + n * LINE) * scale, 0)
        blf.draw(0, line)
    blf.disable(0, blf.SHADOW)


def fold(text: str, width: float) -> Iterator[str]:
    """The text in lines that fit."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and blf.dimensions(0, longer)[0] > width:
            yield line
            longer = word
        line = longer
    yield line
