# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work asked for as jobs: capture, train, export."""

from pathlib import Path

import bpy
from bpy.props import StringProperty

from ..engine.errors import PartNerFaceError
from ..partnerface_blender import avatars, preferences
from ..partnerface_blender.connection import engine_link
from ..partnerface_blender.jobs import listing, words
from ..partnerface_blender.jobs import watch as job_watch
from ..partnerface_blender.jobs.process import JobStatus
from ..partnerface_blender.properties import avatar_of
from .waiting import refuse


class JobOperator:
    """Mix-in: `arguments` reads the context and gives the engine's command line."""

    def arguments(self, context: bpy.types.Context) -> list[str]:
        """The command and its options. May raise `PartNerFaceError`."""
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Start the job and go on."""
        try:
            settings, arguments = engine_link.read_settings(), self.arguments(context)
            status = job_watch.start(settings, arguments, job_watch.folder())
        except PartNerFaceError as error:
            return refuse(self, error)
        announce(self, context, status)
        return {"FINISHED"}


def announce(operator: bpy.types.Operator, context: bpy.types.Context, status: JobStatus) -> None:
    """Say that a job was asked for, and choose it in the list."""
    folder, others = str(status.folder), [s for s in job_watch.look_at_all() if s.active]
    context.scene.partnerface.job = folder
    listing.choose(folder)
    ahead = len([other for other in others if str(other.folder) != folder])
    when = f"waits behind {ahead} other job{'s' if ahead > 1 else ''}" if ahead else "has started"
    operator.report({"INFO"}, f"{words.title(status)} {when}; see the Jobs panel.")


class PARTNERFACE_OT_capture(JobOperator, bpy.types.Operator):
    """Track the head in the clip; it goes on when Blender is closed."""

    bl_idname = "partnerface.capture"
    bl_label = "Capture"
    bl_description = (
        "Track the head in the clip and write a capture folder; goes on when Blender is closed"
    )
    bl_options = {"REGISTER"}

    def arguments(self, context: bpy.types.Context) -> list[str]:
        """The clip and what the scene says of it."""
        chosen = context.scene.partnerface
        clip, out = existing(chosen.clip, "clip"), needed(chosen.capture, "capture folder")
        words = [
            "capture",
            str(clip),
            str(out),
            "--size",
            str(chosen.size),
            "--device",
            chosen.device,
        ]
        head = chosen.head_model.strip() or "generic"
        words += ["--head", head if head == "generic" else str(existing(head, "head model"))]
        return words + (["--frames", chosen.frames] if chosen.frames else [])


class PARTNERFACE_OT_train(JobOperator, bpy.types.Operator):
    """Train an avatar on the capture; it goes on when Blender is closed."""

    bl_idname = "partnerface.train"
    bl_label = "Train"
    bl_description = "Train an avatar on the capture folder; goes on when Blender is closed"
    bl_options = {"REGISTER"}

    def arguments(self, context: bpy.types.Context) -> list[str]:
        """The capture and the model."""
        chosen = context.scene.partnerface
        capture, out = (
            existing(chosen.capture, "capture folder"),
            needed(chosen.avatar_folder, "avatar folder"),
        )
        words = ["train", str(capture), str(out), "--method", chosen.method]
        words += ["--preset", chosen.preset, "--steps", str(chosen.steps)]
        return [*words, "--device", chosen.device]


class PARTNERFACE_OT_export(JobOperator, bpy.types.Operator):
    """Write the avatar's surface as a mesh with vertex colours."""

    bl_idname = "partnerface.export"
    bl_label = "Export Mesh"
    bl_description = (
        "Write the avatar's canonical surface with vertex colours as .ply, .obj or .glb"
    )
    bl_options = {"REGISTER"}

    filepath: StringProperty(
        name="File", description="The .ply, .obj or .glb to write", subtype="FILE_PATH"
    )
    filter_glob: StringProperty(
        name="Filter",
        description="Which files to show",
        default="*.ply;*.obj;*.glb",
        options={"HIDDEN"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with an avatar."""
        cls.poll_message_set("Load an avatar, or select one")
        return avatar_of(context) is not None

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for the file."""
        if not self.filepath:
            self.filepath = bpy.path.abspath(f"//{avatar_of(context).name}.glb")
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def arguments(self, context: bpy.types.Context) -> list[str]:
        """The avatar and the file."""
        chosen = context.scene.partnerface
        avatar, out = (
            avatars.avatar_path(avatar_of(context)),
            needed(self.filepath, "file to write"),
        )
        return ["export", str(avatar), str(out), "--resolution", str(chosen.export_resolution),
                "--device", chosen.device]  # fmt: skip


def needed(chosen: str, what: str) -> Path:
    """The path that was chosen, absolute.

    Raises:
        SettingsError: none was.
    """
    if not chosen:
        raise preferences.SettingsError(
            f"No {what} is set.", "Choose it in the PartNerFace sidebar."
        )
    return Path(bpy.path.abspath(chosen)).expanduser()


def existing(chosen: str, what: str) -> Path:
    """The same, of something that must be there."""
    path = needed(chosen, what)
    if not path.exists():
        raise preferences.SettingsError(
            f"There is no {what} {path}.", "Choose another in the PartNerFace sidebar."
        )
    return path


CLASSES = (
    PARTNERFACE_OT_capture,
    PARTNERFACE_OT_train,
    PARTNERFACE_OT_export,
)
