# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar's panels for posing: sliders by group, left beside right; bones; gaze."""

import bpy

from ..partnerface_blender.properties import avatar_of
from ..partnerface_blender.rig import arkit, gaze, limits, sliders
from .tab import AvatarSidebar

LABEL = 0.36  # of the panel's width
SHORT = {  # where the name without its group says too little
    "mouth": "To the Side",
    "jaw": "To the Side",
    "tongueOut": "Tongue Out",
}


class PARTNERFACE_PT_pose(AvatarSidebar, bpy.types.Panel):
    """Reset, mirror, key, and what to select."""

    bl_label = "Pose"
    bl_idname = "PARTNERFACE_PT_pose"
    bl_options = set()

    def draw(self, context: bpy.types.Context) -> None:
        """Buttons for the whole pose."""
        column = self.layout.column(align=True)
        for text, operator, icon in (
            ("Key", "partnerface.key_pose", "KEY_HLT"),
            ("Reset", "partnerface.reset_pose", "LOOP_BACK"),
        ):
            _, row = _line(column, text, icon)
            for scope in ("ALL", "FACE", "BONES"):
                row.operator(operator, text=scope.capitalize()).scope = scope
            row.operator(operator, text="", icon="RESTRICT_SELECT_OFF").scope = "SELECTED"
        _, row = _line(column, "Mirror", "MOD_MIRROR")
        for text, how in (("Flip", "FLIP"), ("L → R", "LEFT"), ("R → L", "RIGHT")):
            row.operator("partnerface.mirror_pose", text=text).how = how
        chosen = row.operator("partnerface.mirror_pose", text="", icon="RESTRICT_SELECT_OFF")
        chosen.how, chosen.scope = "FLIP", "SELECTED"
        row = self.layout.row(align=True)
        row.operator_menu_enum(
            "partnerface.select_controls", "which", text="Select", icon="BONE_DATA"
        )
        face = avatar_of(context).pose.bones.get(sliders.FACE)
        if face is not None and limits.SWITCH in face:
            row.prop(face, f'["{limits.SWITCH}"]', text="Limits", toggle=True)
        column = self.layout.column(align=True)
        column.operator_menu_enum("partnerface.apply_expression", "expression", icon="HIDE_OFF")
        row = column.row(align=True)
        row.operator("partnerface.add_pose_assets", text="All to Assets", icon="ASSET_MANAGER")
        row.operator("partnerface.save_expression", text="Save This", icon="ADD")


class PARTNERFACE_PT_gaze(AvatarSidebar, bpy.types.Panel):
    """The gaze target."""

    bl_label = "Gaze"
    bl_idname = "PARTNERFACE_PT_gaze"
    bl_parent_id = "PARTNERFACE_PT_pose"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only for rigs that have a gaze target."""
        return super().poll(context) and sliders.GAZE in avatar_of(context).pose.bones

    def draw(self, context: bpy.types.Context) -> None:
        """How much the eyes and the lids follow, and where the target goes."""
        column = self.layout.column()
        column.use_property_split = True
        bone = avatar_of(context).pose.bones[sliders.GAZE]
        column.prop(bone, f'["{gaze.FOLLOW}"]', text="Follow", slider=True)
        column.prop(bone, f'["{gaze.FOLLOW_LIDS}"]', text="Lids Go Along", slider=True)
        row = self.layout.row(align=True)
        for text, where in (("Camera", "CAMERA"), ("Cursor", "CURSOR"), ("Ahead", "AHEAD")):
            row.operator("partnerface.aim_gaze", text=text).where = where


class GroupPanel(AvatarSidebar):
    """Mix-in: one group of ARKit's sliders."""

    bl_parent_id = "PARTNERFACE_PT_pose"
    group = ""

    def draw(self, context: bpy.types.Context) -> None:
        """A line for each motion: one slider, or the left one beside the right one."""
        rig = avatar_of(context)
        there = set(sliders.slider_names(rig))
        column = self.layout.column(align=True)
        if any(stem in arkit.SIDED for stem in arkit.GROUPS[self.group]):
            _, cells = _line(column, "")
            for side in ("Left", "Right"):
                cells.label(text=side)
        lacking = []
        for stem in arkit.GROUPS[self.group]:
            names = arkit.sides(stem)
            lacking += [name for name in names if name not in there]
            if there & set(names):
                draw_sliders(column, rig, label_of(stem), [n for n in names if n in there])
        if lacking:
            column.label(text=f"Not with this head: {', '.join(lacking)}", icon="INFO")


def draw_sliders(
    layout: bpy.types.UILayout, rig: bpy.types.Object, label: str, names: list[str]
) -> None:
    """A line with the sliders of these names, each with its keyframe dot."""
    _, cells = _line(layout, label)
    for name in names:
        owner, prop = slider_property(rig, name)
        cell = cells.row(align=True)
        cell.prop(owner, prop, text="", slider=True)
        cell.prop_decorator(owner, prop)


def slider_property(rig: bpy.types.Object, name: str) -> tuple[bpy.types.bpy_struct, str]:
    """What `layout.prop` takes for a slider."""
    owner, _, _ = sliders.slider_path(rig, name)
    if owner == rig:
        return rig.pose.bones[sliders.FACE], f'["{bpy.utils.escape_identifier(name)}"]'
    return owner.key_blocks[name], "value"


def label_of(stem: str) -> str:
    """A slider's name without its group, in words: mouthSmile → Smile."""
    if stem in SHORT:
        return SHORT[stem]
    words = "".join(f" {c}" if c.isupper() else c for c in stem).split()
    return " ".join(word.capitalize() for word in words[1:])


def _line(layout: bpy.types.UILayout, label: str, icon: str = "NONE") -> tuple:
    line = layout.split(factor=LABEL, align=True)
    line.use_property_split = False
    line.label(text=label, icon=icon)
    return line, line.row(align=True)


def _group_panel(group: str) -> type:
    """The panel of a group."""
    name = f"PARTNERFACE_PT_sliders_{group.split()[0].lower()}"
    return type(name, (GroupPanel, bpy.types.Panel), {
        "__doc__": f"ARKit's sliders: {group}.", "bl_label": group, "bl_idname": name,
        "group": group,
    })  # fmt: skip


class PARTNERFACE_PT_own_sliders(AvatarSidebar, bpy.types.Panel):
    """The head's own coefficients that have no name of ARKit's: tracked motion moves them."""

    bl_label = "The Head's Own"
    bl_idname = "PARTNERFACE_PT_own_sliders"
    bl_parent_id = "PARTNERFACE_PT_pose"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only for heads that have such."""
        rig = avatar_of(context)
        return rig is not None and bool(own_names(rig))

    def draw(self, context: bpy.types.Context) -> None:
        """A line each."""
        rig, column = avatar_of(context), self.layout.column(align=True)
        for name in own_names(rig):
            draw_sliders(column, rig, name, [name])


def own_names(rig: bpy.types.Object) -> list[str]:
    """The sliders that are none of ARKit's."""
    return [name for name in sliders.all_slider_names(rig) if name not in arkit.NAMES]


CLASSES = (
    PARTNERFACE_PT_pose,
    *(_group_panel(group) for group in arkit.GROUPS),
    PARTNERFACE_PT_own_sliders,
    PARTNERFACE_PT_gaze,
)
