# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs: their list in the sidebar, the chosen one in full; the one at work in the status bar."""

import bpy

from ..engine.job_folder import PREVIEW
from ..partnerface_blender.jobs import listing, words
from ..partnerface_blender.jobs import watch as job_watch
from ..partnerface_blender.jobs.process import JobStatus
from .tab import Sidebar
from .wrapped import draw_wrapped


class PARTNERFACE_UL_jobs(bpy.types.UIList):
    """All jobs, the newest first, whatever file they were asked for in."""

    bl_idname = "PARTNERFACE_UL_jobs"

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: object,
        item: listing.PARTNERFACE_PG_job,
        icon: int,
        active_data: object,
        active_property: str,
        index: int = 0,
        flt_flag: int = 0,
    ) -> None:
        """Icon, name, and how far it is."""
        status = job_watch.last_seen(item.folder)
        paused = status.state == "queued" and status.pause_asked
        layout.label(
            text=words.title(status), icon="PAUSE" if paused else words.ICONS[status.state]
        )
        side = layout.row()
        side.alignment = "RIGHT"
        working = status.state in ("running", "paused")
        side.label(text=f"{status.fraction:.0%}" if working else words.STATES[status.state])


class PARTNERFACE_PT_jobs(Sidebar, bpy.types.Panel):
    """All jobs, and the chosen one in full."""

    bl_label = "Jobs"
    bl_idname = "PARTNERFACE_PT_jobs"

    def draw(self, context: bpy.types.Context) -> None:
        """The list, then the chosen job: state, buttons, results."""
        column, listed = self.layout.column(), context.window_manager.partnerface
        if not listed.items:
            column.label(text="Captures and trainings show up here", icon="INFO")
            return
        row = column.row()
        row.template_list(
            "PARTNERFACE_UL_jobs", "", listed, "items", listed, "index", rows=3, maxrows=6
        )
        row.operator("partnerface.clear_jobs", text="", icon="TRASH")
        status = listing.chosen()
        if status is not None:
            draw_job(column.box().column(), context, status)


def draw_job(column: bpy.types.UILayout, context: bpy.types.Context, status: JobStatus) -> None:
    """One job in full."""
    column.label(text=words.title(status), icon=words.ICONS[status.state])
    if status.state != "done":
        draw_wrapped(column, context, status.sentence)
    if status.at_work:
        column.progress(factor=status.fraction, text=words.progress(status))
        draw_wrapped(column, context, words.figures(status))
    row = column.row(align=True)
    if (status.active and status.pause_asked) or status.resumable:
        row.operator("partnerface.resume_job", text="Resume", icon="PLAY")
    elif status.active:
        row.operator("partnerface.pause_job", text="Pause", icon="PAUSE")
    if status.active:
        row.operator("partnerface.cancel_job", text="Stop", icon="X")
    if status.state == "queued":
        column.operator("partnerface.start_job_now", icon="FORWARD")
    draw_results(column, status)
    row = column.row(align=True)
    row.operator("partnerface.show_job_log", text="Log", icon="TEXT")
    if (status.folder / PREVIEW).is_file():
        row.operator("partnerface.show_job_preview", text="Preview", icon="IMAGE_DATA")


def draw_results(column: bpy.types.UILayout, status: JobStatus) -> None:
    """What the job has made is offered."""
    if status.state != "done":
        return
    made = words.made(status)
    if made.avatar is not None:
        load = column.operator("partnerface.load_avatar", text="Load Avatar", icon="IMPORT")
        load.filepath = str(made.avatar)
    if made.capture is not None:
        column.operator("partnerface.use_capture", icon="FORWARD")
    row = column.row(align=True)
    for what, text, icon in (
        ("report", "Report", "DOCUMENTS"),
        ("overlay", "Overlay", "FILE_MOVIE"),
        ("folder", "Folder", "FILE_FOLDER"),
    ):
        if getattr(made, what) is not None:
            row.operator("partnerface.open_result", text=text, icon=icon).what = what


def draw_status_bar(header: bpy.types.Header, context: bpy.types.Context) -> None:
    """The job at work at the end of Blender's status bar, with pause and stop."""
    status = job_watch.at_work()
    if status is None:
        return
    row = header.layout.row(align=True)
    row.label(text=words.title(status), icon=words.ICONS[status.state])
    bar = row.row()
    bar.ui_units_x = 9
    bar.progress(factor=status.fraction, text=words.progress(status))
    paused = status.pause_asked
    name, icon = ("resume", "PLAY") if paused else ("pause", "PAUSE")
    row.operator(f"partnerface.{name}_job", text="", icon=icon).folder = str(status.folder)
    row.operator("partnerface.cancel_job", text="", icon="X").folder = str(status.folder)


def attach() -> None:
    """Add our part to the status bar."""
    bpy.types.STATUSBAR_HT_header.append(draw_status_bar)


def detach() -> None:
    """Give the status bar back as it was."""
    bpy.types.STATUSBAR_HT_header.remove(draw_status_bar)
