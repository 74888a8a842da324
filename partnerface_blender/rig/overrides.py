# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of the face made ready for overrides, frozen, and set free; the head mesh follows.

For the mesh, every shape key that moves the part gets a second one, masked by the part's weights,
which a driver sets to what the part does differently: (gain − 1) × the face's value, and what its
own slider says. Weights are the engine's, so that mesh and rendered avatar move alike.
"""

from collections.abc import Sequence

import bpy
import numpy as np

from ...engine.errors import PartNerFaceError
from ..blender_versions import new_fcurve
from .arkit import HALVES
from .parameters import read_expressions
from .parts import LABELS, OWN_LIMIT, PARTS, heard_by, own_name, own_sliders, part_expressions

GROUP = "part "  # begins the names of the parts' vertex groups
STEPS = 64  # of the weights in a vertex group
MOVES_M = 2e-4  # what an expression must move of a part, in m …
MOVES_SHARE = 0.15  # … and of what it moves most anywhere, to be heard by it
_ID_NAME_LIMIT = 63


class OverrideError(PartNerFaceError):
    """A part cannot be overridden like this."""

    code = "bad_override"


def prepare_part(
    rig: bpy.types.Object, part: str, weights: np.ndarray, names: Sequence[str]
) -> None:
    """Find out what moves the part, and let the head mesh follow its overrides.

    Args:
        rig: the armature object.
        part: one of `parts.PARTS`.
        weights: [V, P], each vertex' share in the parts.
        names: E names, the avatar's own expressions.

    Raises:
        OverrideError: the rig has lost its mesh, or the mesh has other vertices than the avatar.
    """
    head = rig.partnerface.head
    keys = head.data.shape_keys if head is not None and head.type == "MESH" else None
    if keys is None:
        raise OverrideError(
            f"The avatar {rig.name} has lost its head mesh with the shape keys.", "Load it again."
        )
    if len(head.data.vertices) != len(weights):
        raise OverrideError(
            f"The head mesh of {rig.name} has other vertices than its avatar.",
            "Undo what changed its topology, or load the avatar again.",
        )
    column = np.asarray(weights[:, PARTS.index(part)], np.float32)
    shapes = _own_shapes(keys)
    heard = [name for name, offsets in shapes.items() if _moves(offsets, column)]
    getattr(rig.partnerface_parts, part).hears = "\n".join(n for n in heard if n in names)
    if head.library or head.override_library or head.data.library or head.data.override_library:
        return  # a linked mesh stays as it is; the rendered avatar follows all the same
    _weigh(head, part, column)
    for name in heard:
        _follow(rig, head, part, name, shapes[name])


def _own_shapes(keys: bpy.types.Key) -> dict[str, np.ndarray]:
    """Name → offsets [V, 3] of the keys that move the whole face."""
    begins = tuple(own_name(part, "") for part in PARTS)
    basis = _places(keys.reference_key)
    return {
        block.name: _places(block) - basis
        for block in keys.key_blocks
        if block != keys.reference_key and not block.name.startswith(begins)
    }


def _places(block: bpy.types.ShapeKey) -> np.ndarray:
    places = np.empty(len(block.data) * 3, np.float32)
    block.data.foreach_get("co", places)
    return places.reshape(-1, 3)


def _moves(offsets: np.ndarray, weights: np.ndarray) -> bool:
    """Whether offsets [V, 3] move the part with these weights [V]."""
    length = np.linalg.norm(offsets, axis=1)
    most = float((length * weights).max(initial=0.0))
    return most > max(MOVES_M, MOVES_SHARE * float(length.max(initial=0.0)))


def _weigh(head: bpy.types.Object, part: str, weights: np.ndarray) -> None:
    """Give the mesh the part's vertex group, or bring it up to date."""
    group = head.vertex_groups.get(GROUP + part) or head.vertex_groups.new(name=GROUP + part)
    level = np.round(weights * STEPS).astype(int)
    group.remove(np.flatnonzero(level == 0).tolist())
    for step in np.unique(level[level > 0]):
        group.add(np.flatnonzero(level == step).tolist(), step / STEPS, "REPLACE")


def _follow(
    rig: bpy.types.Object, head: bpy.types.Object, part: str, name: str, offsets: np.ndarray
) -> None:
    """Give the mesh the part's key for one expression, driven; done anew where it is there."""
    keys, called = head.data.shape_keys, own_name(part, name)
    block = keys.key_blocks.get(called) or head.shape_key_add(name=called, from_mix=False)
    block.slider_min, block.slider_max = -OWN_LIMIT, OWN_LIMIT
    block.value, block.vertex_group = 0.0, GROUP + part
    block.data.foreach_set("co", (_places(keys.reference_key) + offsets).ravel())
    block.driver_remove("value")
    driver = block.driver_add("value").driver
    settings = f"partnerface_parts.{part}"
    _variable(driver, "g", rig, "OBJECT", f"{settings}.gain")
    _variable(driver, "v", keys, "KEY", f'key_blocks["{_escaped(name)}"].value')
    driver.expression = "(g - 1) * v"
    if called in rig:
        _variable(driver, "i", rig, "OBJECT", f"{settings}.influence")
        _variable(driver, "m", rig, "OBJECT", f"{settings}.mode")
        _variable(driver, "o", rig, "OBJECT", f'["{_escaped(called)}"]')
        whole = next((w for w, halves in HALVES.items() if name in halves), None)
        spoken = "v"
        if whole and whole in keys.key_blocks:  # a slider for both halves speaks for this half too
            _variable(driver, "w", keys, "KEY", f'key_blocks["{_escaped(whole)}"].value')
            spoken = "(v + w)"
        driver.expression += f" + i * (o - m * g * {spoken})"


