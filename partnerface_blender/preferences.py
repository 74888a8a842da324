# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist sets once: where the engine's Python is, and how long it may take."""

import os
from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.props import EnumProperty, IntProperty, PointerProperty, StringProperty

from ..engine.errors import PartNerFaceError
from .installing.places import Places
from .viewport import settings as viewport_settings

ROOT_PACKAGE = __package__.rpartition(".")[0]  # the extension's own name, wherever it is installed
WAY_OUT = "Set the engine up in the PartNerFace sidebar, or choose its Python in the preferences."
EXTENSION_FOLDER = Path(__file__).resolve().parent.parent


drawers: list[Callable] = []  # what other rooms add to the preferences


class SettingsError(PartNerFaceError):
    """A preference must be set or mended first."""

    code = "bad_settings"


class PARTNERFACE_AP_preferences(bpy.types.AddonPreferences):
    """The add-on's preferences."""

    bl_idname = ROOT_PACKAGE

    engine_python: StringProperty(
        name="Engine Python",
        description="Python of the engine's own environment; PARTNERFACE_PYTHON goes first",
        subtype="FILE_PATH",
    )
    device: EnumProperty(
        name="Device",
        description="Where the engine renders; takes effect when it is started again",
        items=(
            ("auto", "Automatic", "The GPU where there is one"),
            ("cpu", "CPU", "The processor"),
            ("cuda", "CUDA", "An NVIDIA GPU"),
        ),
    )
    render_timeout: IntProperty(
        name="Render Timeout",
        description="Seconds without progress after which the engine counts as hung",
        default=180,
        min=5,
        max=3600,
        subtype="TIME",
    )

    viewport: PointerProperty(
        name="Viewport",
        description="How avatars are shown in viewports",
        type=viewport_settings.PARTNERFACE_PG_viewport,
    )

    def draw(self, context: bpy.types.Context) -> None:
        """The engine's settings and their check."""
        column = self.layout.column()
        for draw in drawers:
            draw(column, context)
        if os.environ.get("PARTNERFACE_PYTHON"):
            column.label(text=f"PARTNERFACE_PYTHON is set: {os.environ['PARTNERFACE_PYTHON']}")
        column.prop(self, "engine_python")
        column.prop(self, "device")
        column.prop(self, "render_timeout")
        viewport_settings.draw(column, self.viewport)
        row = column.row()
        row.operator("partnerface.check_engine")
        row.operator("partnerface.stop_engine")


def preferences() -> PARTNERFACE_AP_preferences:
    """The add-on's preferences."""
    return bpy.context.preferences.addons[ROOT_PACKAGE].preferences


def find_engine_python() -> Path:
    """The engine's Python, of the first that there is.

    PARTNERFACE_PYTHON, the preference, the environment that was set up, the checkout's own.

    Raises:
        SettingsError: none is set, or there is no such file.
    """
    chosen = os.environ.get("PARTNERFACE_PYTHON") or bpy.path.abspath(preferences().engine_python)
    if not chosen:
        own, set_up = EXTENSION_FOLDER / ".venv", Places(set_up_folder())
        candidates = [set_up.python] if set_up.ready() else []
        candidates += [own / "bin" / "python", own / "Scripts" / "python.exe"]
        chosen = next((str(path) for path in candidates if path.is_file()), "")
    if not chosen:
        raise SettingsError("There is no engine yet.", WAY_OUT)
    path = Path(chosen).expanduser()
    if not path.is_file():
        raise SettingsError(f"There is no Python at {path}.", WAY_OUT)
    return path


def has_engine() -> bool:
    """Whether there is an engine's Python."""
    try:
        return find_engine_python().is_file()
    except SettingsError:
        return False


def set_up_folder() -> Path:
    """Where the engine's environment is set up; made by the set-up alone."""
    return Path(bpy.utils.extension_path_user(ROOT_PACKAGE, path="engine", create=False))


def user_folder(name: str) -> Path:
    """A folder of the add-on's own among the user's files, made if need be.

    Raises:
        SettingsError: it cannot be made.
    """
    folder = bpy.utils.extension_path_user(ROOT_PACKAGE, path=name, create=True)
    if not folder:  # Blender has printed why
        raise SettingsError(
            f"The add-on's folder for {name} cannot be made among your Blender files.",
            "Make room there, or see to it that you may write there.",
        )
    return Path(folder)


def cache_folder() -> Path:
    """Where compiled kernels live: PARTNERFACE_CACHE, else a folder of the add-on's own."""
    chosen = os.environ.get("PARTNERFACE_CACHE")
    return Path(chosen) if chosen else user_folder("cache")


CLASSES = (PARTNERFACE_AP_preferences,)
