# SPDX-License-Identifier: GPL-3.0-or-later
"""The look of a scene: what the engine must know so that an avatar looks as it was filmed.

Blender shows scene-linear colours through a view transform. `find_look` tells what the scene's one
makes of colours; the engine runs it backwards, so that forwards it gives the video's colours again.
Exposure and gamma are told apart, for they may be keyed.
"""

from collections import OrderedDict

import bpy

from ..connection.engine_requests import Look, ViewTransform
from ..main_thread import run_on_main_thread
from . import view_transforms

AS_FILMED, SCENE_REFERRED = "AS_FILMED", "SCENE_REFERRED"
UNDONE_BY_NOBODY = ("False Color",)  # shows exposures, no picture
KEPT = 16

_kept: OrderedDict[tuple, ViewTransform] = OrderedDict()


def find_look(scene: bpy.types.Scene) -> Look | None:
    """The look that render requests for this scene carry; None for plain scene-linear colours.

    The first time for a view transform, Blender is asked what it does: some milliseconds on the
    main thread. May be called on any thread.
    """
    seen_through = scene.partnerface.artist_scene or scene
    settings = seen_through.view_settings
    if (
        seen_through.partnerface.colour == SCENE_REFERRED
        or settings.view_transform in UNDONE_BY_NOBODY
    ):
        return None
    plain = view_transforms.is_plain(seen_through)
    if plain and settings.exposure == 0 and settings.gamma == 1:
        return None
    view = None if plain else find_view(seen_through)
    return Look(view, settings.exposure, settings.gamma)


def find_view(scene: bpy.types.Scene) -> ViewTransform | None:
    """The scene's view transform in numbers, kept from the last time or measured."""
    key = view_transforms.describe(scene)
    if key not in _kept:
        measured = run_on_main_thread(lambda: view_transforms.measure(scene))
        if measured is None:
            return None
        _kept[key] = measured
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return _kept[key]


def detach() -> None:
    """Forget what was measured."""
    _kept.clear()
