# SPDX-License-Identifier: GPL-3.0-or-later
"""ARKit's 52 names in ARKit's spelling, whatever a file makes of them; and the nine angles."""

from functools import cache

from ..rig.arkit import NAMES, SIDED

ANGLES = tuple(
    f"{what}{turn}" for what in ("head", "leftEye", "rightEye") for turn in ("Yaw", "Pitch", "Roll")
)


def arkit_name(text: str) -> str | None:
    """The name that the text means, of ARKit's or `ANGLES`; None where it means none.

    Case, blanks, underscores and `_L`/`_R` for the sides make no difference.
    """
    return _spellings().get(_plain(text))


def _plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


@cache
def _spellings() -> dict[str, str]:
    found = {
        _plain(stem) + side[0].lower(): f"{stem}{side}"
        for stem in SIDED
        for side in ("Left", "Right")
    }
    return found | {_plain(name): name for name in (*NAMES, *ANGLES)}
