# SPDX-License-Identifier: GPL-3.0-or-later
"""The avatar scene: beside the artist's, with the same rig and camera, rendered by PARTNERFACE."""

import bpy

from ...engine.errors import PartNerFaceError
from ..properties import is_avatar

ENGINE = "PARTNERFACE"
SHARED_SETTINGS = (
    *("resolution_x", "resolution_y", "resolution_percentage", "pixel_aspect_x", "pixel_aspect_y"),
    *("fps", "fps_base", "use_border", "use_crop_to_border"),
    *("border_min_x", "border_min_y", "border_max_x", "border_max_y"),
)


class SceneError(PartNerFaceError):
    """The scene lacks what rendering avatars needs."""

    code = "bad_scene"


def make(scene: bpy.types.Scene) -> bpy.types.Scene:
    """The avatar scene of an artist's scene, made or brought up to date.

    Raises:
        SceneError: no avatar, or no camera.
    """
    rigs = [item for item in scene.objects if is_avatar(item)]
    if not rigs:
        raise SceneError("There is no avatar in this scene.", "Load one first.")
    if scene.camera is None:
        raise SceneError("The scene has no camera.", "Add one, or load the avatar with its own.")
    avatar_scene = scene.partnerface.avatar_scene or bpy.data.scenes.new(f"{scene.name} avatars")
    scene.partnerface.avatar_scene = avatar_scene
    share_objects(avatar_scene, rigs, scene.camera)
    match_settings(scene, avatar_scene)
    return avatar_scene


def remove(scene: bpy.types.Scene) -> None:
    """Delete the avatar scene, if there is one."""
    avatar_scene = scene.partnerface.avatar_scene
    if avatar_scene is not None:
        scene.partnerface.avatar_scene = None
        bpy.data.scenes.remove(avatar_scene)


def render_alone(scene: bpy.types.Scene, *, animation: bool, in_window: bool) -> None:
    """Render the avatars by themselves on a transparent ground.

    An animation goes to the scene's output path with `avatars_` added; a still is just shown.

    Raises:
        SceneError: no avatar, no camera, or what the render engine reported.
    """
    avatar_scene = scene if scene.render.engine == ENGINE else make(scene)
    if avatar_scene is not scene:
        avatar_scene.render.filepath = f"{scene.render.filepath}avatars_"
        avatar_scene.render.image_settings.color_mode = "RGBA"
        avatar_scene.frame_set(scene.frame_current)
    how = "INVOKE_DEFAULT" if in_window else "EXEC_DEFAULT"
    try:
        bpy.ops.render.render(how, animation=animation, scene=avatar_scene.name)
    except RuntimeError as error:  # Blender's wrapping of an engine's error report
        sentence = str(error).strip().splitlines()[0].removeprefix("Error: ")
        raise SceneError(sentence) from error


def share_objects(avatar_scene: bpy.types.Scene, rigs: list, camera: bpy.types.Object) -> None:
    """The avatar scene holds the rigs, their heads and the camera, linked; nothing else."""
    wanted = {camera, *rigs, *(rig.partnerface.head for rig in rigs)} - {None}
    objects = avatar_scene.collection.objects
    for item in set(objects) - wanted:
        objects.unlink(item)
    for item in wanted - set(objects):
        objects.link(item)
    avatar_scene.camera = camera


def match_settings(scene: bpy.types.Scene, avatar_scene: bpy.types.Scene) -> None:
    """What both scenes must agree on, taken from the artist's; and what the avatar scene needs."""
    for name in SHARED_SETTINGS:
        setattr(avatar_scene.render, name, getattr(scene.render, name))
    avatar_scene.frame_start, avatar_scene.frame_end = scene.frame_start, scene.frame_end
    avatar_scene.view_settings.view_transform = scene.view_settings.view_transform
    avatar_scene.timeline_markers.clear()
    for marker in scene.timeline_markers:  # they may switch cameras
        copy = avatar_scene.timeline_markers.new(marker.name, frame=marker.frame)
        copy.camera = marker.camera
    avatar_scene.render.engine = ENGINE
    avatar_scene.render.film_transparent = True
    for layer in avatar_scene.view_layers:
        layer.use_pass_z = True
