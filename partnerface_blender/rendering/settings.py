# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene remembers of how its avatars are rendered."""

import bpy
from bpy.props import IntProperty, PointerProperty


class PARTNERFACE_PG_render(bpy.types.PropertyGroup):
    """On the scene, as `partnerface_render`."""

    motion_samples: IntProperty(
        name="Motion Samples",
        description="Moments of the open shutter that are rendered for one frame with motion blur; "
        "an even number is raised by one",
        default=9,
        min=1,
        soft_max=33,
        max=129,
    )


def attach() -> None:
    """Hang the group on scenes."""
    bpy.types.Scene.partnerface_render = PointerProperty(
        type=PARTNERFACE_PG_render,
        name="PartNerFace Render",
        description="How PartNerFace renders this scene's avatars",
    )


def detach() -> None:
    """Take the group off again; what it holds stays in the .blend."""
    del bpy.types.Scene.partnerface_render


CLASSES = (PARTNERFACE_PG_render,)
