# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene's view transform makes of colours, measured by saving a picture through it."""

import hashlib
import tempfile
from pathlib import Path

import bpy
import numpy as np

from .. import blender_versions as versions
from ..connection.engine_requests import ViewTransform

NODES = 41  # along each side of the lattice of scene-linear colours
BRIGHTEST = 32.0  # scene-linear; AgX and Filmic are white at 16.3
FOOT = 0.005  # scene-linear; below it nodes are even, above it there are 3 to a stop
KEYED = ("use_white_balance", "white_balance_temperature", "white_balance_tint")
DISPLAY = "sRGB"  # what the video was made for


def is_plain(scene: bpy.types.Scene) -> bool:
    """Whether the view transform is sRGB's own curve and nothing else."""
    settings = scene.view_settings
    return (
        settings.view_transform == "Standard"
        and settings.look == "None"
        and not settings.use_curve_mapping
        and not getattr(settings, "use_white_balance", False)
        and versions.working_space() in ("", "Linear Rec.709")
    )


def describe(scene: bpy.types.Scene) -> tuple:
    """All that the measured numbers depend on, exposure and gamma aside."""
    settings = scene.view_settings
    seen = [
        scene.display_settings.display_device,
        settings.view_transform,
        settings.look,
        versions.working_space(),
    ]
    if getattr(settings, "use_white_balance", False):
        seen += [settings.white_balance_temperature, settings.white_balance_tint]
    if settings.use_curve_mapping:
        mapping = settings.curve_mapping
        seen += [tuple(mapping.black_level), tuple(mapping.white_level), mapping.tone]
        for curve in mapping.curves:
            seen += [(tuple(point.location), point.handle_type) for point in curve.points]
    return tuple(seen)


def lattice_axis() -> np.ndarray:
    """Scene-linear values [NODES] from 0 to `BRIGHTEST`, denser in the dark."""
    stops = np.log2(BRIGHTEST / FOOT + 1)
    return (FOOT * (2 ** (stops * np.linspace(0, 1, NODES)) - 1)).astype(np.float32)


def measure(scene: bpy.types.Scene) -> ViewTransform:
    """The view transform of a scene on a lattice of colours. On the main thread only.

    Blender's own colour management does it, in a picture of the lattice that is saved and read
    again, so that looks, curves and the user's own OpenColorIO configuration count.
    """
    axis = lattice_axis()
    colours = np.ones((NODES**3, 4), np.float32)
    colours[:, :3] = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    shown = show(scene, colours)[:, :3]
    numbers = np.round(np.clip(shown, 0, 1) * 65535).astype(np.uint16)
    digest = hashlib.sha256(axis.tobytes() + numbers.tobytes()).hexdigest()[:24]
    return ViewTransform(digest, axis, numbers.reshape(NODES, NODES, NODES, 3))


def show(scene: bpy.types.Scene, colours: np.ndarray) -> np.ndarray:
    """Scene-linear colours [N, 4] as the scene's view transform shows them in sRGB [N, 4]."""
    # With looks and curves; the artist's own scene is not touched. A render's has what is keyed.
    stage = scene.original.copy()
    for name in KEYED:
        if hasattr(scene.view_settings, name):
            setattr(stage.view_settings, name, getattr(scene.view_settings, name))
    picture = bpy.data.images.new("PartNerFace colours", NODES, len(colours) // NODES,
                                  alpha=True, float_buffer=True)  # fmt: skip
    try:
        set_stage(stage)
        working_space = versions.working_space()
        if working_space:
            picture.colorspace_settings.name = working_space
        picture.pixels.foreach_set(colours.ravel())
        with tempfile.TemporaryDirectory(prefix="partnerface-") as folder:
            path = str(Path(folder) / "colours.png")
            picture.save_render(path, scene=stage)
            return read_png(path)
    finally:
        bpy.data.images.remove(picture)
        # `scenes.remove` crashes Blender 4.3 while `blender -b file.blend -a` renders.
        bpy.data.batch_remove([stage])


def set_stage(stage: bpy.types.Scene) -> None:
    """The copied scene saves 16-bit sRGB pictures through its view transform alone."""
    view = stage.view_settings.view_transform
    look = stage.view_settings.look
    device = stage.display_settings.display_device
    try:
        stage.display_settings.display_device = DISPLAY
        stage.view_settings.view_transform = view
    except TypeError:  # a configuration of the user's own
        stage.display_settings.display_device = device
        stage.view_settings.view_transform = view
    stage.view_settings.look = look
    stage.view_settings.exposure, stage.view_settings.gamma = 0.0, 1.0
    stage.render.use_multiview = False
    settings = stage.render.image_settings
    versions.choose_still_format(settings, "PNG")
    settings.color_management = "FOLLOW_SCENE"
    settings.color_mode, settings.color_depth, settings.compression = "RGB", "16", 0
    stage.render.dither_intensity = 0.0


def read_png(path: str) -> np.ndarray:
    """The pixels [N, 4] float32 of a picture file, as they are."""
    image = bpy.data.images.load(path)
    try:
        image.colorspace_settings.is_data = True  # whatever the configuration calls that
        pixels = np.empty(len(image.pixels), np.float32)
        image.pixels.foreach_get(pixels)
        return pixels.reshape(-1, image.channels)
    finally:
        bpy.data.images.remove(image)
