# SPDX-License-Identifier: GPL-3.0-or-later
"""Standard expressions and mouth shapes of speech, in ARKit's names.

A face sets every slider, those of the gaze aside; a part sets only the sliders of its groups, so
that it comes on top of what the rest of the face does.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from . import arkit


@dataclass(frozen=True)
class Expression:
    """One entry of the library."""

    about: str
    values: dict[str, float]  # by stem; a stem of two sides means both
    groups: tuple[str, ...] = ()  # of `arkit.GROUPS`, those that it sets; () is the whole face


_MOUTH = ("Jaw", "Mouth")
_EYES = ("Eyes",)
EXPRESSIONS: dict[str, Expression] = {
    "Neutral": Expression("Nothing at all", {}),
    "Smile": Expression("Happy, lips closed or nearly so", {
        "mouthSmile": 0.8, "cheekSquint": 0.5, "eyeSquint": 0.25, "mouthDimple": 0.2}),
    "Laugh": Expression("Happy, with teeth", {
        "mouthSmile": 1.0, "cheekSquint": 0.8, "eyeSquint": 0.5, "mouthUpperUp": 0.4,
        "mouthLowerDown": 0.3, "jawOpen": 0.45, "browOuterUp": 0.2}),
    "Frown": Expression("Cross or doubtful", {
        "browDown": 0.7, "mouthFrown": 0.6, "mouthShrugLower": 0.3, "eyeSquint": 0.2}),
    "Sad": Expression("Sad", {
        "browInnerUp": 0.8, "mouthFrown": 0.7, "mouthShrugLower": 0.4, "eyeBlink": 0.15}),
    "Surprise": Expression("Brows up, jaw dropped", {
        "browInnerUp": 0.9, "browOuterUp": 0.9, "eyeWide": 0.7, "jawOpen": 0.6,
        "mouthFunnel": 0.2}),
    "Anger": Expression("Brows down, lips pressed", {
        "browDown": 1.0, "noseSneer": 0.5, "eyeWide": 0.25, "mouthPress": 0.7, "mouthFrown": 0.4,
        "jawForward": 0.2}),
    "Disgust": Expression("Nose wrinkled", {
        "noseSneer": 0.9, "browDown": 0.5, "cheekSquint": 0.5, "mouthUpperUp": 0.6,
        "mouthFrown": 0.35, "eyeSquint": 0.4}),
    "Fear": Expression("Eyes wide, lips drawn back", {
        "browInnerUp": 0.9, "browOuterUp": 0.4, "eyeWide": 0.9, "mouthStretch": 0.7,
        "jawOpen": 0.25, "mouthLowerDown": 0.2}),
    "Eyes Open": Expression("Neither blink nor squint", {}, _EYES),
    "Blink": Expression("Both eyes closed", {"eyeBlink": 1.0}, _EYES),
    "Wink L": Expression("The subject's left eye closed", {
        "eyeBlinkLeft": 1.0, "eyeSquintLeft": 0.4}, _EYES),
    "Wink R": Expression("The subject's right eye closed", {
        "eyeBlinkRight": 1.0, "eyeSquintRight": 0.4}, _EYES),
    "Speech sil": Expression("Silence", {}, _MOUTH),
    "Speech PP": Expression("p, b, m", {"mouthPress": 0.5, "mouthRollLower": 0.35,
                                        "mouthRollUpper": 0.3}, _MOUTH),
    "Speech FF": Expression("f, v", {"mouthRollLower": 0.55, "mouthUpperUp": 0.25,
                                     "jawOpen": 0.06}, _MOUTH),
    "Speech TH": Expression("th", {"jawOpen": 0.18, "tongueOut": 0.25, "mouthLowerDown": 0.2},
                            _MOUTH),
    "Speech DD": Expression("t, d", {"jawOpen": 0.13, "mouthLowerDown": 0.2,
                                     "mouthUpperUp": 0.15}, _MOUTH),
    "Speech kk": Expression("k, g", {"jawOpen": 0.2, "mouthStretch": 0.1,
                                     "mouthLowerDown": 0.1}, _MOUTH),
    "Speech CH": Expression("ch, j, sh", {"mouthFunnel": 0.55, "jawOpen": 0.1,
                                          "mouthShrugUpper": 0.2}, _MOUTH),
    "Speech SS": Expression("s, z", {"mouthStretch": 0.35, "mouthSmile": 0.15, "jawOpen": 0.04,
                                     "mouthLowerDown": 0.25}, _MOUTH),
    "Speech nn": Expression("n, l", {"jawOpen": 0.15, "mouthStretch": 0.15}, _MOUTH),
    "Speech RR": Expression("r", {"mouthFunnel": 0.35, "jawOpen": 0.13, "mouthPucker": 0.2},
                            _MOUTH),
    "Speech aa": Expression("a as in father", {"jawOpen": 0.6, "mouthLowerDown": 0.25}, _MOUTH),
    "Speech E": Expression("e as in bed", {"jawOpen": 0.3, "mouthStretch": 0.35,
                                           "mouthSmile": 0.2}, _MOUTH),
    "Speech ih": Expression("i as in sit", {"jawOpen": 0.15, "mouthStretch": 0.35,
                                            "mouthSmile": 0.3}, _MOUTH),
    "Speech oh": Expression("o as in go", {"jawOpen": 0.35, "mouthFunnel": 0.6}, _MOUTH),
    "Speech ou": Expression("u as in too", {"jawOpen": 0.12, "mouthPucker": 0.75,
                                            "mouthFunnel": 0.25}, _MOUTH),
}  # fmt: skip


def values_of(expression: Expression, there: Iterable[str], strength: float = 1.0) -> dict:
    """What an expression sets of the sliders that are there: slider → value."""
    stems = [stem for group in expression.groups for stem in arkit.GROUPS[group]]
    chosen = {name for stem in stems for name in arkit.sides(stem)}
    values = {
        name: 0.0
        for name in there
        if not name.startswith("eyeLook") and (not stems or name in chosen)
    }
    for stem, value in expression.values.items():
        for name in (stem,) if stem in values else arkit.sides(stem):
            if name in values:
                values[name] = value * strength
    return values
