# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab of the 3D view's sidebar that our panels share."""

import bpy

from ..partnerface_blender.properties import avatar_of


class Sidebar:
    """Mix-in: where the panels are."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "PartNerFace"


class AvatarSidebar(Sidebar):
    """Mix-in: closed at first, and there only where an avatar is meant."""

    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with an avatar."""
        return avatar_of(context) is not None
