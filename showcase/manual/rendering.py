# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of the passes, and of the panels that switch them on."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

SIZE = 256  # px, of each tile
DATA = ("z", "normal", "position", "mist", "object_index", "cryptomatte_object",
        "cryptomatte_material")  # fmt: skip
FRAME = 20


def _load(demo: str) -> tuple:
    """The demo's avatar with its motion, seen by the clip's camera, all passes on."""
    import blender_side
    import bpy

    scene, rig, _ = blender_side.load_avatar(f"{demo}/avatar/avatar.safetensors")
    rig.name, rig.pass_index = "Anna", 1
    rig.partnerface.quality = "frame-baked"
    layer = bpy.context.view_layer
    for name in DATA:
        setattr(layer, f"use_pass_{name}", True)
    scene.partnerface.part_passes = True
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    scene.render.resolution_percentage = 100
    scene.world = scene.world or bpy.data.worlds.new("World")
    return scene, rig


def _tile(plane: np.ndarray, low: float, high: float, alpha: np.ndarray) -> np.ndarray:
    """A pass as a picture [H, W, 3] in 0…1, on dark grey where nothing is seen."""
    shown = np.broadcast_to(np.clip((plane - low) / (high - low), 0, 1), (*plane.shape[:2], 3))
    return shown * alpha + 0.12 * (1 - alpha)


def _sheet(planes: dict[str, np.ndarray]) -> np.ndarray:
    """Six passes side by side, three to a row."""
    alpha = planes["Combined"][..., 3:]
    seen = alpha[..., 0] > 0.5
    depth, place = planes["Depth"], planes["Position"]
    near, far = np.quantile(depth[seen], [0.01, 0.99])
    low, high = (np.quantile(place[seen], q, axis=0) for q in (0.01, 0.99))
    parts = ("brows", "eye_left", "eye_right", "nose", "cheek_left", "cheek_right", "mouth")
    hues = np.array([[9, 6, 2], [2, 6, 9], [2, 9, 8], [9, 8, 3], [9, 4, 5], [6, 4, 9], [9, 3, 2]])
    masks = sum(planes[f"Part.{name}"] * hue / 9 for name, hue in zip(parts, hues, strict=True))
    colour = planes["Combined"][..., :3]
    colour = np.where(colour > 0.0031, 1.055 * np.maximum(colour, 1e-6) ** (1 / 2.4) - 0.055, 0)
    tiles = [
        colour + 0.12 * (1 - alpha),
        _tile(far + near - depth, near, far, alpha),
        _tile(planes["Normal"], -1, 1, alpha),
        _tile((place - low) / (high - low), 0, 1, alpha),
        masks + 0.12 * (1 - alpha),
        _tile(planes["CryptoMaterial00"][..., 1:2], 0, 1, alpha),
    ]
    rows = [np.concatenate(tiles[first : first + 3], 1) for first in (0, 3)]
    return np.clip(np.concatenate(rows), 0, 1)


def _save(picture: np.ndarray, path: Path) -> str:
    """The picture [H, W, 3] as a PNG file."""
    import bpy

    height, width = picture.shape[:2]
    image = bpy.data.images.new("sheet", width, height)
    pixels = np.concatenate([picture, np.ones((height, width, 1))], -1)[::-1]
    image.pixels.foreach_set(pixels.astype(np.float32).ravel())
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    return str(path)


def window_passes(demo: str) -> Iterator[float]:
    """The passes of one frame, and the panels."""
    import blender_side
    import window_side as side

    sys.path.append(str(Path(blender_side.__file__).parent))
    from exr_layers import read_layers

    scene, _ = _load(demo)
    scene.frame_set(FRAME)
    yield 0.2
    planes, _ = read_layers(blender_side.render_layers(scene, side.FOLDER, "passes"))
    pictures = {"rendering-passes": _save(_sheet(planes), side.FOLDER / "sheet.png")}
    scene.render.use_motion_blur = True
    side.area("OUTLINER").type = "PROPERTIES"
    yield 0.3
    first, second = (area for area in side.window().screen.areas if area.type == "PROPERTIES")
    properties = max(first, second, key=lambda area: area.height)
    properties.spaces.active.context = "VIEW_LAYER"
    side.redraw()
    yield 1.0
    return pictures | {"rendering-panels": side.screenshot("panels", properties)}
