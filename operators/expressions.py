# SPDX-License-Identifier: GPL-3.0-or-later
"""The standard expressions: put one on the rig, or all of them into the asset browser."""

import threading
from collections.abc import Callable, Mapping

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty

from ..partnerface_blender import avatars
from ..partnerface_blender.connection import engine_link
from ..partnerface_blender.connection.engine_requests import RenderRequest
from ..partnerface_blender.properties import avatar_of
from ..partnerface_blender.rig import pose_library, posing, sliders
from ..partnerface_blender.rig.expressions import EXPRESSIONS, values_of
from .posing import RigOperator
from .waiting import WaitingOperator


class PARTNERFACE_OT_apply_expression(RigOperator, bpy.types.Operator):
    """Put a standard expression on the rig; mouth shapes leave eyes and brows alone."""

    bl_idname = "partnerface.apply_expression"
    bl_label = "Expression"
    bl_description = "Put a standard expression on the rig; mouth shapes leave eyes and brows alone"

    expression: EnumProperty(
        name="Expression",
        description="Which one",
        items=[(name, name, each.about) for name, each in EXPRESSIONS.items()],
    )
    strength: FloatProperty(
        name="Strength", description="How strong it is", default=1.0, min=0.0, soft_max=1.0, max=2.0
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set the sliders."""
        rig = avatar_of(context)
        expression = EXPRESSIONS[self.expression]
        values = values_of(expression, sliders.all_slider_names(rig), self.strength)
        posing.set_sliders(context, rig, values)
        return {"FINISHED"}


class PoseAssetOperator(WaitingOperator):
    """Mix-in: makes pose assets of what `poses` says, with a picture of the avatar for each."""

    bl_options = {"REGISTER", "UNDO"}

    waiting_text = "PartNerFace: the engine takes the expressions' pictures (Esc leaves)"

    pictures: BoolProperty(
        name="Pictures",
        description="Let the engine render a small picture of each expression",
        default=True,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with an avatar whose sliders are properties of a bone."""
        rig = avatar_of(context)
        cls.poll_message_set("Select an avatar's rig or head; one of an old file: load it again")
        return rig is not None and rig.is_editable and sliders.FACE in rig.pose.bones

    def poses(self, rig: bpy.types.Object) -> Mapping[str, Mapping[str, float]]:
        """Name → slider → value."""
        raise NotImplementedError

    def prepare(self, context: bpy.types.Context) -> Callable[[], Mapping]:
        """Say what is to be rendered."""
        rig = avatar_of(context)
        self._poses = self.poses(rig)
        if not self.pictures:
            return dict
        settings = engine_link.read_settings()
        path, camera = avatars.avatar_path(rig), pose_library.portrait_camera(rig)
        posed = pose_library.posed_parameters(rig, self._poses)
        # The thread must not ask the operator, which is gone once the artist has left.
        self._left, self._taken = threading.Event(), {}
        left, taken = self._left, self._taken

        def render(asked: RenderRequest) -> Mapping:
            return engine_link.render(settings, asked, left.is_set, lambda done: None)

        def work() -> Mapping:
            header = engine_link.describe_avatar(settings, path)
            for name, picture in pose_library.render_pictures(header, camera, posed, render):
                taken[name] = picture
            return taken

        return work

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Say how far it is; Esc ends the engine's work as well."""
        done, total = len(getattr(self, "_taken", ())), len(self._poses)
        context.workspace.status_text_set(
            f"PartNerFace: the engine takes pictures of expressions, {done} of {total} (Esc leaves)"
        )
        if event.type == "ESC" and self.pictures:
            self._left.set()
        return super().modal(context, event)

    def finish(self, context: bpy.types.Context, result: Mapping) -> None:
        """Make the assets."""
        made = pose_library.add_pose_assets(self._poses, result)
        what = made[0].name if len(made) == 1 else f"{len(made)} poses"
        self.report({"INFO"}, f"In the asset browser, under Current File: {what}.")


class PARTNERFACE_OT_add_pose_assets(PoseAssetOperator, bpy.types.Operator):
    """Add the standard expressions to this file's assets, as poses with a picture of the avatar."""

    bl_idname = "partnerface.add_pose_assets"
    bl_label = "Add to Asset Browser"
    bl_description = (
        "Add the standard expressions to this file's assets, as poses with a picture of the avatar"
    )

    def poses(self, rig: bpy.types.Object) -> Mapping[str, Mapping[str, float]]:
        """All of the standard ones."""
        return pose_library.expression_poses(rig)


class PARTNERFACE_OT_save_expression(PoseAssetOperator, bpy.types.Operator):
    """Add the face as it is to this file's assets, as a pose with a picture of the avatar."""

    bl_idname = "partnerface.save_expression"
    bl_label = "Save Expression"
    bl_description = "Add the face as it is to this file's assets, as a pose with its picture"

    def poses(self, rig: bpy.types.Object) -> Mapping[str, Mapping[str, float]]:
        """The one that the sliders show."""
        return pose_library.present_pose(rig)


CLASSES = (
    PARTNERFACE_OT_apply_expression,
    PARTNERFACE_OT_add_pose_assets,
    PARTNERFACE_OT_save_expression,
)
