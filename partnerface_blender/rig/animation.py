# SPDX-License-Identifier: GPL-3.0-or-later
"""The tracked motion as an ordinary action of the rig, which holds sliders and bones alike."""

from collections.abc import Sequence

import bpy
import numpy as np

from .. import axes
from ..blender_versions import new_fcurve
from .build import rest_bases
from .sliders import slider_path
from .wiring import bone_angles

_LINEAR = 1  # the number of 'LINEAR' in Keyframe.interpolation


def key_motion(
    rig: bpy.types.Object,
    names: Sequence[str],
    psi: np.ndarray,
    theta: np.ndarray,
    translation: np.ndarray,
    first_frame: int,
) -> None:
    """Put one keyframe on every frame for every parameter.

    Args:
        rig: the armature object.
        names: E expression names, each of them a slider.
        psi: [N, E].
        theta: [N, J, 3] rad, head space.
        translation: [N, 3] m, head space.
        first_frame: where row 0 goes.
    """
    frames = np.arange(first_frame, first_frame + len(psi))
    action = _assign_action(rig, f"{rig.name} motion")
    for e, name in enumerate(names):
        owner, path, index = slider_path(rig, name)
        write_curve(new_fcurve(owner, action, path, index, "Expressions"), frames, psi[:, e])

    for name, angles in bone_angles(rig, theta).items():
        path = f'pose.bones["{name}"].rotation_euler'
        for axis in range(3):
            write_curve(new_fcurve(rig, action, path, axis, name), frames, angles[:, axis])
    shifts = (
        axes.to_rig(np.asarray(translation, np.float64)) @ rest_bases(rig)[0]
    )  # in the root's rest basis
    for axis in range(3):
        curve = new_fcurve(rig, action, 'pose.bones["root"].location', axis, "root")
        write_curve(curve, frames, shifts[:, axis])


def _assign_action(owner: bpy.types.ID, name: str) -> bpy.types.Action:
    """A new action, assigned to the owner."""
    action = bpy.data.actions.new(name)
    owner.animation_data_create().action = action
    return action


def write_curve(curve: bpy.types.FCurve, frames: np.ndarray, values: np.ndarray) -> None:
    """One linear keyframe for each frame [N] and value [N], written in one go."""
    points = curve.keyframe_points
    points.add(len(frames) - len(points))
    points.foreach_set("co", np.stack([frames, values], -1).astype(np.float32).ravel())
    points.foreach_set("interpolation", np.full(len(frames), _LINEAR, np.int32))
    curve.update()
