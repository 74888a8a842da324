# SPDX-License-Identifier: GPL-3.0-or-later
"""The avatar scene: beside the artist's, with the same rig and camera, rendered by PARTNERFACE."""

import bpy

from ...engine.errors import PartNerFaceError
from ..properties import is_avatar

ENGINE = "PARTNERFACE"
SHARED_SETTINGS = (  # of scene.render
    *("resolution_x", "resolution_y", "resolution_percentage", "pixel_aspect_x", "pixel_aspect_y"),
    *("fps", "fps_base", "use_border", "use_crop_to_border"),
    *("border_min_x", "border_min_y", "border_max_x", "border_max_y"),
    *("use_motion_blur", "motion_blur_shutter", "motion_blur_position"),
)
SHARED_VIEW_SETTINGS = ("view_transform", "look", "exposure", "gamma")


class SceneError(PartNerFaceError):
    """The scene lacks what rendering avatars needs."""

    code = "bad_scene"


def make(scene: bpy.types.Scene) -> bpy.types.Scene:
    """The avatar scene of an artist's scene, made or brought up to date.

    Raises:
        SceneError: no avatar, or no camera.
    """
    if not find_rigs(scene):
        raise SceneError("There is no avatar in this scene.", "Load one first.")
    if scene.camera is None:
        raise SceneError("The scene has no camera.", "Add one, or load the avatar with its own.")
    avatar_scene = scene.partnerface.avatar_scene
    if avatar_scene is None or avatar_scene.partnerface.artist_scene not in (scene, None):
        # None yet, or the scene is a copy of another one, whose avatar scene it is.
        avatar_scene = bpy.data.scenes.new(f"{scene.name} avatars")
        scene.partnerface.avatar_scene = avatar_scene
    avatar_scene.partnerface.artist_scene = scene
    keep_in_step(scene)
    return avatar_scene


def keep_in_step(scene: bpy.types.Scene) -> None:
    """The avatar scene, if there is one, shows the avatars, camera and frames of the artist's."""
    avatar_scene = scene.partnerface.avatar_scene
    if avatar_scene is not None:
        share_objects(avatar_scene, find_rigs(scene), scene.camera)
        match_settings(scene, avatar_scene)


def find_rigs(
    scene: bpy.types.Scene, layer: bpy.types.ViewLayer | None = None
) -> list[bpy.types.Object]:
    """The avatars of a scene, or of one of its view layers."""
    return [item for item in (layer or scene).objects if is_avatar(item)]


def remove(scene: bpy.types.Scene) -> None:
    """Delete the avatar scene, if there is one; a copied scene only lets go of the original's."""
    avatar_scene = scene.partnerface.avatar_scene
    if avatar_scene is not None:
        scene.partnerface.avatar_scene = None
        if avatar_scene.partnerface.artist_scene in (scene, None):
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


def share_objects(
    avatar_scene: bpy.types.Scene, rigs: list, camera: bpy.types.Object | None
) -> None:
    """The avatar scene holds the rigs, their heads and the cameras, linked; nothing else."""
    markers = avatar_scene.partnerface.artist_scene.timeline_markers  # they may switch cameras
    wanted = {
        camera,
        *(marker.camera for marker in markers),
        *rigs,
        *(rig.partnerface.head for rig in rigs),
    } - {None}
    objects = avatar_scene.collection.objects
    for item in set(objects) - wanted:
        objects.unlink(item)
    for item in wanted - set(objects):
        objects.link(item)
    avatar_scene.camera = camera


def match_settings(scene: bpy.types.Scene, avatar_scene: bpy.types.Scene) -> None:
    """What both scenes must agree on, taken from the artist's; and what the avatar scene needs."""
    copy_values(scene.render, avatar_scene.render, SHARED_SETTINGS)
    copy_values(scene, avatar_scene, ("frame_start", "frame_end", "frame_step", "world"))
    display = "display_device"
    copy_values(scene.display_settings, avatar_scene.display_settings, (display,))
    copy_values(scene.view_settings, avatar_scene.view_settings, SHARED_VIEW_SETTINGS)
    copy_values(scene.partnerface, avatar_scene.partnerface, ("colour",))
    if marks_of(scene) != marks_of(avatar_scene):
        avatar_scene.timeline_markers.clear()
        for name, frame, camera in marks_of(scene):
            avatar_scene.timeline_markers.new(name, frame=frame).camera = camera
    needed = {"engine": ENGINE, "film_transparent": True}
    for name, value in needed.items():
        if getattr(avatar_scene.render, name) != value:
            setattr(avatar_scene.render, name, value)
    for layer in avatar_scene.view_layers:
        if not layer.use_pass_z:
            layer.use_pass_z = True


def copy_values(source: object, target: object, names: tuple[str, ...]) -> None:
    """Let the target have the source's values; what is equal is not touched."""
    for name in names:
        value = getattr(source, name)
        if getattr(target, name) != value:
            setattr(target, name, value)


def marks_of(scene: bpy.types.Scene) -> list[tuple]:
    """The scene's markers: name, frame, camera."""
    return [(marker.name, marker.frame, marker.camera) for marker in scene.timeline_markers]
