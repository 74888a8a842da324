# SPDX-License-Identifier: GPL-3.0-or-later
"""Posing a rig by a click: reset, mirror, key, select. The hidden `drive_…` bones are left alone.

A scope says what of the rig is meant: ALL, FACE (the sliders), BONES, or SELECTED (the selected
bones, and with the bone `face` the sliders). A channel is what a keyframe goes on: the data path
from the rig (or from the shape keys of a rig from an older .blend), and the array index.
"""

from collections.abc import Callable, Iterable, Mapping

import bpy
from mathutils import Matrix, Vector

from .. import blender_versions
from . import arkit, sliders
from .controls import DRIVE
from .gaze import FOLLOW
from .sliders import GAZE, property_path

SCOPES = (
    ("ALL", "All", "Sliders and bones"),
    ("FACE", "Face", "The sliders alone"),
    ("BONES", "Bones", "The bones alone"),
    ("SELECTED", "Selected", "The selected bones; the sliders too, if the face bone is among them"),
)
MIRRORS = (
    ("FLIP", "Flip", "What the left side does the right one does, and the other way round"),
    ("LEFT", "Left to Right", "The right side does what the subject's left one does"),
    ("RIGHT", "Right to Left", "The left side does what the subject's right one does"),
)
Channel = tuple[bpy.types.ID, str, int]
_MIRROR = Matrix.Diagonal((-1, 1, 1, 1))  # every bone's x is the subject's left


def bones_in(rig: bpy.types.Object, scope: str) -> list[bpy.types.PoseBone]:
    """The bones of a scope, those without a pose of their own left out."""
    if scope == "FACE":
        return []
    bones = [b for b in rig.pose.bones if b.name != sliders.FACE and not b.name.startswith(DRIVE)]
    if scope == "SELECTED":
        bones = [bone for bone in bones if blender_versions.is_bone_selected(bone)]
    return bones


def sliders_in(rig: bpy.types.Object, scope: str) -> list[str]:
    """The sliders of a scope."""
    face = rig.pose.bones.get(sliders.FACE)
    if scope == "BONES":
        return []
    if scope == "SELECTED" and (face is None or not blender_versions.is_bone_selected(face)):
        return []
    return sliders.all_slider_names(rig)


def channels_of(rig: bpy.types.Object, scope: str) -> list[Channel]:
    """Everything of a scope that can be keyed, locked locations left out."""
    found = [sliders.slider_path(rig, name) for name in sliders_in(rig, scope)]
    for bone in bones_in(rig, scope):
        kind = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}
        turn = kind.get(bone.rotation_mode, "rotation_euler")
        found += [(rig, bone.path_from_id(turn), n) for n in range(len(getattr(bone, turn)))]
        if not all(bone.lock_location):
            found += [(rig, bone.path_from_id("location"), n) for n in range(3)]
    return found


def key_pose(rig: bpy.types.Object, scope: str, frame: float) -> int:
    """Key everything of a scope as it is; how many channels."""
    channels = channels_of(rig, scope)
    for channel in channels:
        _key(channel, frame, set())
    return len(channels)


def reset_pose(context: bpy.types.Context, rig: bpy.types.Object, scope: str) -> None:
    """Put sliders to 0 and bones to their rest pose; auto-key keys what has changed."""

    def reset() -> None:
        for name in sliders_in(rig, scope):
            sliders.set_slider(rig, name, 0.0)
        for bone in bones_in(rig, scope):
            bone.matrix_basis = Matrix.Identity(4)

    _change(context, rig, channels_of(rig, scope), reset)