def _variable(
    driver: bpy.types.Driver, name: str, owner: bpy.types.ID, kind: str, path: str
) -> None:
    variable = driver.variables.new()
    variable.name = name
    if kind != "OBJECT":
        variable.targets[0].id_type = kind
    variable.targets[0].id = owner
    variable.targets[0].data_path = path


def _escaped(name: str) -> str:
    return bpy.utils.escape_identifier(name)


def add_own_slider(rig: bpy.types.Object, part: str, name: str, value: float = 0.0) -> None:
    """Give a part its own slider for one expression, or set the one it has.

    Raises:
        OverrideError: the name is too long for a custom property, or Blender would not keep it.
    """
    called = own_name(part, name)
    if len(called.encode()) > _ID_NAME_LIMIT:
        raise OverrideError(f"The expression {name} has too long a name.", "Use the gain instead.")
    there = called in rig
    if not there and rig.override_library is not None:
        raise OverrideError(
            "Blender does not keep a slider that is new in a library override.",
            "Add it in the library's file, or make the rig local first.",
        )
    rig[called] = float(value)
    if not there:
        rig.id_properties_ui(called).update(
            min=-OWN_LIMIT, max=OWN_LIMIT, soft_min=0.0, soft_max=1.0, default=0.0,
            description=f"{name} as the part {LABELS[part].lower()} does it",
        )  # fmt: skip
        rig.property_overridable_library_set(f'["{_escaped(called)}"]', True)
    _drive_again(rig, part, name)
    rig.update_tag()


def remove_own_slider(rig: bpy.types.Object, part: str, name: str) -> None:
    """Take a part's own slider away; the part hears the face's again."""
    called = own_name(part, name)
    if called in rig:
        del rig[called]
    _drive_again(rig, part, name)
    rig.update_tag()


def _drive_again(rig: bpy.types.Object, part: str, name: str) -> None:
    """Bring the mesh' driver for one expression of a part up to date, where the mesh follows."""
    head = rig.partnerface.head
    keys = head.data.shape_keys if head is not None and head.type == "MESH" else None
    if keys is None or not keys.is_editable:
        return
    block, whole = keys.key_blocks.get(own_name(part, name)), keys.key_blocks.get(name)
    if block is not None and whole is not None:
        _follow(rig, head, part, name, _places(whole) - _places(keys.reference_key))


def part_now(rig: bpy.types.Object, part: str, depsgraph: bpy.types.Depsgraph) -> dict[str, float]:
    """Expression name → what the part does in the evaluated scene."""
    names, evaluated = heard_by(rig, part), rig.evaluated_get(depsgraph)
    psi = read_expressions(evaluated, depsgraph, names)
    rows = np.broadcast_to(part_expressions(evaluated, psi, names), (len(PARTS), len(names)))
    return dict(zip(names, rows[PARTS.index(part)].tolist(), strict=True))


def freeze_part(
    rig: bpy.types.Object, part: str, psi: dict[str, float], from_frame: int | None = None
) -> None:
    """Hold a part in the expression it makes now.

    Args:
        rig: the armature object; the part must be prepared.
        part: one of `parts.PARTS`.
        psi: expression name → what the part does now.
        from_frame: where the influence is keyed from 0 to 1, or None to leave it unkeyed.
    """
    for name in heard_by(rig, part):
        add_own_slider(rig, part, name, psi.get(name, 0.0))
    settings = getattr(rig.partnerface_parts, part)
    settings.mode, settings.influence = "REPLACE", 1.0
    if from_frame is None:
        return
    path = f"partnerface_parts.{part}.influence"
    for frame, value in ((from_frame - 1, 0.0), (from_frame, 1.0)):
        settings.influence = value
        rig.keyframe_insert(path, frame=frame, group="Parts")
    curve = new_fcurve(rig, rig.animation_data.action, path, 0, "Parts")
    for point in curve.keyframe_points:
        if round(point.co.x) in (from_frame - 1, from_frame):
            point.interpolation = "CONSTANT"


def free_part(rig: bpy.types.Object, part: str) -> None:
    """Forget what is special about a part: values, own sliders, and what the mesh had for it."""
    settings = getattr(rig.partnerface_parts, part)
    for name in own_sliders(rig, part):
        del rig[own_name(part, name)]
    for name in ("gain", "influence", "mode", "hears"):
        settings.property_unset(name)
    head = rig.partnerface.head
    keys = head.data.shape_keys if head is not None and head.type == "MESH" else None
    if keys is not None and keys.is_editable:
        for block in [b for b in keys.key_blocks if b.name.startswith(own_name(part, ""))]:
            block.driver_remove("value")
            head.shape_key_remove(block)
        group = head.vertex_groups.get(GROUP + part)
        if group is not None:
            head.vertex_groups.remove(group)
    rig.update_tag()
