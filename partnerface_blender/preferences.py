# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist sets once: where the engine's Python is, and how long it may take."""

import os
from pathlib import Path

import bpy
from bpy.props import EnumProperty, IntProperty, PointerProperty, StringProperty

from ..engine.errors import PartNerFaceError
from .viewport import settings as viewport_settings

ROOT_PACKAGE = __package__.rpartition(".")[0]  # the extension's own name, wherever it is installed
WAY_OUT = "Choose the engine's Python in the preferences of the PartNerFace add-on."
EXTENSION_FOLDER = Path(__file__).resolve().parent.parent


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
    """The engine's Python: PARTNERFACE_PYTHON, else the preference, else the checkout's own.

    Raises:
        SettingsError: none is set, or there is no such file.
    """
    chosen = os.environ.get("PARTNERFACE_PYTHON") or bpy.path.abspath(preferences().engine_python)
    if not chosen:
        own = EXTENSION_FOLDER / ".venv"
        candidates = (own / "bin" / "python", own / "Scripts" / "python.exe")
        chosen = next((str(path) for path in candidates if path.is_file()), "")
    if not chosen:
        raise SettingsError("The engine's Python is not set.", WAY_OUT)
    path = Path(chosen).expanduser()
    if not path.is_file():
        raise SettingsError(f"There is no Python at {path}.", WAY_OUT)
    return path


def user_folder(name: str) -> Path:
    """A folder of the add-on's own among the user's files."""
    return Path(bpy.utils.extension_path_user(ROOT_PACKAGE, path=name, create=True))


def cache_folder() -> Path:
    """Where compiled kernels live: PARTNERFACE_CACHE, else a folder of the add-on's own."""
    chosen = os.environ.get("PARTNERFACE_CACHE")
    return Path(chosen) if chosen else user_folder("cache")


CLASSES = (PARTNERFACE_AP_preferences,)
