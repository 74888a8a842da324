# SPDX-License-Identifier: GPL-3.0-or-later
"""Per-part overrides: what one part of the face hears instead of the whole face's expression.

A part's expression is gain × the face's; its own sliders then replace it, or are added to it, by
their influence. All of it are properties of the rig object, to be keyed, driven and put on the NLA:

    partnerface_parts.mouth.gain       and .influence, .mode
    ["mouth: jawLeft"]                 an own slider, a custom property

Bones are shared by all parts: a part's gain leaves jaw, neck and eyeballs alone.
"""

from collections.abc import Sequence

import bpy
import numpy as np
from bpy.props import EnumProperty, FloatProperty, PointerProperty, StringProperty

from ..properties import OVERRIDABLE

PARTS = ("brows", "eye_left", "eye_right", "nose", "cheek_left", "cheek_right", "mouth", "rest")
LABELS = {
    "brows": "Brows", "eye_left": "Left Eye", "eye_right": "Right Eye", "nose": "Nose",
    "cheek_left": "Left Cheek", "cheek_right": "Right Cheek", "mouth": "Mouth", "rest": "Rest",
}  # fmt: skip
MODES = (  # the numbers are what .blend files and the drivers of the mesh hold
    ("ADD", "Add", "The part's own sliders are added to the face's expression", 0),
    ("REPLACE", "Replace", "The part's own sliders take the place of the face's", 1),
)
OWN_LIMIT = 10.0
KEYABLE = {"ANIMATABLE"}


def changed(settings: "PARTNERFACE_PG_part", context: bpy.types.Context) -> None:
    """Let Blender evaluate the rig anew, when a script sets a value too."""
    settings.id_data.update_tag()


class PARTNERFACE_PG_part(bpy.types.PropertyGroup):
    """On the rig object, for one part of the face: how it hears the face's expression."""

    gain: FloatProperty(
        name="Gain",
        description="How much of the face's expression this part makes: 0 none, 1 all of it",
        default=1.0,
        soft_min=0.0,
        soft_max=2.0,
        min=-10.0,
        max=10.0,
        options=KEYABLE,
        update=changed,
        override=OVERRIDABLE,
    )
    influence: FloatProperty(
        name="Influence",
        description="How far this part follows its own sliders",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        options=KEYABLE,
        update=changed,
        override=OVERRIDABLE,
    )
    mode: EnumProperty(
        name="Own Sliders",
        description="Whether this part's own sliders replace the face's or are added to them",
        items=MODES,
        default="REPLACE",
        options=KEYABLE,
        update=changed,
        override=OVERRIDABLE,
    )
    hears: StringProperty(
        name="Hears",
        description="The expressions that move this part, one a line; empty until it is prepared",
        options=set(),
        override=OVERRIDABLE,
    )


def _part(name: str) -> object:
    """The property that holds one part's settings."""
    return PointerProperty(
        type=PARTNERFACE_PG_part,
        name=LABELS[name],
        description=f"What the part {LABELS[name].lower()} does differently from the whole face",
        override=OVERRIDABLE,
    )


class PARTNERFACE_PG_parts(bpy.types.PropertyGroup):
    """On the rig object: each part of the face."""

    brows: _part("brows")
    eye_left: _part("eye_left")
    eye_right: _part("eye_right")
    nose: _part("nose")
    cheek_left: _part("cheek_left")
    cheek_right: _part("cheek_right")
    mouth: _part("mouth")
    rest: _part("rest")
    shown: EnumProperty(
        name="Part",
        description="The part whose settings are shown",
        items=[(part, LABELS[part], f"Show the part {LABELS[part].lower()}") for part in PARTS],
        default="mouth",
        options=set(),
    )


def own_name(part: str, name: str) -> str:
    """What a part's own slider is called among the rig's custom properties."""
    return f"{part}: {name}"


def own_sliders(rig: bpy.types.Object, part: str) -> dict[str, float]:
    """Expression name → value of a part's own sliders."""
    start = own_name(part, "")
    return {
        key.removeprefix(start): float(value)
        for key, value in rig.items()
        if key.startswith(start) and isinstance(value, int | float)
    }


def heard_by(rig: bpy.types.Object, part: str) -> list[str]:
    """The expressions that move a part, once the part is prepared."""
    return getattr(rig.partnerface_parts, part).hears.splitlines()


def part_expressions(rig: bpy.types.Object, psi: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The face's psi [E] where every part follows it; else each part's own, [P, E].

    Args:
        rig: the armature object, evaluated.
        psi: [E] float32, the face's expression.
        names: E names, in the engine's order.
    """
    rows = np.tile(np.asarray(psi, np.float32), (len(PARTS), 1))
    number = {name: e for e, name in enumerate(names)}
    for row, part in zip(rows, PARTS, strict=True):
        settings = getattr(rig.partnerface_parts, part)
        row *= settings.gain
        keep = 1.0 - settings.influence if settings.mode == "REPLACE" else 1.0
        for name, value in own_sliders(rig, part).items():
            if name in number:
                row[number[name]] = keep * row[number[name]] + settings.influence * value
    return rows if (rows != psi).any() else np.asarray(psi, np.float32)


def stacked(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Several frames' psi as one array: [N, E], or [N, P, E] where one tells parts apart."""
    if all(psi.ndim == 1 for psi in frames):
        return np.array(frames, np.float32)
    shape = (len(PARTS), frames[0].shape[-1])
    return np.stack([np.broadcast_to(psi, shape) for psi in frames]).astype(np.float32)


def attach() -> None:
    """Hang the group on objects."""
    bpy.types.Object.partnerface_parts = PointerProperty(
        type=PARTNERFACE_PG_parts,
        name="PartNerFace Parts",
        description="What parts of an avatar's face do differently from the whole of it",
        override=OVERRIDABLE,
    )


def detach() -> None:
    """Take the group off again; what it holds stays in the .blend."""
    del bpy.types.Object.partnerface_parts


CLASSES = (PARTNERFACE_PG_part, PARTNERFACE_PG_parts)
