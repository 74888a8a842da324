# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion from elsewhere brought onto a rig, from a neutral frame of each, as an action."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import bpy
import numpy as np

from ...engine.errors import PartNerFaceError
from ..connection.engine_requests import OpenMotion
from ..rig import parameters
from ..rig.build import BONE_NAMES
from ..rig.rotations import axis_angle_of_matrix, matrix_of_axis_angle
from . import actions, channels, retarget, timing
from .recording import Recording

MAX_FRAMES = 500_000


class MotionError(PartNerFaceError):
    """Motion that cannot be laid on the rig."""

    code = "bad_motion"


@dataclass(frozen=True)
class Neutral:
    """What counts as doing nothing, on either side.

    Frames of the source count from 1; 0 takes its calmest.
    """

    relative: bool = True  # False: the source's values as they are
    source_frame: int = 0
    target_frame: int | None = None  # of the scene; None = the rig at rest


@dataclass(frozen=True)
class Strength:
    """How much of the motion arrives."""

    expression: float = 1.0  # and jaw
    pose: float = 1.0  # head, eyes, translation


def bring_tracked(
    scene: bpy.types.Scene,
    rig: bpy.types.Object,
    opened: OpenMotion,
    names: Sequence[str],
    neutral: Neutral,
    strength: Strength,
    wanted: channels.Wanted,
    place: actions.Place,
) -> bpy.types.Action:
    """Lay another capture's motion on the rig; the new action.

    Args:
        scene: gives the frame rate, and the target's neutral frame.
        rig: the armature object.
        opened: the motion for the rig's head, from the engine.
        names: E expression names of the rig's avatar.
        neutral: where both begin.
        strength: how much of it arrives.
        wanted: which channels are laid.
        place: where it goes.

    Raises:
        MotionError: a frame that is not there, or nothing is wanted.
    """
    arrays = opened.arrays
    source = retarget.Posed(
        *(arrays[f"motion.{name}"].astype(float) for name in ("psi", "theta", "translation"))
    )
    rest = retarget.Posed(np.zeros(len(names)), np.zeros(source.theta.shape[1:]), np.zeros(3))
    begin = rest if not neutral.relative else target_neutral(scene, rig, names, neutral, rest)
    if neutral.relative:
        index = chosen_frame(neutral.source_frame, len(source.psi))
        index = retarget.calmest_frame(source) if index is None else index
        source = retarget.relative_motion(source, source[index], begin)
    source = retarget.gained(source, begin, strength.expression, strength.pose)
    seconds = np.asarray(arrays["motion.seconds"], np.float64)
    times = scene_times(scene, seconds)
    sliders = dict(zip(names, timing.at_times(times, seconds, source.psi).T, strict=True))
    theta = timing.turns_at_times(times, seconds, source.theta)
    laid = channels.slider_channels(rig, sliders, wanted)
    laid += channels.bone_channels(
        rig, dict(zip(BONE_NAMES, np.moveaxis(theta, 1, 0), strict=True)), wanted
    )
    if wanted.translation:
        moved = timing.at_times(times, seconds, source.translation)
        laid += channels.translation_channels(rig, moved)
    return _lay(scene, rig, laid, wanted, place, len(times))


@dataclass(frozen=True)
class Turning:
    """How a recording's head angles turn the rig."""

    bone: str = "neck"  # or root
    yaw: float = 1.0  # −1 turns the other way
    pitch: float = 1.0
    roll: float = 1.0