def mirror_pose(context: bpy.types.Context, rig: bpy.types.Object, scope: str, how: str) -> None:
    """Mirror sliders and bones about the head's middle; auto-key keys what has changed.

    Args:
        context: for auto-key.
        rig: the armature object.
        scope: what is changed. What it takes over may lie outside.
        how: FLIP, or the side to take over, LEFT or RIGHT; the middle then stays as it is.
    """

    def mirror() -> None:
        names = sliders_in(rig, scope)
        values = {name: sliders.get_slider(rig, name) for name in sliders.all_slider_names(rig)}
        for name, value in mirrored_values(values, how).items():
            if name in names:
                sliders.set_slider(rig, name, value)
        poses = {bone.name: bone.matrix_basis.copy() for bone in rig.pose.bones}
        for bone in bones_in(rig, scope):
            other = bpy.utils.flip_name(bone.name)
            if how == "FLIP" or bone.name.endswith({"LEFT": ".R", "RIGHT": ".L"}[how]):
                bone.matrix_basis = _MIRROR @ poses.get(other, poses[bone.name]) @ _MIRROR

    _change(context, rig, channels_of(rig, scope), mirror)


def mirrored_values(values: Mapping[str, float], how: str) -> dict[str, float]:
    """The sliders' values, mirrored; `how` as in `mirror_pose`."""
    takes = {"FLIP": ("Left", "Right"), "LEFT": ("Right",), "RIGHT": ("Left",)}[how]
    return {
        name: values.get(arkit.mirrored(name), value) if name.endswith(takes) else value
        for name, value in values.items()
    }


def set_sliders(
    context: bpy.types.Context, rig: bpy.types.Object, values: Mapping[str, float]
) -> None:
    """Set those sliders that the rig has; auto-key keys what has changed."""

    def put() -> None:
        there = set(sliders.all_slider_names(rig))
        for name in there & values.keys():
            sliders.set_slider(rig, name, values[name])

    _change(context, rig, channels_of(rig, "FACE"), put)


def aim_gaze(context: bpy.types.Context, rig: bpy.types.Object, place: Vector | None) -> None:
    """Let the eyes follow the gaze target, and put it at a place in the world, or to its rest.

    Auto-key keys it. Constraints on the target still have the last word.
    """
    bone = rig.pose.bones[GAZE]
    channels = [(rig, property_path(FOLLOW, GAZE), 0)]
    channels += [(rig, bone.path_from_id("location"), n) for n in range(3)]

    def aim() -> None:
        bone[FOLLOW] = 1.0
        rest = bone.bone.matrix_local.inverted()
        here = rig.matrix_world.inverted() @ place if place is not None else None
        bone.location = rest @ here if here is not None else (0, 0, 0)

    _change(context, rig, channels, aim)


def select_bones(rig: bpy.types.Object, names: Iterable[str]) -> None:
    """Select these bones and no others; the first is active. The rig must be in pose mode."""
    names = list(names)
    for bone in rig.pose.bones:
        blender_versions.select_bone(bone, bone.name in names)
    if names:
        rig.data.bones.active = rig.data.bones[names[0]]


def _change(
    context: bpy.types.Context,
    rig: bpy.types.Object,
    channels: Iterable[Channel],
    change: Callable[[], None],
) -> None:
    """Do it, and key what it has changed among the channels where auto-key is on."""
    before = {channel: _value(channel) for channel in channels}
    change()
    rig.update_tag()
    tools = context.scene.tool_settings
    if not tools.use_keyframe_insert_auto:
        return
    options = {"INSERTKEY_REPLACE"} if tools.auto_keying_mode == "REPLACE_KEYS" else set()
    for channel, value in before.items():
        if _value(channel) != value:
            _key(channel, context.scene.frame_current, options)


def _value(channel: Channel) -> float:
    owner, path, index = channel
    value = owner.path_resolve(path)
    return float(value) if isinstance(value, float) else float(value[index])


def _key(channel: Channel, frame: float, options: set[str]) -> None:
    owner, path, index = channel
    single = isinstance(owner.path_resolve(path), float)
    group = "Expressions" if single else path.split('"')[1]
    owner.keyframe_insert(path, index=-1 if single else index, frame=frame, group=group,
                          options=options)  # fmt: skip
