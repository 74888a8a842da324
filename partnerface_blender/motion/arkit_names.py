# SPDX-License-Identifier: GPL-3.0-or-later
"""ARKit's 52 names in ARKit's spelling, whatever a file makes of them."""

from functools import cache

_SIDED = (
    "eyeBlink eyeLookDown eyeLookIn eyeLookOut eyeLookUp eyeSquint eyeWide "
    "mouthSmile mouthFrown mouthDimple mouthStretch mouthPress mouthLowerDown mouthUpperUp "
    "browDown browOuterUp cheekSquint noseSneer"
).split()
_WHOLE = (
    "jawForward jawLeft jawRight jawOpen mouthClose mouthFunnel mouthPucker mouthLeft mouthRight "
    "mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper browInnerUp cheekPuff tongueOut"
).split()
ARKIT_NAMES = (*(f"{stem}{side}" for stem in _SIDED for side in ("Left", "Right")), *_WHOLE)
ANGLES = tuple(
    f"{what}{turn}" for what in ("head", "leftEye", "rightEye") for turn in ("Yaw", "Pitch", "Roll")
)


def arkit_name(text: str) -> str | None:
    """The name that the text means, of `ARKIT_NAMES` or `ANGLES`; None where it means none.

    Case, blanks, underscores and `_L`/`_R` for the sides make no difference.
    """
    return _spellings().get(_plain(text))


def _plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


@cache
def _spellings() -> dict[str, str]:
    found = {_plain(name): name for name in (*ARKIT_NAMES, *ANGLES)}
    for stem in _SIDED:
        for side in ("Left", "Right"):
            found[_plain(stem) + side[0].lower()] = f"{stem}{side}"
    return found
