# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of jobs that panels draw: kept by the window manager, saved nowhere."""

import bpy
from bpy.props import CollectionProperty, IntProperty, PointerProperty, StringProperty

from . import watch
from .process import JobStatus


class PARTNERFACE_PG_job(bpy.types.PropertyGroup):
    """One job in the list."""

    folder: StringProperty(
        name="Folder", description="The job's own folder, which tells how far it is"
    )


class PARTNERFACE_PG_jobs(bpy.types.PropertyGroup):
    """All jobs, the newest first."""

    items: CollectionProperty(
        name="Jobs", description="All jobs, the newest first", type=PARTNERFACE_PG_job
    )
    index: IntProperty(name="Job", description="The job that the panel shows", default=0)


def chosen() -> JobStatus | None:
    """The job that is chosen in the list, as it was at the last look."""
    listed = bpy.context.window_manager.partnerface
    if not 0 <= listed.index < len(listed.items):
        return None
    return watch.last_seen(listed.items[listed.index].folder)


def choose(folder: str) -> None:
    """Choose a job in the list, which is brought up to date first."""
    sync()
    listed = bpy.context.window_manager.partnerface
    folders = [item.folder for item in listed.items]
    listed.index = folders.index(folder) if folder in folders else listed.index


def sync() -> None:
    """Bring the list up to date with what was seen last; whatever is chosen stays so."""
    listed = bpy.context.window_manager.partnerface
    wanted = [str(status.folder) for status in watch.all_seen()]
    present = [item.folder for item in listed.items]
    if wanted == present:
        return
    kept = present[listed.index] if 0 <= listed.index < len(present) else ""
    listed.items.clear()
    for folder in wanted:
        listed.items.add().folder = folder
    listed.index = wanted.index(kept) if kept in wanted else 0


def attach() -> None:
    """Hang the list on the window manager, and keep it up to date."""
    bpy.types.WindowManager.partnerface = PointerProperty(
        type=PARTNERFACE_PG_jobs, name="PartNerFace", description="The jobs of PartNerFace"
    )
    watch.listeners.append(sync)


def detach() -> None:
    """Take the list off again."""
    del bpy.types.WindowManager.partnerface


CLASSES = (PARTNERFACE_PG_job, PARTNERFACE_PG_jobs)
