# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig's bones beyond the engine's, and what all of them look like.

face                    holds the sliders; stands beside the head
drive_jaw, drive_eye.L  turn as sliders say; jaw and eyes hang on them and turn by hand besides
gaze, gaze.L, gaze.R    where the eyes look, when they follow
"""

import bpy
import numpy as np

from .bone_shapes import shape_object
from .sliders import FACE, GAZE

DRIVEN = ("jaw", "eye.L", "eye.R")
DRIVE = "drive_"
CONTROLS = "Controls"  # bone collections
MECHANISM = "Mechanism"
# By the subject's side: left blue, right red, the middle amber. sRGB, readable on skin and on grey.
COLOURS = {"L": (0.25, 0.6, 1.0), "R": (1.0, 0.3, 0.3), "": (1.0, 0.7, 0.1)}
PICKED = 0.6  # how far towards white a selected bone is; the active one is white
# Bone → shape, its size in lengths of the bone, and how far along the bone it stands.
SHAPES = {
    "root": ("arrows", 1.9, 0.0),
    "neck": ("ring", 0.95, 1.2),
    "jaw": ("arc", 0.62, 0.95),
    "eye.L": ("ring", 0.34, 1.15),
    "eye.R": ("ring", 0.34, 1.15),
    FACE: ("smile", 0.75, 0.5),
    GAZE: ("bar", 1.0, 0.0),
    f"{GAZE}.L": ("ring", 0.9, 0.0),
    f"{GAZE}.R": ("ring", 0.9, 0.0),
}
FREE = ("root", GAZE, f"{GAZE}.L", f"{GAZE}.R")  # may be moved, not only turned


def control_bones(joints: np.ndarray) -> list[tuple[str, str | None, tuple, np.ndarray, float]]:
    """Name, parent, direction, place and length of each bone beyond the engine's and `drive_…`.

    Args:
        joints: [J, 3] m, head space, in the engine's order.
    """
    left, right = joints[3], joints[4]
    middle, apart = (left + right) / 2, float(np.linalg.norm(left - right))
    ahead, beside = np.array([0.0, 0.0, 6.0]) * apart, np.array([2.6, 0.0, 0.0]) * apart
    return [
        (FACE, "neck", (0.0, 1.0, 0.0), middle + beside, 0.6 * apart),
        (GAZE, None, (0.0, 0.0, 1.0), middle + ahead, 0.5 * apart),
        (f"{GAZE}.L", GAZE, (0.0, 0.0, 1.0), left + ahead, 0.25 * apart),
        (f"{GAZE}.R", GAZE, (0.0, 0.0, 1.0), right + ahead, 0.25 * apart),
    ]


def dress_bones(rig: bpy.types.Object) -> None:
    """Give every bone its rotation mode, locks, shape, colour and bone collection."""
    shown = rig.data.collections.new(CONTROLS)
    hidden = rig.data.collections.new(MECHANISM)
    hidden.is_visible = False
    for bone in rig.pose.bones:
        bone.rotation_mode = "XYZ"
        bone.lock_scale = (True, True, True)
        bone.lock_location = (bone.name not in FREE,) * 3
        if bone.name.startswith(DRIVE):
            hidden.assign(bone.bone)
            bone.lock_rotation = (True, True, True)
            continue
        shown.assign(bone.bone)
        if bone.name == FACE or bone.name.startswith(GAZE):
            bone.lock_rotation = (True, True, True)
        _dress(bone)


def _dress(bone: bpy.types.PoseBone) -> None:
    shape, size, along = SHAPES[bone.name]
    bone.custom_shape = shape_object(shape)
    bone.custom_shape_scale_xyz = (size, size, size)
    bone.custom_shape_translation = (0.0, along * bone.bone.length, 0.0)
    bone.use_custom_shape_bone_size = True
    colour = np.array(COLOURS[bone.name.partition(".")[2]])
    bone.bone.color.palette = "CUSTOM"
    bone.bone.color.custom.normal = colour
    bone.bone.color.custom.select = colour + PICKED * (1 - colour)
    bone.bone.color.custom.active = (1, 1, 1)
    bone.bone.show_wire = True
