# SPDX-License-Identifier: GPL-3.0-or-later
"""Sliders: custom properties of the rig's bone `face`. Drivers bring them to mesh and bones.

So one action of the rig holds sliders and bones alike: see docs/decisions/024. Code that keys,
drives or reads a slider asks `slider_path` where it lives. A rig from an older .blend has no such
bone; there the shape keys themselves are the sliders.
"""

from collections.abc import Iterable

import bpy

from . import arkit

FACE = "face"  # the bone of the sliders
GAZE = "gaze"  # the bone that the eyes look at when they follow it
LIDS = {"eyeBlinkLeft": "lids_left", "eyeBlinkRight": "lids_right"}  # slider → property of GAZE
HARD_LIMIT = 10.0  # Blender clamps shape keys there


def slider_path(rig: bpy.types.Object, name: str) -> tuple[bpy.types.ID, str, int]:
    """Where a slider lives: owner, data path for `keyframe_insert` or an F-curve, its array index.

    Args:
        rig: the armature object, original.
        name: one of ARKit's, or of the head's own coefficients.

    Raises:
        KeyError: the rig has no such slider.
    """
    face = rig.pose.bones.get(FACE)
    if face is not None:
        if name not in face:
            raise KeyError(name)
        return rig, property_path(name), 0
    keys = _keys(rig)
    if keys is None or name not in keys.key_blocks:
        raise KeyError(name)
    return keys, f'key_blocks["{bpy.utils.escape_identifier(name)}"].value', 0


def property_path(name: str, bone: str = FACE) -> str:
    """The data path of a property of a bone, from the rig."""
    return f'pose.bones["{bone}"]["{bpy.utils.escape_identifier(name)}"]'


def all_slider_names(rig: bpy.types.Object) -> list[str]:
    """Every slider: ARKit's names, and the head's own coefficients."""
    face = rig.pose.bones.get(FACE)
    if face is not None:
        return [name for name, value in face.items() if isinstance(value, float)]
    keys = _keys(rig)
    return [block.name for block in keys.key_blocks[1:]] if keys is not None else []


def slider_names(rig: bpy.types.Object) -> list[str]:
    """Those of ARKit's 52 names that this head can do, in the order of `arkit.NAMES`."""
    there = set(all_slider_names(rig))
    return [name for name in arkit.NAMES if name in there]


def get_slider(rig: bpy.types.Object, name: str) -> float:
    """A slider's value as it is set, before drivers and the NLA. KeyError: there is none."""
    owner, path, _ = slider_path(rig, name)
    return float(owner.path_resolve(path))


def set_slider(rig: bpy.types.Object, name: str, value: float) -> None:
    """Set a slider. KeyError: there is none."""
    owner, _, _ = slider_path(rig, name)
    if owner == rig:
        rig.pose.bones[FACE][name] = float(value)
    else:
        owner.key_blocks[name].value = value
    owner.update_tag()


def add_sliders(
    rig: bpy.types.Object,
    head: bpy.types.Object,
    lowest: float,
    turns: Iterable[tuple[str, str, int, float]] = arkit.TURNS,
) -> None:
    """Give the face bone a property for each shape key and each bone that ARKit moves; drive them.

    Args:
        rig: with the bone `face`.
        head: its mesh with shape keys.
        lowest: the smallest value that the slider of a coefficient reaches without typing.
        turns: slider, bone, axis of the bone, and rad that a slider of 1 turns it by.
    """
    turns = list(turns)
    arms = {name: bone for name, bone, _, _ in turns}
    blocks = list(head.data.shape_keys.key_blocks[1:])
    for name in dict.fromkeys([*(block.name for block in blocks), *arms]):
        about = f"{name}: one of the head's shapes"
        if name in arms:
            about = f"{name}: turns the bone {arms[name]}, beside what it is turned by hand"
        low = 0.0 if name in arkit.NAMES else min(0.0, lowest)
        add_property(rig, FACE, name, low, 1.0, about)
    for block in blocks:
        drive_by_sum(block, "value", rig, [property_path(block.name)])
    for name, bone, axis, turn in turns:
        _drive_turn(rig, f"drive_{bone}", axis, name, turn)


