# SPDX-License-Identifier: GPL-3.0-or-later
"""When the shutter is open, and at which moments of it a frame is rendered."""

import bpy

OPENS = {"START": 0.0, "CENTER": -0.5, "END": -1.0}  # of the shutter's length, from the frame


def moments(render: bpy.types.RenderSettings, frame: float, samples: int) -> list[float]:
    """The frames (with fractions) to render for one: the shutter's middle first.

    Without motion blur that is the frame itself. An even number of samples is raised by one, so
    that one of them is the middle.
    """
    if not render.use_motion_blur or render.motion_blur_shutter <= 0 or samples < 2:
        return [frame]
    count = samples | 1
    length = render.motion_blur_shutter
    opens = frame + OPENS[render.motion_blur_position] * length
    times = [opens + length * (i + 0.5) / count for i in range(count)]
    middle = times.pop(count // 2)
    return [middle, *times]


def split(moment: float) -> tuple[int, float]:
    """A moment as the frame at or before it and the fraction after."""
    whole = int(moment // 1)
    rest = moment - whole
    return (whole + 1, 0.0) if rest > 1 - 1e-6 else (whole, rest)
