# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion as F-curves of a rig: sliders, and bones in whatever way they rotate."""

from collections.abc import Mapping
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from .. import axes
from ..rig.arkit import HALVES, NAMES, TURNS
from ..rig.build import BONE_NAMES, rest_bases
from ..rig.parts import PARTS
from ..rig.rotations import euler_of_matrix, matrix_of_axis_angle
from ..rig.sliders import HARD_LIMIT, all_slider_names, slider_path

EYES = ("eye.L", "eye.R")
ONE_WAY = frozenset((*NAMES, *(half for halves in HALVES.values() for half in halves)))


@dataclass(frozen=True)
class Channel:
    """One F-curve to be: one value for each frame [F], or a single one that is held."""

    owner: bpy.types.ID
    path: str
    index: int
    group: str
    values: np.ndarray


@dataclass(frozen=True)
class Wanted:
    """Which of a motion's channels are laid on the rig."""

    expression: bool = True
    head: bool = True  # rotation of root and neck
    translation: bool = True
    jaw: bool = True
    eyes: bool = True

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return all((self.expression, self.head, self.translation, self.jaw, self.eyes))

    def slider(self, name: str) -> bool:
        """Whether the slider is wanted."""
        bone = TURNS[name][0] if name in TURNS else ""
        if bone in EYES or name.startswith("eyeLook"):
            return self.eyes
        if bone == "jaw" or name.startswith("jaw"):
            return self.jaw
        return self.expression

    def bone(self, name: str) -> bool:
        """Whether the bone's rotation is wanted."""
        return self.eyes if name in EYES else self.jaw if name == "jaw" else self.head


def slider_channels(
    rig: bpy.types.Object, values: Mapping[str, np.ndarray], wanted: Wanted
) -> list[Channel]:
    """The sliders' channels; wanted ones without values are held at 0, so that none lingers.

    Args:
        rig: the armature object.
        values: slider → [F]; names that the rig has no slider for are left out.
        wanted: which sliders to lay.
    """
    found, values = [], within_reach(rig, values)
    for name in all_slider_names(rig):
        if wanted.slider(name) and name.split(": ")[0] not in PARTS:  # those follow by themselves
            owner, path, index = slider_path(rig, name)
            of = np.asarray(values.get(name, np.zeros(1)))
            found.append(Channel(owner, path, index, "Expressions", of))
    return found


def within_reach(rig: bpy.types.Object, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The sliders' values as the shape keys can follow them; their ranges are widened for it.

    ARKit's shapes go one way: less than none of one is none, or as little as the clip ever had.
    """
    head, found = rig.partnerface.head, dict(values)
    keys = head.data.shape_keys if head is not None and head.type == "MESH" else None
    for name in values.keys() & (set(keys.key_blocks.keys()) if keys is not None else set()):
        block = keys.key_blocks[name]
        if name in ONE_WAY:
            found[name] = np.maximum(values[name], min(0.0, block.slider_min))
        found[name] = np.clip(found[name], -HARD_LIMIT, HARD_LIMIT)
        if keys.is_editable:
            block.slider_min = min(block.slider_min, float(found[name].min()))
            block.slider_max = max(block.slider_max, float(found[name].max()))
    return found


def bone_channels(
    rig: bpy.types.Object, theta: Mapping[str, np.ndarray], wanted: Wanted
) -> list[Channel]:
    """The rotation channels of the engine's bones from axis-angle [F, 3] rad in head space."""
    found = []
    bases = dict(zip(BONE_NAMES, rest_bases(rig), strict=True))
    for name, turns in theta.items():
        if not wanted.bone(name):
            continue
        bone = rig.pose.bones[name]
        prop, values = rotation_values(
            bone, axes.turn_into(matrix_of_axis_angle(turns), bases[name])
        )
        path = f'pose.bones["{bpy.utils.escape_identifier(name)}"].{prop}'
        found += [Channel(rig, path, k, name, values[:, k]) for k in range(values.shape[1])]
    return found


def translation_channels(rig: bpy.types.Object, translation: np.ndarray) -> list[Channel]:
    """The root's location channels from a translation [F, 3] m in head space."""
    shifts = axes.to_rig(np.asarray(translation, np.float64)) @ rest_bases(rig)[0]
    path = 'pose.bones["root"].location'
    return [Channel(rig, path, k, "root", shifts[:, k]) for k in range(3)]


def rotation_values(bone: bpy.types.PoseBone, matrices: np.ndarray) -> tuple[str, np.ndarray]:
    """Rotations [F, 3, 3] in a bone's rest basis as its rotation mode keeps them.

    Returns:
        The name of the property, and its values [F, 3 or 4] without jumps from frame to frame.
    """
    mode = bone.rotation_mode
    if mode == "XYZ":
        return "rotation_euler", euler_of_matrix(matrices)
    if mode in ("QUATERNION", "AXIS_ANGLE"):
        quaternions = np.array([Matrix(m.tolist()).to_quaternion() for m in matrices])
        flips = np.einsum("fc,fc->f", quaternions[1:], quaternions[:-1]) < 0
        quaternions[1:] *= np.where(np.cumsum(flips) % 2, -1.0, 1.0)[:, None]
        if mode == "QUATERNION":
            return "rotation_quaternion", quaternions
        angle = 2 * np.arccos(np.clip(quaternions[:, :1], -1, 1))
        length = np.linalg.norm(quaternions[:, 1:], axis=1, keepdims=True)
        axis = np.where(length > 1e-9, quaternions[:, 1:] / np.maximum(length, 1e-9), [[0, 1, 0]])
        return "rotation_axis_angle", np.concatenate([angle, axis], 1)
    eulers, last = [], None
    for matrix in matrices:
        turned = Matrix(matrix.tolist())
        last = turned.to_euler(mode, last) if last is not None else turned.to_euler(mode)
        eulers.append(tuple(last))
    return "rotation_euler", np.array(eulers)
