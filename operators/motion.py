# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion from elsewhere: another capture or avatar, a Live Link Face take."""

from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from ..engine.errors import PartNerFaceError
from ..partnerface_blender import avatars
from ..partnerface_blender.connection import engine_link
from ..partnerface_blender.connection.engine_requests import OpenMotion
from ..partnerface_blender.motion import bring
from ..partnerface_blender.motion.actions import Place
from ..partnerface_blender.motion.channels import Wanted
from ..partnerface_blender.motion.recording import Recording, read_recording
from ..partnerface_blender.properties import avatar_of
from .waiting import FileOperator


class LaidMotion:
    """Mix-in: what both ways of bringing motion ask for."""

    filepath: StringProperty(name="File", description="Where the motion is", subtype="FILE_PATH")
    name: StringProperty(
        name="Action", description="Name of the new action; empty takes the file's"
    )
    start: IntProperty(
        name="Start Frame", description="Scene frame on which the motion begins", default=1
    )
    gain: FloatProperty(
        name="Expression Gain",
        description="How strongly expressions and jaw arrive: 1 as they were recorded",
        default=1.0,
        soft_min=0.0,
        soft_max=2.0,
    )
    pose_gain: FloatProperty(
        name="Pose Gain",
        description="How strongly head and eyes arrive: 1 as they were recorded",
        default=1.0,
        soft_min=0.0,
        soft_max=2.0,
    )
    expression: BoolProperty(
        name="Expression", description="Bring brows, lids, cheeks, nose and mouth", default=True
    )
    jaw: BoolProperty(name="Jaw", description="Bring the jaw's motion", default=True)
    eyes: BoolProperty(name="Eyes", description="Bring where the eyes look", default=True)
    head: BoolProperty(name="Head Pose", description="Bring how the head turns", default=True)
    smoothing: FloatProperty(
        name="Smoothing",
        description="Calm the motion over so many frames; 0 leaves it as it was recorded",
        default=0.0,
        min=0.0,
        soft_max=5.0,
        max=100.0,
    )
    as_strip: BoolProperty(
        name="NLA Strip",
        description="Put the motion on top of what is there as an NLA strip, instead of playing it "
        "in place of the present action",
        default=False,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only for an avatar that can be keyed."""
        cls.poll_message_set("Select an avatar's rig that is not linked")
        rig = avatar_of(context)
        return rig is not None and rig.library is None

    def ask(self, context: bpy.types.Context) -> None:
        """Offer what fits the scene."""
        self.start = context.scene.frame_start

    def draw(self, context: bpy.types.Context) -> None:
        """The options beside the file selector: what, how much, from where, to where."""
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        for heading, names in self.sections:
            column = self.layout.column(heading=heading)
            for name in names:
                column.prop(self, name)
            self.layout.separator()

    def _place(self, path: Path) -> Place:
        return Place(
            self.name or path.stem, self.start, as_strip=self.as_strip, smoothing=self.smoothing
        )

    def _rig(self, context: bpy.types.Context) -> bpy.types.Object:
        rig = bpy.data.objects.get(self._rig_name) if hasattr(self, "_rig_name") else None
        rig = rig or avatar_of(context)
        if rig is None:
            raise PartNerFaceError("The avatar is gone.", "Select another one.")
        return rig


class PARTNERFACE_OT_import_motion(LaidMotion, FileOperator, bpy.types.Operator):
    """Lay the motion of another capture or avatar on this avatar."""

    bl_idname = "partnerface.import_motion"
    bl_label = "Import Captured Motion"
    bl_description = (
        "Lay the tracked motion of a capture folder or of another avatar on this avatar, as a new "
        "action, whatever head models they have"
    )
    bl_options = {"REGISTER", "UNDO"}

    waiting_text = "PartNerFace: the engine reads the motion (Esc leaves)"
    sections = (
        ("Bring", ("expression", "jaw", "eyes", "head", "translation")),
        ("", ("gain", "pose_gain", "smoothing")),
        ("", ("neutral", "source_frame", "target_frame")),
        ("", ("name", "start", "as_strip")),
    )

    filter_glob: StringProperty(
        name="Filter",
        description="Which files to show",
        default="capture.json;*.safetensors",
        options={"HIDDEN"},
    )
    translation: BoolProperty(
        name="Translation", description="Bring how the head moves through space", default=True
    )
    neutral: EnumProperty(
        name="Relative to",
        description="What the motion is added to",
        items=(
            ("REST", "Rest", "From the source's neutral frame, added to this avatar at rest"),
            ("FRAME", "Frame", "From the source's neutral frame, added to a neutral frame of here"),
            ("NONE", "Nothing", "The source's values as they were tracked"),
        ),
        default="FRAME",
    )
    source_frame: IntProperty(
        name="Neutral There",
        description="Frame of the capture, counted from 1, in which its face is at rest; 0 takes "
        "the calmest one",
        default=0,
        min=0,
    )
    target_frame: IntProperty(
        name="Neutral Here",
        description="Scene frame in which this avatar's face is at rest",
        default=1,
    )

    def ask(self, context: bpy.types.Context) -> None:
        """Offer what fits the scene."""
        super().ask(context)
        self.target_frame = context.scene.frame_current

    def prepare(self, context: bpy.types.Context) -> Callable[[], tuple[OpenMotion, list[str]]]:
        """Read the settings."""
        rig, settings = self._rig(context), engine_link.read_settings()
        self._rig_name = rig.name
        avatar, path = avatars.avatar_path(rig), self._source()

        def work() -> tuple[OpenMotion, list[str]]:
            names = engine_link.describe_avatar(settings, avatar)["expression_names"]
            return engine_link.open_motion(settings, path, avatar), list(names)

        return work

    def finish(self, context: bpy.types.Context, result: tuple[OpenMotion, list[str]]) -> None:
        """Lay it on the rig."""
        opened, names = result
        rig, path = self._rig(context), self._source()
        target = self.target_frame if self.neutral == "FRAME" else None
        action = bring.bring_tracked(
            context.scene, rig, opened, names,
            bring.Neutral(self.neutral != "NONE", self.source_frame, target),
            bring.Strength(self.gain, self.pose_gain),
            Wanted(self.expression, self.head, self.translation, self.jaw, self.eyes),
            self._place(path.parent if path.stem == "avatar" else path),
        )  # fmt: skip
        told = f"{rig.name} has the action {action.name}: {opened.header['frames']} frames."
        if opened.header["transferred"]:
            told += (
                f" The head models differ; {opened.header['lost']:.0%} of the skin's motion could "
                "not be carried over."
            )
        self.report({"INFO"}, told)

    def _source(self) -> Path:
        """The capture folder or the avatar file; whoever chose capture.json means its folder."""
        path = Path(bpy.path.abspath(self.filepath))
        return path.parent if path.name == "capture.json" else path


class PARTNERFACE_OT_import_face_recording(LaidMotion, FileOperator, bpy.types.Operator):
    """Lay a Live Link Face take on this avatar's sliders."""

    bl_idname = "partnerface.import_face_recording"
    bl_label = "Import Live Link Face"
    bl_description = (
        "Lay a Live Link Face take, or another table with ARKit's names (CSV, JSON), on this "
        "avatar's sliders, as a new action"
    )
    bl_options = {"REGISTER", "UNDO"}

    waiting_text = "PartNerFace: reading the take (Esc leaves)"
    sections = (
        ("Bring", ("expression", "jaw", "eyes", "head")),
        ("", ("gain", "pose_gain", "smoothing")),
        ("", ("neutral_frame", "rate", "bone")),
        ("Flip", ("flip_yaw", "flip_pitch", "flip_roll")),
        ("", ("name", "start", "as_strip")),
    )

    filter_glob: StringProperty(
        name="Filter",
        description="Which files to show",
        default="*.csv;*.json;*.txt",
        options={"HIDDEN"},
    )
    neutral_frame: IntProperty(
        name="Neutral Frame",
        description="Frame of the take, counted from 1, in which the face is at rest: what it does "
        "there is taken off; 0 takes nothing off",
        default=0,
        min=0,
    )
    rate: FloatProperty(
        name="Timecode Rate",
        description="Frames a second that the take's timecodes count; 0 finds out",
        default=0.0,
        min=0.0,
        max=1000.0,
    )
    bone: EnumProperty(
        name="Head Turns",
        description="The bone that the take's head angles turn",
        items=(
            ("neck", "Neck", "The head turns on its neck"),
            ("root", "Root", "Head and neck turn together"),
        ),
    )
    flip_yaw: BoolProperty(
        name="Turn", description="Turn the head to the other side", default=False
    )
    flip_pitch: BoolProperty(
        name="Nod",
        description="Nod the other way, as takes in landscape need it",
        default=False,
    )
    flip_roll: BoolProperty(
        name="Tilt", description="Tilt the head to the other side", default=False
    )

    def prepare(self, context: bpy.types.Context) -> Callable[[], Recording]:
        """Read the settings."""
        self._rig_name = self._rig(context).name
        path, rate = Path(bpy.path.abspath(self.filepath)), self.rate
        return lambda: read_recording(path, rate)

    def finish(self, context: bpy.types.Context, result: Recording) -> None:
        """Lay it on the rig."""
        rig = self._rig(context)
        signs = [-1.0 if f else 1.0 for f in (self.flip_yaw, self.flip_pitch, self.flip_roll)]
        action = bring.bring_recording(
            context.scene, rig, result, self.neutral_frame,
            bring.Strength(self.gain, self.pose_gain),
            Wanted(self.expression, self.head, False, self.jaw, self.eyes),
            bring.Turning(self.bone, *signs), self._place(Path(self.filepath)),
        )  # fmt: skip
        missing = sorted(set(result.weights) - set(bring.channels.all_slider_names(rig)))
        told = f"{rig.name} has the action {action.name}: {len(result.seconds)} frames."
        if missing:
            told += f" This head cannot do {', '.join(missing)}."
        self.report({"INFO"}, told)


CLASSES = (PARTNERFACE_OT_import_motion, PARTNERFACE_OT_import_face_recording)
