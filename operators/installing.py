# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's environment: brought, repaired, removed, or one of the artist's own chosen."""

import os
from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

from ..engine.errors import PartNerFaceError
from ..partnerface_blender import preferences
from ..partnerface_blender.connection import engine_check, engine_link
from ..partnerface_blender.installing import setup_job
from ..partnerface_blender.jobs import watch as job_watch
from .jobs import announce
from .waiting import FileOperator, refuse


class PARTNERFACE_OT_set_up_engine(bpy.types.Operator):
    """Fetch what the engine needs, into a folder of the add-on's own."""

    bl_idname = "partnerface.set_up_engine"
    bl_label = "Set Up Engine"
    bl_description = (
        "Fetch Python packages for the engine into a folder of the add-on's own, as a job: "
        "0.7 GB, or 3.5 GB where there is an NVIDIA card. Nothing is installed into Blender"
    )
    bl_options = {"REGISTER", "INTERNAL"}

    repair: BoolProperty(
        name="Repair",
        description="Install every package again, from what was fetched before where it is kept",
        default=False,
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Queue it."""
        return begin(self, context, None, self.repair)


class PARTNERFACE_OT_set_up_engine_offline(bpy.types.Operator):
    """Set the engine up from a folder of wheels, without any network."""

    bl_idname = "partnerface.set_up_engine_offline"
    bl_label = "Set Up from Folder"
    bl_description = (
        "Set the engine up from a folder of wheels that you have brought here, without any network"
    )
    bl_options = {"REGISTER", "INTERNAL"}

    directory: StringProperty(
        name="Folder", description="The folder with the wheels", subtype="DIR_PATH"
    )
    repair: BoolProperty(name="Repair", description="Install every package again", default=False)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for the folder."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Queue it."""
        return begin(self, context, Path(bpy.path.abspath(self.directory)), self.repair)


class PARTNERFACE_OT_remove_engine(bpy.types.Operator):
    """Delete the engine's environment; avatars and captures stay."""

    bl_idname = "partnerface.remove_engine"
    bl_label = "Remove Engine"
    bl_description = (
        "Delete the engine's environment and the packages kept for repairs; avatars and captures "
        "stay"
    )
    bl_options = {"REGISTER", "INTERNAL"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask once more."""
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Take it away; scripts wait until the last file is gone."""
        try:
            thread = setup_job.remove()
        except PartNerFaceError as error:
            return refuse(self, error)
        if bpy.app.background:
            thread.join()
        self.report({"INFO"}, "The engine was removed.")
        job_watch.redraw()
        return {"FINISHED"}


class PARTNERFACE_OT_choose_engine(FileOperator, bpy.types.Operator):
    """Take an environment of your own, once its doctor has agreed."""

    bl_idname = "partnerface.choose_engine"
    bl_label = "Choose Environment"
    bl_description = (
        "Take an existing Python environment for the engine; it is checked first, and taken only "
        "if it can render"
    )
    bl_options = {"REGISTER", "INTERNAL"}

    waiting_text = "PartNerFace: checking the environment"

    filepath: StringProperty(
        name="Python",
        description="The environment's python, or the environment's folder",
        subtype="FILE_PATH",
    )

    def prepare(self, context: bpy.types.Context) -> Callable[[], dict]:
        """Find its Python."""
        self._python = python_in(Path(bpy.path.abspath(self.filepath)))
        settings = engine_link.settings_for(self._python)
        return lambda: engine_check.run_doctor(settings)

    def finish(self, context: bpy.types.Context, result: dict) -> None:
        """Take it."""
        preferences.preferences().engine_python = str(self._python)
        engine_link.stop_engine()
        said = engine_check.in_one_line(result)
        if os.environ.get("PARTNERFACE_PYTHON"):
            said += "; PARTNERFACE_PYTHON goes first as long as it is set"
        self.report({"INFO"}, f"This environment is the engine's now: {said}.")


def begin(
    operator: bpy.types.Operator, context: bpy.types.Context, wheels: Path | None, repair: bool
) -> set[str]:
    """Queue a set-up and say so."""
    try:
        status = setup_job.start(wheels, repair=repair)
    except PartNerFaceError as error:
        return refuse(operator, error)
    announce(operator, context, status)
    return {"FINISHED"}


def python_in(path: Path) -> Path:
    """The interpreter at a path, or in the environment at it.

    Raises:
        SettingsError: there is none.
    """
    if path.is_file():
        return path
    for name in ("bin/python", "Scripts/python.exe", "python.exe"):
        if (path / name).is_file():
            return path / name
    raise preferences.SettingsError(
        f"There is no Python at {path}.", "Choose an environment's folder, or its python."
    )


CLASSES = (
    PARTNERFACE_OT_set_up_engine,
    PARTNERFACE_OT_set_up_engine_offline,
    PARTNERFACE_OT_remove_engine,
    PARTNERFACE_OT_choose_engine,
)
