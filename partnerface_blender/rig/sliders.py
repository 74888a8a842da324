# SPDX-License-Identifier: GPL-3.0-or-later
"""Sliders: custom properties of the rig's bone `face`. Drivers bring them to mesh and bones.

So one action of the rig holds sliders and bones alike: see docs/decisions/024. Code that keys,
drives or reads a slider asks `slider_path` where it lives. A rig from an older .blend has no such
bone; there the shape keys themselves are the sliders.
"""

from collections.abc import Iterable

import bpy

from . import arkit

FACE = "face"  # the bone
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


def property_path(name: str) -> str:
    """The data path of a property of the face bone, from the rig."""
    return f'pose.bones["{FACE}"]["{bpy.utils.escape_identifier(name)}"]'


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
    rig: bpy.types.Object, head: bpy.types.Object, names: Iterable[str], lowest: float
) -> None:
    """Give the face bone a property for each shape key and each bone that ARKit moves; drive them.

    Args:
        rig: with the bone `face`.
        head: its mesh, with a shape key for each of `names`.
        names: the sliders of shape keys.
        lowest: the smallest value that the panel's slider reaches without typing.
    """
    for name in names:
        add_property(rig, name, min(0.0, lowest), 1.0, f"How strongly the face does {name}")
        block = head.data.shape_keys.key_blocks[name]
        drive_by_sum(block, "value", rig, [name])
    for name, (bone, axis, turn) in arkit.TURNS.items():
        add_property(rig, name, 0.0, 1.0, f"{name}: turns the bone {bone}, on top of its own pose")
        _drive_turn(rig, f"drive_{bone}", axis, name, turn)


def add_property(
    rig: bpy.types.Object, name: str, low: float, high: float, description: str, value: float = 0.0
) -> None:
    """A property of the face bone that can be keyed, driven and overridden."""
    face = rig.pose.bones[FACE]
    face[name] = float(value)
    face.id_properties_ui(name).update(
        min=-HARD_LIMIT, max=HARD_LIMIT, soft_min=low, soft_max=high, default=float(value),
        description=description,
    )  # fmt: skip
    face.property_overridable_library_set(f'["{bpy.utils.escape_identifier(name)}"]', True)


def drive_by_sum(
    owner: bpy.types.bpy_struct, path: str, rig: bpy.types.Object, names: Iterable[str]
) -> None:
    """Let a property be the sum of some of the face bone's; no Python runs for it."""
    owner.driver_remove(path)
    driver = owner.driver_add(path).driver
    driver.type = "SUM"
    for name in names:
        _add_variable(driver, f"v{len(driver.variables)}", rig, name)


def _drive_turn(rig: bpy.types.Object, bone: str, axis: int, name: str, turn: float) -> None:
    """Add `turn` × the slider to one rotation of a bone that nothing else moves."""
    drivers = rig.animation_data.drivers if rig.animation_data else ()
    path = f'pose.bones["{bone}"].rotation_euler'
    curve = next((c for c in drivers if c.data_path == path and c.array_index == axis), None)
    if curve is None:
        curve = rig.pose.bones[bone].driver_add("rotation_euler", axis)
        curve.driver.expression = ""
    driver = curve.driver
    variable = _add_variable(driver, f"v{len(driver.variables)}", rig, name)
    # Sums of products are simple expressions: Blender computes them itself, Python allowed or not.
    driver.expression = f"{driver.expression} + {turn:.6f} * {variable}".removeprefix(" + ")


def _add_variable(driver: bpy.types.Driver, variable: str, rig: bpy.types.Object, name: str) -> str:
    made = driver.variables.new()
    made.name = variable
    made.targets[0].id = rig
    made.targets[0].data_path = property_path(name)
    return variable


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
    return {name: value for name, value in face.items() if isinstance(value, float)}


def _follows(head: bpy.types.Object, rig: bpy.types.Object) -> bool:
    """Whether the mesh's shape keys are driven by this rig, or by none."""
    animation = head.data.shape_keys.animation_data
    for curve in animation.drivers if animation else ():
        for variable in curve.driver.variables:
            target = variable.targets[0]
            if target.data_path.startswith(f'pose.bones["{FACE}"]') and target.id is not None:
                return target.id.original == rig.original
    return True


def _keys(rig: bpy.types.Object) -> bpy.types.Key | None:
    head = rig.partnerface.head
    return head.data.shape_keys if head is not None and head.type == "MESH" else None
