# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's set-up, drawn alike in the sidebar and in the preferences."""

import bpy

from ..partnerface_blender import preferences
from ..partnerface_blender.installing import setup_job
from ..partnerface_blender.jobs import words
from .wrapped import draw_wrapped

TITLES = {
    "ready": ("The engine is set up", "CHECKMARK"),
    "outdated": ("The engine is older than this add-on", "ERROR"),
    "broken": ("The set-up is not finished", "ERROR"),
    "none": ("There is no engine yet", "INFO"),
}


def draw_setup(column: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Where the set-up stands, and what can be done about it."""
    job, state = setup_job.current_job(), setup_job.state()
    if job is not None:
        column.label(text="Setting up the engine", icon=words.ICONS[job.state])
        draw_wrapped(column, context, job.sentence)
        column.progress(factor=job.fraction, text=words.progress(job))
        stop = column.operator("partnerface.cancel_job", text="Stop", icon="X")
        stop.folder = str(job.folder)
        return
    title, icon = TITLES[state]
    column.label(text=title, icon=icon)
    if state != "ready":
        draw_wrapped(column, context, setup_job.size_sentence())
        text = {"none": "Set Up Engine", "broken": "Go On", "outdated": "Update Engine"}[state]
        column.operator("partnerface.set_up_engine", text=text, icon="IMPORT")
        if not bpy.app.online_access:
            draw_wrapped(
                column, context, "Online access is off: Preferences, System, Network", icon="ERROR"
            )
        column.operator("partnerface.set_up_engine_offline", icon="FILE_FOLDER")
        column.operator("partnerface.choose_engine", icon="CONSOLE")
    if state != "none":
        row = column.row(align=True)
        row.operator("partnerface.set_up_engine", text="Repair", icon="MODIFIER").repair = True
        row.operator("partnerface.remove_engine", text="Remove", icon="TRASH")


def needs_setup() -> bool:
    """Whether the set-up is at work, or the engine that is used comes from an older one."""
    if setup_job.current_job() is not None:
        return True
    used = preferences.find_engine_python() == setup_job.places().python
    return used and setup_job.state() == "outdated"


def draw_in_preferences(column: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """A box of its own."""
    box = column.box().column()
    draw_setup(box, context)
    if setup_job.state() == "ready":
        box.operator("partnerface.choose_engine", icon="CONSOLE")


def attach() -> None:
    """Let the preferences draw it too."""
    preferences.drawers.append(draw_in_preferences)


def detach() -> None:
    """Undo `attach`."""
    preferences.drawers.clear()
