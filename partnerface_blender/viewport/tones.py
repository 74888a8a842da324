# SPDX-License-Identifier: GPL-3.0-or-later
"""How the avatars' colours come to the display of a scene, as its renders show them.

As filmed, a render's colours go backwards and forwards through the view transform: nothing is left
to do. Scene-referred ones go through the view transform, as a table on the graphics card.
"""

import bpy

from ..colour import looks, view_transforms
from . import shading

PLAIN = shading.Tone()
KEPT = 8  # tables, of half a megabyte each: a dragged curve makes one after the other


class Tones:
    """The tables of the view transforms that are in use."""

    def __init__(self) -> None:
        self._tables: dict[tuple, object] = {}
        self._missing: dict[tuple, str] = {}  # key → name of a scene that needs it

    def of(self, scene: bpy.types.Scene) -> shading.Tone:
        """The scene's tone; a plain one until its table has been measured. While drawing."""
        view = scene.view_settings
        filmed = scene.partnerface.colour == looks.AS_FILMED
        if filmed and view.view_transform not in looks.UNDONE_BY_NOBODY:
            return PLAIN
        if view_transforms.is_plain(scene) and view.exposure == 0 and view.gamma == 1:
            return PLAIN
        key = view_transforms.describe(scene)
        found = self._tables.get(key)
        if found is None:
            self._missing[key] = scene.name
            return PLAIN
        if not hasattr(found, "width"):  # numbers, which only a draw handler makes a texture of
            found = self._tables[key] = shading.table_of(found)
        return shading.Tone(found, view.exposure, view.gamma)

    def measure(self) -> bool:
        """Measure what is missing, which changes data for a moment; whether there was anything."""
        missing, self._missing = self._missing, {}
        for key, name in missing.items():
            scene = bpy.data.scenes.get(name)
            if scene is not None:
                self._tables[key] = looks.find_view(scene).shown
        while len(self._tables) > KEPT:
            del self._tables[next(iter(self._tables))]
        return bool(missing)

    def forget(self) -> None:
        """Drop every table."""
        self._tables.clear()
        self._missing.clear()
