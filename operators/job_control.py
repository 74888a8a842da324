# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that are there: paused, resumed, cancelled, cleared; their log, picture and results."""

import shutil
from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty

from ..engine.errors import PartNerFaceError
from ..engine.job_folder import JOB, PREVIEW
from ..partnerface_blender.connection import engine_link
from ..partnerface_blender.installing import setup_job
from ..partnerface_blender.jobs import listing, shown, words
from ..partnerface_blender.jobs import process as jobs
from ..partnerface_blender.jobs import watch as job_watch
from .waiting import refuse


class ChosenJob:
    """Mix-in: works on the job whose folder is given, else on the one chosen in the list."""

    folder: StringProperty(
        name="Job", description="The job's folder; the job chosen in the panel when empty"
    )
    not_so = "There is no job"  # why it cannot be pressed

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only where there is a job that this suits."""
        cls.poll_message_set(cls.not_so)
        return any(cls.suits(status) for status in job_watch.all_seen())

    @classmethod
    def suits(cls, status: jobs.JobStatus) -> bool:
        """Whether the job is in a state for this."""
        return True

    def found(self, context: bpy.types.Context) -> jobs.JobStatus:
        """The job as it is now.

        Raises:
            PartNerFaceError: there is none, or it is in no state for this.
        """
        chosen = listing.chosen()
        folder = self.folder or (str(chosen.folder) if chosen else context.scene.partnerface.job)
        status = job_watch.look(folder) if folder else None
        if status is None or not self.suits(status):
            raise PartNerFaceError(f"{self.not_so}.", "Choose another job in the list.")
        return status

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Do it, and look what came of it."""
        try:
            status = self.found(context)
            self.act(context, status)
        except PartNerFaceError as error:
            return refuse(self, error)
        job_watch.look(str(status.folder))
        job_watch.watch()
        return {"FINISHED"}

    def act(self, context: bpy.types.Context, status: jobs.JobStatus) -> None:
        """Do it. May raise `PartNerFaceError`."""
        raise NotImplementedError


class PARTNERFACE_OT_cancel_job(ChosenJob, bpy.types.Operator):
    """Ask the job to stop at its next step; what it has done is kept."""

    bl_idname = "partnerface.cancel_job"
    bl_label = "Stop Job"
    bl_description = "Ask the job to stop at its next step; what it has done is kept"
    bl_options = {"REGISTER", "INTERNAL"}
    not_so = "No job is at work"

    @classmethod
    def suits(cls, status: jobs.JobStatus) -> bool:
        """While it is at work or waits."""
        return status.active

    def act(self, context: bpy.types.Context, status: jobs.JobStatus) -> None:
        """Ask it."""
        jobs.cancel_job(status.folder)


class PARTNERFACE_OT_pause_job(ChosenJob, bpy.types.Operator):
    """Ask the job to wait at its next step and leave the processor to others."""

    bl_idname = "partnerface.pause_job"
    bl_label = "Pause Job"
    bl_description = (
        "Let the job wait at its next step and leave the processor to you, even when Blender is "
        "closed; it keeps its memory. A job in the queue is held back"
    )
    bl_options = {"REGISTER", "INTERNAL"}
    not_so = "No job is at work"

    @classmethod
    def suits(cls, status: jobs.JobStatus) -> bool:
        """While it works or waits, and nobody has paused it."""
        return status.active and not status.pause_asked

    def act(self, context: bpy.types.Context, status: jobs.JobStatus) -> None:
        """Ask it."""
        jobs.pause_job(status.folder)


class PARTNERFACE_OT_resume_job(ChosenJob, bpy.types.Operator):
    """Let a paused job go on, or put one that has stopped back into the queue."""

    bl_idname = "partnerface.resume_job"
    bl_label = "Resume Job"
    bl_description = (
        "Let a paused job go on, or start one that was stopped, killed or failed again, from what "
        "it had kept"
    )
    bl_options = {"REGISTER", "INTERNAL"}
    not_so = "This job is done or at work"

    @classmethod
    def suits(cls, status: jobs.JobStatus) -> bool:
        """When it was paused, or has ended without being done."""
        return (status.active and status.pause_asked) or status.resumable

    def act(self, context: bpy.types.Context, status: jobs.JobStatus) -> None:
        """Let it."""
        setup = status.kind == setup_job.KIND
        settings = setup_job.settings() if setup else engine_link.read_settings()
        job_watch.resume(settings, str(status.folder))


class PARTNERFACE_OT_start_job_now(ChosenJob, bpy.types.Operator):
    """Start a waiting job beside the one that is at work."""

    bl_idname = "partnerface.start_job_now"
    bl_label = "Start Now"
    bl_description = "Start this job now, beside the one that is at work; both will be slower"
    bl_options = {"REGISTER", "INTERNAL"}
    not_so = "This job does not wait in the queue"

    @classmethod
    def suits(cls, status: jobs.JobStatus) -> bool:
        """While it waits."""
        return status.state == "queued"

    def act(self, context: bpy.types.Context, status: jobs.JobStatus) -> None:
        """Start it."""
        jobs.unpause_job(status.folder)
        jobs.spawn(status.folder)


