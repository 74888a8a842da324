# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of an avatar's face that do something of their own."""

from collections.abc import Callable

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..engine.errors import PartNerFaceError
from ..partnerface_blender import avatars
from ..partnerface_blender.connection import engine_link
from ..partnerface_blender.connection.engine_process import OpenAvatar
from ..partnerface_blender.properties import avatar_of
from ..partnerface_blender.rig import overrides, parts
from .waiting import WaitingOperator, refuse

PART_ITEMS = [(part, parts.LABELS[part], f"The part {parts.LABELS[part].lower()}")
              for part in parts.PARTS]  # fmt: skip


class OfPart:
    """Mix-in: which part is meant, of the avatar that the context means."""

    part: EnumProperty(
        name="Part", description="The part of the face that is meant", items=PART_ITEMS,
        default="mouth",
    )  # fmt: skip

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only for an avatar that can be changed."""
        cls.poll_message_set("Select an avatar's rig that is not linked")
        rig = avatar_of(context)
        return rig is not None and rig.library is None


class PARTNERFACE_OT_override_part(OfPart, WaitingOperator, bpy.types.Operator):
    """Let a part of the face do something of its own, and the head mesh follow it."""

    bl_idname = "partnerface.override_part"
    bl_label = "Override Part"
    bl_description = (
        "Let this part of the face make more, less or something else of the expression than the "
        "rest; the head mesh follows"
    )
    bl_options = {"REGISTER", "UNDO"}

    waiting_text = "PartNerFace: the engine tells which vertices belong to the part (Esc leaves)"

    def prepare(self, context: bpy.types.Context) -> Callable[[], OpenAvatar]:
        """Read the settings."""
        rig, settings = avatar_of(context), engine_link.read_settings()
        self._rig_name, path = rig.name, avatars.avatar_path(rig)
        return lambda: engine_link.open_avatar(settings, path)

    def finish(self, context: bpy.types.Context, result: OpenAvatar) -> None:
        """Find what moves the part, and let the mesh follow."""
        rig = context.scene.objects.get(self._rig_name)
        if rig is None:
            raise PartNerFaceError("The avatar is gone.", "Select another one.")
        weights, names = result.arrays["part_weights"], result.header["expression_names"]
        overrides.prepare_part(rig, self.part, weights, names)
        rig.partnerface_parts.shown = self.part


def names_to_add(operator: bpy.types.Operator, context: bpy.types.Context | None) -> list:
    """What a search offers: the expressions that move the part, and have no slider there yet."""
    rig = avatar_of(context) if context else None
    if rig is None:
        return []
    own = parts.own_sliders(rig, operator.part)
    names = [name for name in parts.heard_by(rig, operator.part) if name not in own]
    PARTNERFACE_OT_add_part_slider.offered = [(name, name, f"Give the part its own {name}")
                                              for name in names]  # fmt: skip
    return PARTNERFACE_OT_add_part_slider.offered  # Blender keeps no reference of its own


class PARTNERFACE_OT_add_part_slider(OfPart, bpy.types.Operator):
    """Give a part its own slider for one expression."""

    bl_idname = "partnerface.add_part_slider"
    bl_label = "Add Own Slider"
    bl_description = "Give this part a slider of its own for one of the expressions that move it"
    bl_options = {"REGISTER", "UNDO"}
    bl_property = "choice"

    offered: list = []
    choice: EnumProperty(
        name="Expression", description="The expressions that move this part", items=names_to_add
    )
    expression: StringProperty(
        name="Name", description="Name of the expression; empty takes the chosen one"
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add it, with the value the part has now."""
        rig = avatar_of(context)
        name = self.expression or self.choice
        try:
            if name not in parts.heard_by(rig, self.part):
                raise overrides.OverrideError(
                    f"“{name}” does not move the part {parts.LABELS[self.part].lower()}.",
                    "Override the part first, and choose one of its expressions.",
                )
            now = overrides.part_now(rig, self.part, context.evaluated_depsgraph_get())
            adds = getattr(rig.partnerface_parts, self.part).mode == "ADD"
            overrides.add_own_slider(rig, self.part, name, 0.0 if adds else now[name])
        except PartNerFaceError as error:
            return refuse(self, error)
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Search among the expressions."""
        if bpy.app.background or self.expression:
            return self.execute(context)
        context.window_manager.invoke_search_popup(self)
        return {"RUNNING_MODAL"}


class PARTNERFACE_OT_remove_part_slider(OfPart, bpy.types.Operator):
    """Take a part's own slider away."""

    bl_idname = "partnerface.remove_part_slider"
    bl_label = "Remove Own Slider"
    bl_description = "Take this slider away; the part follows the face's again"
    bl_options = {"REGISTER", "UNDO"}

    expression: StringProperty(name="Name", description="Name of the expression")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove it."""
        overrides.remove_own_slider(avatar_of(context), self.part, self.expression)
        return {"FINISHED"}


class PARTNERFACE_OT_freeze_part(OfPart, bpy.types.Operator):
    """Hold a part in the expression that it makes in this frame."""

    bl_idname = "partnerface.freeze_part"
    bl_label = "Freeze Part"
    bl_description = "Hold this part in the expression that it makes in the present frame"
    bl_options = {"REGISTER", "UNDO"}

    from_here: BoolProperty(
        name="From This Frame On",
        description="Key the influence, so that the part is free before the present frame",
        default=False,
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Give it own sliders with the values of now."""
        rig = avatar_of(context)
        if not parts.heard_by(rig, self.part):
            return refuse(self, overrides.OverrideError(
                f"The part {parts.LABELS[self.part].lower()} is not overridden yet.",
                "Press Override Part first.",
            ))  # fmt: skip
        try:
            now = overrides.part_now(rig, self.part, context.evaluated_depsgraph_get())
            frame = context.scene.frame_current if self.from_here else None
            overrides.freeze_part(rig, self.part, now, frame)
        except PartNerFaceError as error:
            return refuse(self, error)
        return {"FINISHED"}


class PARTNERFACE_OT_free_part(OfPart, bpy.types.Operator):
    """Let a part follow the face again, and forget what was special about it."""

    bl_idname = "partnerface.free_part"
    bl_label = "Remove Override"
    bl_description = "Let this part follow the face again, and forget what was special about it"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Forget it."""
        overrides.free_part(avatar_of(context), self.part)
        return {"FINISHED"}


CLASSES = (
    PARTNERFACE_OT_override_part,
    PARTNERFACE_OT_add_part_slider,
    PARTNERFACE_OT_remove_part_slider,
    PARTNERFACE_OT_freeze_part,
    PARTNERFACE_OT_free_part,
)
