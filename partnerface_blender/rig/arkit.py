# SPDX-License-Identifier: GPL-3.0-or-later
"""ARKit's 52 names: their order, their groups for a panel, and what they do to jaw and eyes.

A slider is a name with a value, 0 neutral and 1 full. Left and right are the subject's.
"""

import math

GROUPS: dict[str, tuple[str, ...]] = {  # stems; those in SIDED stand for a left and a right one
    "Brows": ("browInnerUp", "browDown", "browOuterUp"),
    "Eyes": (
        "eyeBlink", "eyeSquint", "eyeWide",
        "eyeLookUp", "eyeLookDown", "eyeLookIn", "eyeLookOut",
    ),
    "Cheeks and Nose": ("cheekPuff", "cheekSquint", "noseSneer"),
    "Jaw": ("jawOpen", "jawForward", "jaw"),
    "Mouth": (
        "mouthSmile", "mouthFrown", "mouthDimple", "mouthStretch", "mouthPress", "mouthUpperUp",
        "mouthLowerDown", "mouth", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRollUpper",
        "mouthRollLower", "mouthShrugUpper", "mouthShrugLower", "tongueOut",
    ),
}  # fmt: skip
SIDED = frozenset((
    "browDown", "browOuterUp", "eyeBlink", "eyeSquint", "eyeWide", "eyeLookUp", "eyeLookDown",
    "eyeLookIn", "eyeLookOut", "cheekSquint", "noseSneer", "jaw", "mouthSmile", "mouthFrown",
    "mouthDimple", "mouthStretch", "mouthPress", "mouthUpperUp", "mouthLowerDown", "mouth",
))  # fmt: skip


def sides(stem: str) -> tuple[str, ...]:
    """The names of a stem: one, or the left one and the right one."""
    return (f"{stem}Left", f"{stem}Right") if stem in SIDED else (stem,)


NAMES = tuple(name for stems in GROUPS.values() for stem in stems for name in sides(stem))
# ARKit's one name for what a head has in two halves: such a head gets a slider for both as well.
HALVES = {
    "browInnerUp": ("browInnerUpLeft", "browInnerUpRight"),
    "cheekPuff": ("cheekPuffLeft", "cheekPuffRight"),
}
JAW_OPEN = 0.4  # rad that a full jawOpen turns the jaw down
# What a full slider does to a bone's rotation about its own axes: name, bone, axis, rad. Every
# bone's x is the subject's left; an eye looks along its y, so that its z points down.
_UP, _DOWN, _ACROSS = math.radians(25), math.radians(30), math.radians(35)
LOOKS: tuple[tuple[str, str, int, float], ...] = (
    ("eyeLookUpLeft", "eye.L", 0, -_UP),
    ("eyeLookUpRight", "eye.R", 0, -_UP),
    ("eyeLookDownLeft", "eye.L", 0, _DOWN),
    ("eyeLookDownRight", "eye.R", 0, _DOWN),
    ("eyeLookInLeft", "eye.L", 2, _ACROSS),
    ("eyeLookInRight", "eye.R", 2, -_ACROSS),
    ("eyeLookOutLeft", "eye.L", 2, -_ACROSS),
    ("eyeLookOutRight", "eye.R", 2, _ACROSS),
)
TURNS = (*LOOKS, ("jawOpen", "jaw", 0, JAW_OPEN))


def mirrored(name: str) -> str:
    """The same slider of the face's other side; a middle one is its own."""
    for one, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(one):
            return name.removesuffix(one) + other
    return name
