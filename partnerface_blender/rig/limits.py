# SPDX-License-Identifier: GPL-3.0-or-later
"""How far bones turn: Limit Rotation constraints with one switch for all of them.

Ranges are those of a living head, and wider where the tracked motion went farther.
"""

import math

import bpy
import numpy as np

from .sliders import FACE, add_property, drive_by_sum, property_path

SWITCH = "limits"  # a property of the face bone
NAME = "PartNerFace limit"
# Bone → lowest and highest angle about its own x, y and z, degrees.
RANGES = {
    "neck": ((-60, 60), (-80, 80), (-50, 50)),
    "jaw": ((-6, 40), (-12, 12), (-14, 14)),
    "eye.L": ((-40, 45), (-15, 15), (-50, 50)),
    "eye.R": ((-40, 45), (-15, 15), (-50, 50)),
}
MARGIN = math.radians(2)  # beyond the tracked motion


def add_limits(rig: bpy.types.Object, reached: dict[str, np.ndarray]) -> None:
    """Give the bones their limits, on.

    Args:
        rig: with the bone `face`.
        reached: bone → XYZ angles [N, 3] rad that must stay reachable.
    """
    about = "Keep neck, jaw and eyes within what a head can do"
    add_property(rig, FACE, SWITCH, 0, 1, about, value=True)
    for bone, ranges in RANGES.items():
        limit = rig.pose.bones[bone].constraints.new("LIMIT_ROTATION")
        limit.name = NAME
        limit.owner_space = "LOCAL"
        limit.use_transform_limit = True
        angles = reached.get(bone, np.zeros((0, 3)))
        for axis, (low, high) in zip("xyz", np.radians(ranges), strict=True):
            column = angles[:, "xyz".index(axis)]
            setattr(limit, f"use_limit_{axis}", True)
            setattr(limit, f"min_{axis}", min([low, *(column - MARGIN)]))
            setattr(limit, f"max_{axis}", max([high, *(column + MARGIN)]))
        drive_by_sum(limit, "influence", rig, [property_path(SWITCH)])
