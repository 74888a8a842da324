# SPDX-License-Identifier: GPL-3.0-or-later
"""The gaze target: both eyes look at the bone `gaze`, as much as its property `follow` says.

`gaze.L` and `gaze.R` hang on it, an eye's distance apart, for eyes that cross or part. While the
eyes follow, the lids go along a little: `lids` says how much. Both properties can be keyed.
"""

import bpy

from .sliders import FACE, GAZE, LIDS, add_property, add_variable, drive_by_sum, property_path

NAME = "PartNerFace gaze"
FOLLOW, FOLLOW_LIDS = "follow", "lids"
LID_SHARE = 0.8  # of a blink, for each radian that the eye looks down
LID_OPENS = 0.15  # of a blink, at most, where it looks up
EYES = {"eyeBlinkLeft": ("eye.L", f"{GAZE}.L"), "eyeBlinkRight": ("eye.R", f"{GAZE}.R")}


def add_gaze(rig: bpy.types.Object, head: bpy.types.Object) -> None:
    """Let the eyes be able to follow `gaze`; they do not until `follow` is raised."""
    add_property(rig, GAZE, FOLLOW, 0.0, 1.0, "How much the eyes look at this bone")
    about = "How much the lids go along while the eyes follow"
    add_property(rig, GAZE, FOLLOW_LIDS, 0.0, 1.0, about, value=0.5)
    for slider, (eye, target) in EYES.items():
        track = rig.pose.bones[eye].constraints.new("DAMPED_TRACK")
        track.name = NAME
        track.target, track.subtarget, track.track_axis = rig, target, "TRACK_Y"
        drive_by_sum(track, "influence", rig, [property_path(FOLLOW, GAZE)])
        _drive_lids(rig, slider, eye)
        block = head.data.shape_keys.key_blocks.get(slider)
        if block is not None:
            sources = [property_path(slider, FACE), property_path(LIDS[slider], GAZE)]
            drive_by_sum(block, "value", rig, sources)


def _drive_lids(rig: bpy.types.Object, slider: str, eye: str) -> None:
    """The share of a blink that belongs to where the eye looks, as a property of `gaze`."""
    lids = LIDS[slider]
    add_property(rig, GAZE, lids, 0.0, 1.0, f"What is added to {slider}; Blender computes it")
    driver = rig.pose.bones[GAZE].driver_add(f'["{lids}"]').driver
    follow = add_variable(driver, rig, property_path(FOLLOW, GAZE))
    share = add_variable(driver, rig, property_path(FOLLOW_LIDS, GAZE))
    turn = driver.variables.new()
    turn.name, turn.type = "down", "TRANSFORMS"
    target = turn.targets[0]
    target.id, target.bone_target = rig, eye
    target.transform_type, target.transform_space = "ROT_X", "LOCAL_SPACE"
    target.rotation_mode = "XYZ"
    driver.expression = f"max(-{LID_OPENS}, {follow} * {share} * {2 * LID_SHARE} * down)"
