# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene's frames rendered as a job: it goes on without Blender."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty

from ..engine.errors import PartNerFaceError
from ..partnerface_blender import avatars, preferences
from ..partnerface_blender.connection import engine_link
from ..partnerface_blender.failures import own_mistake
from ..partnerface_blender.jobs import watch as job_watch
from ..partnerface_blender.properties import avatar_of
from ..partnerface_blender.rendering import sequences
from .jobs import announce
from .waiting import refuse


class PARTNERFACE_OT_render_sequence(bpy.types.Operator):
    """Render the scene's frames of one avatar as a job that goes on without Blender."""

    bl_idname = "partnerface.render_sequence"
    bl_label = "Render as Job"
    bl_description = (
        "Render this avatar's frames into a folder as a job: it goes on when Blender is closed, "
        "and keeps the frames that it has when it is stopped. Other objects and the compositor "
        "are left out"
    )
    bl_options = {"REGISTER"}

    directory: StringProperty(
        name="Folder", description="Where the pictures go", subtype="DIR_PATH"
    )
    file_format: EnumProperty(
        name="Format",
        description="How the pictures are written",
        items=(
            ("png", "PNG", "As the video looks, with straight alpha"),
            ("exr", "EXR", "Scene-linear, premultiplied, with depth: for compositing"),
        ),
        default="exr",
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with an avatar."""
        cls.poll_message_set("Load an avatar, or select one")
        return avatar_of(context) is not None

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for the folder."""
        if not self.directory:
            self.directory = bpy.path.abspath(f"//{avatar_of(context).name}-frames/")
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read the frames, one at each tick of the clock where somebody looks."""
        try:
            self._settings = engine_link.read_settings()
            self._rig = avatar_of(context)
            avatars.require_file(self._rig)
            self._steps = self._read(context)
            if bpy.app.background or context.window is None:
                for _ in self._steps:
                    pass
                return self._start(context)
        except PartNerFaceError as error:
            return refuse(self, error)
        self._timer = context.window_manager.event_timer_add(0.01, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Read the next frame; Esc stops."""
        if event.type not in ("TIMER", "ESC"):
            return {"RUNNING_MODAL"}  # what is being read must stay as it is for these seconds
        try:
            if event.type == "ESC":
                self._steps.close()
                self._leave(context)
                return {"CANCELLED"}
            done = next(self._steps, None)
            if done is not None:
                context.workspace.status_text_set(f"Reading the scene: {done:.0%} (Esc stops)")
                return {"RUNNING_MODAL"}
            self._leave(context)
            return self._start(context)
        except PartNerFaceError as error:
            self._leave(context)
            return refuse(self, error)
        except Exception as error:
            self._leave(context)
            return refuse(self, own_mistake(error))

    def cancel(self, context: bpy.types.Context) -> None:
        """The window is closed, or another file opened."""
        self._steps.close()
        self._leave(context)

    def _read(self, context: bpy.types.Context) -> Iterator[float]:
        if not self.directory:
            raise preferences.SettingsError("No folder is set.", "Choose where the pictures go.")
        name = f"{secrets.token_hex(6)}.npz"
        self._file = preferences.user_folder("sequences") / name
        return sequences.read(context.scene, self._rig, self._file)

    def _start(self, context: bpy.types.Context) -> set[str]:
        avatar, out = avatars.avatar_path(self._rig), Path(bpy.path.abspath(self.directory))
        words = ["render", str(avatar), str(out), "--sequence", str(self._file)]
        words += ["--file-format", self.file_format, "--quality", self._rig.partnerface.quality]
        words += ["--device", context.scene.partnerface.device]
        try:
            status = job_watch.start(self._settings, words, job_watch.folder())
        except PartNerFaceError as error:
            return refuse(self, error)
        announce(self, context, status)
        return {"FINISHED"}

    def _leave(self, context: bpy.types.Context) -> None:
        context.window_manager.event_timer_remove(self._timer)
        context.workspace.status_text_set(None)


CLASSES = (PARTNERFACE_OT_render_sequence,)
