# SPDX-License-Identifier: GPL-3.0-or-later
"""An avatar in the scene: loaded from what the engine tells of the file."""

from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from .compositing import proxy
from .connection.engine_process import OpenAvatar
from .relinking import links
from .rendering import cameras
from .rig import animation, wiring
from .rig import build as rig

FIRST_FRAME = 1


@dataclass(frozen=True)
class LoadOptions:
    """What to bring in beside the rig."""

    camera: bool = True  # the matched camera, and the clip's size
    motion: bool = True  # the tracked motion, and the clip's frame range and rate
    background: bool = True  # the clip behind the camera, where it is found
    match_colour: bool = False  # the Standard view transform, as the clip was made for


def load_avatar(
    context: bpy.types.Context, path: Path, opened: OpenAvatar, options: LoadOptions
) -> bpy.types.Object:
    """Build the avatar's rig in the context's scene; the armature object.

    Args:
        context: in object mode.
        path: the avatar file.
        opened: what the engine tells of it.
        options: what to bring in beside the rig.
    """
    header, arrays = opened.header, opened.arrays
    name = path.stem if path.stem != "avatar" else path.parent.name or path.stem
    collection = bpy.data.collections.new(name)
    context.scene.collection.children.link(collection)

    armature = rig.build_armature_object(context, collection, name, arrays["joints"])
    head = rig.build_mesh_object(
        f"{name} head", arrays["vertices"], arrays["faces"], arrays["uv"], arrays["uv_faces"]
    )
    collection.objects.link(head)
    psi = arrays["motion.psi"]
    lowest, highest = (float(psi.min()), float(psi.max())) if psi.size else (0.0, 1.0)
    combinations = dict(zip(header["arkit_names"], arrays["arkit.psi"], strict=True))
    rig.add_shape_keys(
        head,
        header["expression_names"],
        arrays["vertices"],
        arrays["expressions"],
        np.floor(lowest * 10) / 10,
        np.ceil(highest * 10) / 10,
        combinations,
    )
    rig.add_vertex_groups(head, arrays["skin_weights"])
    rig.bind(head, armature)
    proxy.give_skin(head, arrays["thumbnail"])
    wiring.wire_controls(armature, head, header, arrays, np.floor(lowest * 10) / 10)
    armature.partnerface.path = stored_path(path)
    armature.partnerface.head = head

    if options.motion and len(psi):
        animation.key_motion(
            armature, header["expression_names"], psi,
            arrays["motion.theta"], arrays["motion.translation"], FIRST_FRAME,
        )  # fmt: skip
        set_timeline(context.scene, header["fps"], len(psi))
    if options.camera:
        camera = cameras.add_matched_camera(
            f"{name} camera", header["camera"], collection, context.scene.render
        )
        context.scene.camera = camera
        clip = find_clip(header["record"]) if options.background else None
        if clip is not None:
            cameras.show_clip_behind(camera, clip, len(psi), FIRST_FRAME)
    if options.match_colour:
        context.scene.view_settings.view_transform = "Standard"
        context.scene.view_settings.look = "None"
    context.scene.frame_set(context.scene.frame_current)
    return armature


def set_timeline(scene: bpy.types.Scene, fps: float, frames: int) -> None:
    """Frame range and rate of the clip."""
    scene.frame_start, scene.frame_end = FIRST_FRAME, FIRST_FRAME + frames - 1
    scene.render.fps = max(1, round(fps))
    scene.render.fps_base = scene.render.fps / fps


def find_clip(record: dict) -> Path | None:
    """The pictures that the avatar was trained on, or the clip, where they are on this machine."""
    capture, clip = record.get("capture"), record.get("source", {}).get("clip")
    if capture and (Path(capture) / "images" / "00000.png").is_file():
        return Path(capture) / "images" / "00000.png"
    if clip and Path(clip).is_file():
        return Path(clip)
    return None


def stored_path(path: Path) -> str:
    """The path as the rig keeps it: relative to the .blend where the user's preferences say so."""
    relative = bpy.context.preferences.filepaths.use_relative_paths and bpy.data.filepath
    try:
        return bpy.path.relpath(str(path)) if relative else str(path)
    except ValueError:  # on another drive
        return str(path)


def avatar_path(armature: bpy.types.Object) -> Path:
    """The avatar file of a rig, absolute."""
    return links.absolute(armature)


def require_file(armature: bpy.types.Object) -> None:
    """Refuse a rig whose avatar file is gone.

    Raises:
        LinkError: it is.
    """
    if links.is_missing(armature):
        raise links.LinkError(
            f"There is no avatar file {avatar_path(armature)}.",
            "Find it with Find Missing Avatar in the PartNerFace sidebar.",
        )