def bring_recording(
    scene: bpy.types.Scene,
    rig: bpy.types.Object,
    recording: Recording,
    neutral_frame: int,
    strength: Strength,
    wanted: channels.Wanted,
    turning: Turning,
    place: actions.Place,
) -> bpy.types.Action:
    """Lay a recording by ARKit's names on the rig's sliders; the new action.

    Args:
        scene: gives the frame rate.
        rig: the armature object.
        recording: from `recording.read_recording`.
        neutral_frame: counted from 1; what the face does there is taken off; 0 takes nothing off.
        strength: how much of it arrives.
        wanted: which channels are laid; the eyes' are the sliders eyeLook….
        turning: how the head's angles turn the rig.
        place: where it goes.

    Raises:
        MotionError: a frame that is not there, or nothing is wanted.
    """
    seconds = recording.seconds
    index = chosen_frame(neutral_frame, len(seconds))
    times = scene_times(scene, seconds)
    sliders = {}
    for name, values in recording.weights.items():
        of = strength.pose if name.startswith("eyeLook") else strength.expression
        calm = values[index] if index is not None else 0.0
        # A weight goes from 0 to 1: less than neutral is neutral.
        sliders[name] = of * np.maximum(timing.at_times(times, seconds, values) - calm, 0.0)
    laid = channels.slider_channels(rig, sliders, wanted)
    # What an earlier action left in bones that sliders turn would be heard beside them.
    still = {name: np.zeros((1, 3)) for name in ("jaw", "eye.L", "eye.R")}
    turns = head_turns(recording, turning)
    if turns is not None:
        if index is not None:
            calm = matrix_of_axis_angle(turns[index])
            turns = axis_angle_of_matrix(calm.T @ matrix_of_axis_angle(turns))
        turned = timing.turns_at_times(times, seconds, strength.pose * turns[:, None])
        still[turning.bone] = turned[:, 0]
    laid += channels.bone_channels(rig, still, wanted)
    return _lay(scene, rig, laid, wanted, place, len(times))


def head_turns(recording: Recording, turning: Turning) -> np.ndarray | None:
    """The head's rotation [N, 3], axis-angle in head space; None where the recording has none.

    The angles are a rotator's in a left-handed world whose forward goes into the face: a positive
    yaw turns to the subject's right, a positive pitch looks down, a positive roll tilts to the
    subject's left; the roll comes first, then the pitch, then the yaw.
    """
    found = [recording.angles.get(f"head{turn}") for turn in ("Yaw", "Pitch", "Roll")]
    if all(angle is None for angle in found):
        return None
    yaw, pitch, roll = (
        np.zeros(len(recording.seconds)) if angle is None else angle for angle in found
    )
    zero = np.zeros_like(yaw)
    about_y = matrix_of_axis_angle(np.stack([zero, -turning.yaw * yaw, zero], 1))
    about_x = matrix_of_axis_angle(np.stack([turning.pitch * pitch, zero, zero], 1))
    about_z = matrix_of_axis_angle(np.stack([zero, zero, -turning.roll * roll], 1))
    return axis_angle_of_matrix(about_y @ about_x @ about_z)


def chosen_frame(number: int, count: int) -> int | None:
    """The index of a frame counted from 1; None for 0.

    Raises:
        MotionError: there is no such frame.
    """
    if not 0 <= number <= count:
        raise MotionError(
            f"The motion has the frames 1 to {count}, and the neutral one is to be {number}.",
            "Choose one of them, or 0.",
        )
    return number - 1 if number else None


def scene_times(scene: bpy.types.Scene, seconds: np.ndarray) -> np.ndarray:
    """The motion's seconds [F] on the scene's whole frames.

    Raises:
        MotionError: they are too many to key.
    """
    fps = scene.render.fps / scene.render.fps_base
    count = (seconds[-1] - seconds[0]) * fps
    if count > MAX_FRAMES:
        raise MotionError(
            f"The motion would take {count:.0f} frames.", "Check the times in the file, or cut it."
        )
    return timing.whole_frames(seconds, fps)


def target_neutral(
    scene: bpy.types.Scene,
    rig: bpy.types.Object,
    names: Sequence[str],
    neutral: Neutral,
    rest: retarget.Posed,
) -> retarget.Posed:
    """What the rig does in the scene's neutral frame."""
    if neutral.target_frame is None:
        return rest
    now, part = scene.frame_current, scene.frame_subframe
    scene.frame_set(neutral.target_frame)
    try:
        depsgraph = bpy.context.evaluated_depsgraph_get()
        evaluated = rig.evaluated_get(depsgraph)
        psi = parameters.read_expressions(evaluated, depsgraph, names)
        theta, translation = parameters.read_pose(evaluated)
    finally:
        scene.frame_set(now, subframe=part)
    return replace(rest, psi=psi, theta=theta, translation=translation)


def _lay(
    scene: bpy.types.Scene,
    rig: bpy.types.Object,
    laid: list[channels.Channel],
    wanted: channels.Wanted,
    place: actions.Place,
    count: int,
) -> bpy.types.Action:
    if not laid:
        raise MotionError("Nothing of the motion is wanted.", "Switch on what is to be brought.")
    keep = place.keep_others or not wanted.everything
    action = actions.lay(rig, laid, replace(place, keep_others=keep))
    scene.frame_end = max(scene.frame_end, place.start + count - 1)
    scene.frame_set(scene.frame_current)
    return action