class PARTNERFACE_OT_clear_jobs(bpy.types.Operator):
    """Forget the jobs that have ended."""

    bl_idname = "partnerface.clear_jobs"
    bl_label = "Clear Finished Jobs"
    bl_description = (
        "Take the jobs that have ended off the list, with their logs; what they made stays"
    )
    bl_options = {"REGISTER", "INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Delete their job folders."""
        try:
            found = job_watch.look_at_all()
        except PartNerFaceError as error:
            return refuse(self, error)
        ended = [s for s in found if not s.active and (s.folder / JOB).is_file()]
        for status in ended:
            shutil.rmtree(status.folder, ignore_errors=True)
        job_watch.look_at_all()
        listing.sync()
        job_watch.redraw()
        self.report({"INFO"}, f"{len(ended)} jobs were taken off the list.")
        return {"FINISHED"}


class PARTNERFACE_OT_refresh_job(ChosenJob, bpy.types.Operator):
    """Look how far the job is now, and say it."""

    bl_idname = "partnerface.refresh_job"
    bl_label = "Refresh"
    bl_description = "Look how far the job is now"
    bl_options = {"REGISTER", "INTERNAL"}

    def act(self, context: bpy.types.Context, status: jobs.JobStatus) -> None:
        """Look, and say it."""
        if status.state in ("failed", "lost"):
            raise PartNerFaceError(status.sentence)
        self.report({"INFO"}, ". ".join(words.in_lines(status)))


class PARTNERFACE_OT_show_job_log(ChosenJob, bpy.types.Operator):
    """Open the job's log in a text editor; it grows as the job goes on."""

    bl_idname = "partnerface.show_job_log"
    bl_label = "Show Log"
    bl_description = "Open the job's log in a text editor; it grows as the job goes on"
    bl_options = {"REGISTER", "INTERNAL"}

    def act(self, context: bpy.types.Context, status: jobs.JobStatus) -> None:
        """Show it in an open text editor, or in a window."""
        shown.forget_log()
        shown.place(context, "TEXT_EDITOR", "text", shown.show_log(status.folder))


class PARTNERFACE_OT_show_job_preview(ChosenJob, bpy.types.Operator):
    """Open the picture of what the job makes in an image editor."""

    bl_idname = "partnerface.show_job_preview"
    bl_label = "Show Preview"
    bl_description = (
        "Open the picture of what the job makes in an image editor; it changes as the job goes on"
    )
    bl_options = {"REGISTER", "INTERNAL"}
    not_so = "This job has made no picture yet"

    @classmethod
    def suits(cls, status: jobs.JobStatus) -> bool:
        """Once there is a picture."""
        return (status.folder / PREVIEW).is_file()

    def act(self, context: bpy.types.Context, status: jobs.JobStatus) -> None:
        """Show it in an open image editor, or in a window."""
        shown.place(context, "IMAGE_EDITOR", "image", shown.show_preview(status.folder))


class PARTNERFACE_OT_open_result(ChosenJob, bpy.types.Operator):
    """Open what the job has made outside Blender."""

    bl_idname = "partnerface.open_result"
    bl_label = "Open Result"
    bl_description = "Open what the job has made in the program that your system has for it"
    bl_options = {"REGISTER", "INTERNAL"}

    what: EnumProperty(
        name="What",
        description="Which of the job's results to open",
        items=(
            ("folder", "Folder", "The folder that the job has written"),
            ("report", "Report", "How well the clip was followed, and what to film again"),
            ("overlay", "Overlay", "The fitted head over the clip, as a video"),
        ),
    )

    def act(self, context: bpy.types.Context, status: jobs.JobStatus) -> None:
        """Hand it to the system."""
        path: Path | None = getattr(words.made(status), self.what)
        if path is None:
            raise PartNerFaceError(
                f"The {self.what} is not there any more.", "Run the job again, or look in its log."
            )
        bpy.ops.wm.path_open(filepath=str(path))


class PARTNERFACE_OT_use_capture(ChosenJob, bpy.types.Operator):
    """Take the capture that the job has made as what to train on."""

    bl_idname = "partnerface.use_capture"
    bl_label = "Train on It"
    bl_description = "Take this capture over into the Train panel"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    def act(self, context: bpy.types.Context, status: jobs.JobStatus) -> None:
        """Fill in the panel: the capture, and a folder beside it where none is chosen."""
        capture = words.made(status).capture
        if capture is None:
            raise PartNerFaceError("The capture is not finished.", "Resume the job first.")
        chosen = context.scene.partnerface
        chosen.capture = str(capture)
        if not chosen.avatar_folder:
            chosen.avatar_folder = str(capture.with_name(f"{capture.name}-avatar"))


CLASSES = (
    PARTNERFACE_OT_refresh_job,
    PARTNERFACE_OT_pause_job,
    PARTNERFACE_OT_resume_job,
    PARTNERFACE_OT_cancel_job,
    PARTNERFACE_OT_start_job_now,
    PARTNERFACE_OT_clear_jobs,
    PARTNERFACE_OT_show_job_log,
    PARTNERFACE_OT_show_job_preview,
    PARTNERFACE_OT_open_result,
    PARTNERFACE_OT_use_capture,
)
