# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab of the 3D view's sidebar that our panels share."""


class Sidebar:
    """Mix-in: where the panels are."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "PartNerFace"