def add_property(
    rig: bpy.types.Object,
    bone: str,
    name: str,
    low: float,
    high: float,
    description: str,
    value: float | bool = 0.0,
) -> None:
    """A property of a bone that can be keyed, driven and overridden."""
    owner = rig.pose.bones[bone]
    owner[name] = value
    shown = owner.id_properties_ui(name)
    if isinstance(value, bool):
        shown.update(default=value, description=description)
    else:
        shown.update(min=-HARD_LIMIT, max=HARD_LIMIT, soft_min=low, soft_max=high,
                     default=value, description=description)  # fmt: skip
    path = f'["{bpy.utils.escape_identifier(name)}"]'
    owner.property_overridable_library_set(path, True)


def drive_by_sum(
    owner: bpy.types.bpy_struct, path: str, rig: bpy.types.Object, sources: Iterable[str]
) -> None:
    """Let a property be the sum of what the rig has at some data paths; no Python runs for it."""
    owner.driver_remove(path)
    driver = owner.driver_add(path).driver
    driver.type = "SUM"
    for source in sources:
        add_variable(driver, rig, source)


def add_variable(driver: bpy.types.Driver, rig: bpy.types.Object, source: str) -> str:
    """A variable of the driver that reads the rig's data path; its name."""
    made = driver.variables.new()
    made.name = f"v{len(driver.variables) - 1}"
    made.targets[0].id = rig
    made.targets[0].data_path = source
    return made.name


def _drive_turn(rig: bpy.types.Object, bone: str, axis: int, name: str, turn: float) -> None:
    """Add `turn` × the slider to one rotation of a bone that nothing else moves."""
    drivers = rig.animation_data.drivers if rig.animation_data else ()
    path = f'pose.bones["{bone}"].rotation_euler'
    curve = next((c for c in drivers if c.data_path == path and c.array_index == axis), None)
    if curve is None:
        curve = rig.pose.bones[bone].driver_add("rotation_euler", axis)
        curve.driver.expression = ""
    variable = add_variable(curve.driver, rig, property_path(name))
    # Sums of products are simple expressions: Blender computes them itself, Python allowed or not.
    said = curve.driver.expression
    curve.driver.expression = f"{said} + {turn:.5f} * {variable}".removeprefix(" + ")


def read_values(rig: bpy.types.Object, head: bpy.types.Object | None) -> dict[str, float]:
    """What each shape key says in the evaluated scene; a muted one says 0.

    Where the mesh follows another rig, as a linked duplicate's does, or is gone, the sliders of the
    face bone say it.

    Args:
        rig: the armature object, evaluated.
        head: its mesh, evaluated, if it has one with shape keys.
    """
    face = rig.pose.bones.get(FACE)
    if head is not None and (face is None or _follows(head, rig)):
        blocks = head.data.shape_keys.key_blocks[1:]
        return {block.name: 0.0 if block.mute else block.value for block in blocks}
    values = {name: value for name, value in face.items() if isinstance(value, float)}
    for name, lids in LIDS.items():
        values[name] = values.get(name, 0.0) + rig.pose.bones[GAZE].get(lids, 0.0)
    return values


def _follows(head: bpy.types.Object, rig: bpy.types.Object) -> bool:
    """Whether the mesh's shape keys are driven by this rig, or by none."""
    animation = head.data.shape_keys.animation_data
    for curve in animation.drivers if animation else ():
        for variable in curve.driver.variables:
            target = variable.targets[0]
            if target.data_path.startswith(f'pose.bones["{FACE}"]'):
                return target.id is not None and target.id.original == rig.original
    return True


def _keys(rig: bpy.types.Object) -> bpy.types.Key | None:
    head = rig.partnerface.head
    return head.data.shape_keys if head is not None and head.type == "MESH" else None
