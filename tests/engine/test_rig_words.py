# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig's modules that need no Blender: ARKit's names, standard expressions, rotations."""

import numpy as np
import pytest

from engine.head.arkit import JAW_OPEN, WHOLES
from engine.head.generic import build_generic_head

ARKIT = """
browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft
cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft
eyeLookInRight eyeLookOutLeft eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft
eyeSquintRight eyeWideLeft eyeWideRight jawForward jawLeft jawOpen jawRight mouthClose
mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight mouthFunnel mouthLeft
mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight
mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight
mouthStretchLeft mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight
tongueOut
""".split()


@pytest.fixture(scope="module")
def arkit(addon):
    return addon("partnerface_blender.rig.arkit")


def test_the_names_are_arkit_s_52(arkit):
    assert len(arkit.NAMES) == len(set(arkit.NAMES)) == 52
    assert sorted(arkit.NAMES) == sorted(ARKIT)


def test_both_sides_of_the_border_mean_the_same(arkit):
    assert arkit.JAW_OPEN == JAW_OPEN
    assert set(arkit.HALVES) == set(WHOLES)
    own = set(build_generic_head().mean.expression_names)
    halves = {half for pair in arkit.HALVES.values() for half in pair}
    turned = {name for name, *_ in arkit.TURNS}
    assert own - halves | set(arkit.HALVES) | turned == set(arkit.NAMES)


def test_mirroring_a_name_twice_is_nothing(arkit):
    for name in arkit.NAMES:
        other = arkit.mirrored(name)
        assert other in arkit.NAMES
        assert arkit.mirrored(other) == name
    assert arkit.mirrored("mouthLeft") == "mouthRight"
    assert arkit.mirrored("jawOpen") == "jawOpen"


def test_expressions_set_what_they_name_and_nothing_beyond_their_groups(addon, arkit):
    words = addon("partnerface_blender.rig.expressions")
    for name, expression in words.EXPRESSIONS.items():
        values = words.values_of(expression, arkit.NAMES)
        named = {n for stem in expression.values
                 for n in ((stem,) if stem in arkit.NAMES else arkit.sides(stem))}  # fmt: skip
        assert named <= set(values), name
        assert {n for n, value in values.items() if value} == named, name
        assert all(0 <= value <= 1 for value in values.values()), name
        assert not any(n.startswith("eyeLook") for n in values), name
        for half in (0.5,):
            weaker = words.values_of(expression, arkit.NAMES, half)
            assert weaker == {n: value * half for n, value in values.items()}
    speech = words.values_of(words.EXPRESSIONS["Speech aa"], arkit.NAMES)
    assert not any(n.startswith(("brow", "eye", "cheek", "nose")) for n in speech)
    assert (
        len(words.values_of(words.EXPRESSIONS["Smile"], ["mouthSmileLeft", "expression001"])) == 2
    )


def test_inverse_of_an_affine(addon):
    rotations = addon("partnerface_blender.rig.rotations")
    rng = np.random.default_rng(0)
    for _ in range(20):
        affine = np.eye(4)
        affine[:3] = rng.normal(size=(3, 4))
        found = rotations.inverse(affine)
        assert np.allclose(found @ affine, np.eye(4), atol=1e-9 * np.linalg.cond(affine))
