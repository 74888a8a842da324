# SPDX-License-Identifier: GPL-3.0-or-later
"""Posing an avatar's rig: reset, mirror, key, select, aim the gaze."""

import bpy
from bpy.props import EnumProperty

from ..partnerface_blender.properties import avatar_of
from ..partnerface_blender.rig import gaze, posing


class RigOperator:
    """Mix-in: works on the rig that the context means."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with an avatar that may be changed."""
        rig = avatar_of(context)
        cls.poll_message_set("Select an avatar's rig or head")
        return rig is not None and rig.is_editable


class PARTNERFACE_OT_reset_pose(RigOperator, bpy.types.Operator):
    """Put sliders to 0 and bones to their rest pose."""

    bl_idname = "partnerface.reset_pose"
    bl_label = "Reset"
    bl_description = "Put sliders to 0 and bones to their rest pose"

    scope: EnumProperty(name="What", description="What is reset", items=posing.SCOPES)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Reset."""
        posing.reset_pose(context, avatar_of(context), self.scope)
        return {"FINISHED"}


class PARTNERFACE_OT_mirror_pose(RigOperator, bpy.types.Operator):
    """Mirror the expression and the pose about the head's middle."""

    bl_idname = "partnerface.mirror_pose"
    bl_label = "Mirror"
    bl_description = "Mirror the expression and the pose about the head's middle"

    how: EnumProperty(name="How", description="What becomes of the sides", items=posing.MIRRORS)
    scope: EnumProperty(name="What", description="What is mirrored", items=posing.SCOPES)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Mirror."""
        posing.mirror_pose(context, avatar_of(context), self.scope, self.how)
        return {"FINISHED"}


class PARTNERFACE_OT_key_pose(RigOperator, bpy.types.Operator):
    """Key every slider and bone as it is, on the current frame."""

    bl_idname = "partnerface.key_pose"
    bl_label = "Key"
    bl_description = "Key every slider and bone as it is, on the current frame"

    scope: EnumProperty(name="What", description="What is keyed", items=posing.SCOPES)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Key."""
        count = posing.key_pose(avatar_of(context), self.scope, context.scene.frame_current)
        self.report({"INFO"}, f"{count} channels keyed on frame {context.scene.frame_current}.")
        return {"FINISHED"}


class PARTNERFACE_OT_select_controls(RigOperator, bpy.types.Operator):
    """Go to pose mode with these bones selected."""

    bl_idname = "partnerface.select_controls"
    bl_label = "Select Controls"
    bl_description = "Go to pose mode with these bones selected"

    which: EnumProperty(
        name="Which",
        description="Which bones",
        items=(
            ("ALL", "All", "Every bone that is there for you"),
            ("FACE", "Face", "The bone that holds the sliders"),
            ("HEAD", "Head", "Root, neck and jaw"),
            ("EYES", "Eyes", "The two eyes"),
            ("GAZE", "Gaze", "The gaze target"),
        ),
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Select."""
        rig = avatar_of(context)
        every = [bone.name for bone in posing.bones_in(rig, "ALL")] + ["face"]
        wanted = {
            "ALL": every, "FACE": ["face"], "HEAD": ["root", "neck", "jaw"],
            "EYES": ["eye.L", "eye.R"], "GAZE": ["gaze"],
        }[self.which]  # fmt: skip
        if context.active_object != rig or context.mode != "POSE":
            if context.mode != "OBJECT":
                bpy.ops.object.mode_set(mode="OBJECT")
            bpy.ops.object.select_all(action="DESELECT")
            context.view_layer.objects.active = rig
            rig.select_set(True)
            bpy.ops.object.mode_set(mode="POSE")
        posing.select_bones(rig, [name for name in wanted if name in rig.pose.bones])
        return {"FINISHED"}


class PARTNERFACE_OT_aim_gaze(RigOperator, bpy.types.Operator):
    """Let the eyes follow the gaze target, and put it somewhere."""

    bl_idname = "partnerface.aim_gaze"
    bl_label = "Look At"
    bl_description = "Let the eyes follow the gaze target, and put it somewhere"

    where: EnumProperty(
        name="Where",
        description="Where the eyes look",
        items=(
            ("CAMERA", "Camera", "Where the scene's camera is now"),
            ("CURSOR", "3D Cursor", "Where the 3D cursor is"),
            ("AHEAD", "Ahead", "Straight ahead of the head at rest"),
        ),
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only for rigs that have a gaze target."""
        return super().poll(context) and gaze.GAZE in avatar_of(context).pose.bones

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Aim."""
        camera = context.scene.camera
        if self.where == "CAMERA" and camera is None:
            self.report({"ERROR"}, "The scene has no camera to look at. Add one first.")
            return {"CANCELLED"}
        places = {"CAMERA": camera and camera.matrix_world.translation.copy(),
                  "CURSOR": context.scene.cursor.location.copy(), "AHEAD": None}  # fmt: skip
        posing.aim_gaze(context, avatar_of(context), places[self.where])
        return {"FINISHED"}


CLASSES = (
    PARTNERFACE_OT_reset_pose,
    PARTNERFACE_OT_mirror_pose,
    PARTNERFACE_OT_key_pose,
    PARTNERFACE_OT_select_controls,
    PARTNERFACE_OT_aim_gaze,
)
