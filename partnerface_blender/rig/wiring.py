# SPDX-License-Identifier: GPL-3.0-or-later
"""What moves what: sliders, gaze and limits, hung on a rig that stands."""

from collections.abc import Mapping

import bpy
import numpy as np

from .. import axes
from . import arkit
from .build import BONE_NAMES, rest_bases
from .combinations import store_combinations
from .gaze import add_gaze
from .limits import add_limits
from .rotations import euler_of_matrix, matrix_of_axis_angle
from .sliders import add_sliders

LEAST_TURN = 0.02  # rad: what a combination turns the jaw less than that, it does not turn at all


def wire_controls(
    rig: bpy.types.Object,
    head: bpy.types.Object,
    header: Mapping,
    arrays: Mapping[str, np.ndarray],
    lowest: float,
) -> None:
    """Make every slider move its shape keys and bones, and let eyes follow and limits hold.

    Args:
        rig: the armature object with its bones.
        head: its mesh with shape keys.
        header: what the engine tells of the avatar; see `engine.session.describe`.
        arrays: the same.
        lowest: the smallest value that a coefficient's slider must reach.
    """
    names = header["arkit_names"]
    store_combinations(
        rig, names, header["expression_names"], arrays["arkit.psi"], arrays["arkit.jaw"]
    )
    turns = list(arkit.LOOKS)
    if "jawOpen" not in names:
        turns = list(arkit.TURNS)
    jaw = rest_bases(rig)[BONE_NAMES.index("jaw")]
    for name, vector in zip(names, arrays["arkit.jaw"], strict=True):
        own = jaw.T @ axes.to_rig(np.asarray(vector, np.float64))  # about the bone's axes
        turns += [(name, "jaw", axis, turn) for axis, turn in enumerate(own.tolist())
                  if abs(turn) > LEAST_TURN]  # fmt: skip
    add_sliders(rig, head, lowest, turns)
    add_gaze(rig, head)
    add_limits(rig, bone_angles(rig, arrays["motion.theta"]))


def bone_angles(rig: bpy.types.Object, theta: np.ndarray) -> dict[str, np.ndarray]:
    """Each bone's XYZ Euler angles [N, 3] rad for rotations theta [N, J, 3] in head space."""
    bases, turns = rest_bases(rig), matrix_of_axis_angle(theta)  # [N, J, 3, 3]
    return {
        name: euler_of_matrix(axes.turn_into(turns[:, j], bases[j]))
        for j, name in enumerate(BONE_NAMES)
    }
