# SPDX-License-Identifier: GPL-3.0-or-later
"""Avatars: load one into the scene."""

from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

from ..partnerface_blender import avatars
from ..partnerface_blender.connection import engine_link
from ..partnerface_blender.connection.engine_process import OpenAvatar
from .waiting import FileOperator


class PARTNERFACE_OT_load_avatar(FileOperator, bpy.types.Operator):
    """Bring an avatar into the scene: head, shape keys, bones, camera and tracked motion."""

    bl_idname = "partnerface.load_avatar"
    bl_label = "Load Avatar"
    bl_description = (
        "Bring an avatar into the scene: head, shape keys, bones, camera and tracked motion"
    )
    bl_options = {"REGISTER", "UNDO"}

    waiting_text = "PartNerFace: the engine opens the avatar (Esc leaves)"

    filepath: StringProperty(name="File", description="Avatar file", subtype="FILE_PATH")
    filter_glob: StringProperty(
        name="Filter",
        description="Which files to show",
        default="*.safetensors",
        options={"HIDDEN"},
    )
    camera: BoolProperty(
        name="Matched Camera",
        description="Add the camera that filmed the clip, and take over the clip's size",
        default=True,
    )
    motion: BoolProperty(
        name="Tracked Motion",
        description="Key the motion of the clip, and take over its frame range and rate",
        default=True,
    )
    background: BoolProperty(
        name="Clip as Background",
        description="Show the clip behind the matched camera, where it is found",
        default=True,
    )
    match_colour: BoolProperty(
        name="Standard View Transform",
        description="Choose the Standard view transform, for footage and scenes made for it; the "
        "avatar itself looks as filmed under any",
        default=False,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only in object mode, since bones are made in edit mode."""
        cls.poll_message_set("Go to object mode first")
        return context.mode == "OBJECT"

    def prepare(self, context: bpy.types.Context) -> Callable[[], OpenAvatar]:
        """Read the settings."""
        settings = engine_link.read_settings()
        path = Path(bpy.path.abspath(self.filepath))
        return lambda: engine_link.open_avatar(settings, path)

    def finish(self, context: bpy.types.Context, result: OpenAvatar) -> None:
        """Build the rig."""
        options = avatars.LoadOptions(self.camera, self.motion, self.background, self.match_colour)
        rig = avatars.load_avatar(context, Path(bpy.path.abspath(self.filepath)), result, options)
        self.report({"INFO"}, f"{rig.name} is ready: key its shape keys and bones.")


CLASSES = (PARTNERFACE_OT_load_avatar,)
