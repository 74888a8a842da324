# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar of the 3D view: motion from elsewhere, and parts that do something of their own."""

import bpy

from ..partnerface_blender.properties import avatar_of
from ..partnerface_blender.rig import parts
from .tab import AvatarSidebar


class PARTNERFACE_PT_motion(AvatarSidebar, bpy.types.Panel):
    """Motion from elsewhere."""

    bl_label = "Motion"
    bl_idname = "PARTNERFACE_PT_motion"

    def draw(self, context: bpy.types.Context) -> None:
        """What the rig plays, and what can be brought."""
        rig, column = avatar_of(context), self.layout.column()
        data = rig.animation_data
        if data is not None and data.action is not None:
            column.label(text=data.action.name, icon="ACTION")
        elif data is not None and data.nla_tracks:
            column.label(text=f"{len(data.nla_tracks)} NLA tracks", icon="NLA")
        column.operator("partnerface.import_motion", icon="IMPORT")
        column.operator("partnerface.import_face_recording", icon="IMPORT")


class PARTNERFACE_PT_parts(AvatarSidebar, bpy.types.Panel):
    """Parts that do something of their own."""

    bl_label = "Parts"
    bl_idname = "PARTNERFACE_PT_parts"

    def draw(self, context: bpy.types.Context) -> None:
        """One part's override, and which parts have one."""
        rig, column = avatar_of(context), self.layout.column()
        every = rig.partnerface_parts
        grid = column.grid_flow(row_major=True, columns=2, even_columns=True, align=True)
        for part in parts.PARTS:
            grid.prop_enum(every, "shown", part, icon="KEYFRAME_HLT" if self._differs(rig, part)
                           else "BLANK1")  # fmt: skip
        settings, part = getattr(every, every.shown), every.shown
        if not settings.hears:
            column.operator("partnerface.override_part", icon="DECORATE_OVERRIDE").part = part
            return
        box = column.box().column()
        box.use_property_split = True
        box.prop(settings, "gain")
        self._own(box, rig, part, settings)
        row = column.row(align=True)
        row.operator("partnerface.freeze_part", icon="FREEZE").part = part
        here = row.operator("partnerface.freeze_part", text="From Here", icon="KEY_HLT")
        here.part, here.from_here = part, True
        column.operator("partnerface.free_part", icon="X").part = part

    @staticmethod
    def _differs(rig: bpy.types.Object, part: str) -> bool:
        """Whether the part was given something of its own."""
        settings = getattr(rig.partnerface_parts, part)
        return settings.gain != 1 or bool(parts.own_sliders(rig, part))

    @staticmethod
    def _own(box: bpy.types.UILayout, rig: bpy.types.Object, part: str, settings: object) -> None:
        """The part's own sliders."""
        own = parts.own_sliders(rig, part)
        if own:
            box.prop(settings, "influence")
            box.prop(settings, "mode")
        for name in own:
            called = bpy.utils.escape_identifier(parts.own_name(part, name))
            row = box.row(align=True)
            row.prop(rig, f'["{called}"]', text=name)
            away = row.operator("partnerface.remove_part_slider", text="", icon="X", emboss=False)
            away.part, away.expression = part, name
        box.operator("partnerface.add_part_slider", icon="ADD").part = part


CLASSES = (PARTNERFACE_PT_motion, PARTNERFACE_PT_parts)
