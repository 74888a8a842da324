# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels become an action of the rig: in place of the one it plays, or as an NLA strip on top."""

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ..blender_versions import new_fcurve, remove_fcurve, use_slot_of
from ..rig.animation import write_curve
from .channels import Channel
from .timing import smoothed


@dataclass(frozen=True)
class Place:
    """Where the motion goes on the timeline."""

    name: str  # of the action
    start: int  # frame of the first key
    as_strip: bool = False  # an NLA strip on top of all that is there
    keep_others: bool = False  # channels that are not laid stay as the playing action has them
    smoothing: float = 0.0  # frames, of a Gaussian


def lay(rig: bpy.types.Object, channels: Sequence[Channel], place: Place) -> bpy.types.Action:
    """Key the channels in a new action for each of their owners; the one of the rig.

    The action that a rig played until now keeps its keys and gets a fake user.
    """
    owners = [rig, *{c.owner: None for c in channels if c.owner != rig}]
    actions = [_lay_on(owner, [c for c in channels if c.owner == owner], place) for owner in owners]
    return actions[0]


def _lay_on(owner: bpy.types.ID, channels: Sequence[Channel], place: Place) -> bpy.types.Action:
    data = owner.animation_data_create()
    old = data.action
    if old is not None:
        old.use_fake_user = True
    if place.as_strip and old is not None:
        _push_down(data)
    if place.keep_others and not place.as_strip and old is not None:
        action = old.copy()
        action.name, action.use_fake_user = place.name, False
    else:
        action = bpy.data.actions.new(place.name)
    data.action = action
    for channel in channels:
        # What is left of older keys would be heard before and after the new ones.
        remove_fcurve(owner, action, channel.path, channel.index)
        curve = new_fcurve(owner, action, channel.path, channel.index, channel.group)
        values = smoothed(np.asarray(channel.values, np.float64)[:, None], place.smoothing)[:, 0]
        write_curve(curve, place.start + np.arange(len(values)), values)
    if place.as_strip:
        _push_down(data)
    return action


def _push_down(data: bpy.types.AnimData) -> None:
    """Turn the playing action into a strip of a new track on top."""
    action, track = data.action, data.nla_tracks.new()
    track.name = action.name
    strip = track.strips.new(action.name, int(action.frame_range[0]), action)
    use_slot_of(strip, data)
    # Before and after it, a strip on top lets through what lies below; the lowest one holds.
    strip.extrapolation = "NOTHING" if len(data.nla_tracks) > 1 else "HOLD"
    data.action = None
