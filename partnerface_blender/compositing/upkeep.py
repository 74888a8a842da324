# SPDX-License-Identifier: GPL-3.0-or-later
"""When a render starts, the avatar scene is in step with the artist's, without a click.

Blender announces a render on the thread that renders, which waits here until the main thread has
looked: nothing of the scene is read before.
"""

import logging

import bpy
from bpy.app.handlers import persistent

from ...engine.errors import PartNerFaceError
from .. import blender_versions as versions
from ..colour import looks
from ..main_thread import run_on_main_thread
from ..properties import is_avatar
from . import avatar_scenes, merge

log = logging.getLogger(__name__)


@persistent
def before_render(scene: bpy.types.Scene, *_: object) -> None:
    """Avatars, cameras, markers, frames, size and view transform are as the artist left them."""
    run_on_main_thread(lambda: bring_up_to_date(scene) or leave_nothing_open())


def bring_up_to_date(scene: bpy.types.Scene) -> None:
    """Keep the scene's avatar scene in step, and measure the view transform while there is time."""
    artist_scene = scene.partnerface.artist_scene or scene
    try:
        if artist_scene.partnerface.avatar_scene is not None:
            tree = versions.find_compositor_tree(artist_scene)
            set_up_here = merge.find_node(tree, "merge") is not None
            editable = artist_scene.library is None and (tree is None or tree.library is None)
            if editable and set_up_here and avatar_scenes.find_rigs(artist_scene):
                avatar_scene = avatar_scenes.make(artist_scene)
                merge.connect_avatar(tree, merge.find_node(tree, "merge"), avatar_scene)
            elif editable:
                avatar_scenes.keep_in_step(artist_scene)
        if any(is_avatar(item) for item in artist_scene.objects):
            looks.find_look(artist_scene)
    except PartNerFaceError as error:  # the render itself says what it lacks
        log.warning("%s", error)


def leave_nothing_open() -> None:
    """All that Blender would only do later is done: it would meet the render's own evaluation.

    What windows show is evaluated. And every view layer knows its objects again, which any change
    of scenes makes all of them forget: the graph that Blender builds for the compositor copies the
    layers of each scene in it, and Blender 5.2 was seen to crash there.
    """
    for window in bpy.context.window_manager.windows:
        window.view_layer.update()
    for scene in bpy.data.scenes:
        for layer in scene.view_layers:
            len(layer.objects)  # asked for them, Blender looks


def attach() -> None:
    """Watch for renders."""
    bpy.app.handlers.render_init.append(before_render)


def detach() -> None:
    """Watch no more."""
    handlers = bpy.app.handlers.render_init
    if before_render in handlers:
        handlers.remove(before_render)
