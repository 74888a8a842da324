# SPDX-License-Identifier: GPL-3.0-or-later
"""The avatar's parameters, read from the evaluated scene: drivers, NLA and constraints included."""

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ...engine.errors import PartNerFaceError
from .. import axes
from . import sliders
from .arkit import HALVES
from .build import BONE_NAMES, BONES
from .combinations import add_combinations
from .parts import part_expressions
from .rotations import axis_angle_of_matrix, inverse, nearest_rotation


class RigError(PartNerFaceError):
    """The rig lacks something that the avatar needs."""

    code = "bad_rig"


@dataclass(frozen=True)
class Parameters:
    """One frame of parameters, as the engine takes them."""

    psi: np.ndarray  # [E] float32; [P, E] where a part has an override
    theta: np.ndarray  # [J, 3] float32 rad, axis-angle, head space
    translation: np.ndarray  # [3] float32 m, head space


def read_parameters(
    rig: bpy.types.Object, depsgraph: bpy.types.Depsgraph, expression_names: Sequence[str]
) -> Parameters:
    """What the rig says in the evaluated scene.

    Args:
        rig: the armature object, original or evaluated.
        depsgraph: the evaluated scene.
        expression_names: E names, in the engine's order.

    Raises:
        RigError: the head mesh or a bone is gone.
    """
    evaluated = rig.evaluated_get(depsgraph)
    theta, translation = read_pose(evaluated)
    psi = read_expressions(evaluated, depsgraph, expression_names)
    return Parameters(part_expressions(evaluated, psi, expression_names), theta, translation)


def read_expressions(
    rig: bpy.types.Object, depsgraph: bpy.types.Depsgraph, names: Sequence[str]
) -> np.ndarray:
    """The sliders' values [E] as they reach the shape keys; a muted key is 0, and so is a lost one.

    What a slider for two halves says is added to both.
    """
    head = rig.partnerface.head
    if head is not None and (head.type != "MESH" or head.data.shape_keys is None):
        head = None
    if head is None and sliders.FACE not in rig.pose.bones:
        raise RigError(
            f"The avatar {rig.name} has lost its head mesh with the shape keys.", "Load it again."
        )
    values = sliders.read_values(rig, head and head.evaluated_get(depsgraph))
    return expressions_of(rig, values, names)


def expressions_of(
    rig: bpy.types.Object, values: dict[str, float], names: Sequence[str]
) -> np.ndarray:
    """The coefficients [E] that the sliders' values stand for; `values` is used up."""
    for whole in HALVES.keys() - set(names):
        for half in HALVES[whole]:
            values[half] = values.get(half, 0.0) + values.get(whole, 0.0)
    add_combinations(rig, values, values)
    return np.array([values.get(name, 0.0) for name in names], np.float32)


def read_pose(rig: bpy.types.Object) -> tuple[np.ndarray, np.ndarray]:
    """Theta [J, 3] and translation [3] of an evaluated armature object."""
    missing = [name for name in BONE_NAMES if name not in rig.pose.bones]
    if missing:
        raise RigError(f"The avatar {rig.name} lacks the bone {missing[0]}.", "Load it again.")
    rest = {name: np.array(rig.data.bones[name].matrix_local, np.float64) for name in BONE_NAMES}
    posed = {name: np.array(rig.pose.bones[name].matrix, np.float64) for name in BONE_NAMES}
    theta = np.zeros((len(BONES), 3))
    translation = np.zeros(3)
    for j, (name, parent, _, _) in enumerate(BONES):
        # In the rest basis, whatever moved the bone: keys, drivers or constraints.
        basis = inverse(rest[name]) @ posed[name]
        if parent:
            basis = inverse(rest[name]) @ rest[parent] @ inverse(posed[parent]) @ posed[name]
        rest_turn = rest[name][:3, :3]
        theta[j] = axis_angle_of_matrix(
            axes.turn_out_of(nearest_rotation(basis[:3, :3]), rest_turn)
        )
        if parent is None:
            translation = axes.to_head(rest_turn @ basis[:3, 3])
    return theta.astype(np.float32), translation.astype(np.float32)
