# SPDX-License-Identifier: GPL-3.0-or-later
"""The passes: which a view layer has, what the engine must be asked for, and what is in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import bpy
import numpy as np

from ..blender_versions import OBJECT_INDEX_PASS
from ..rig.parts import PARTS
from . import cryptomatte
from .cameras import Lens
from .picture import EMPTY_DEPTH, Picture, Sheet
from .shots import Shot

FALLOFF = {"QUADRATIC": 2.0, "LINEAR": 1.0, "INVERSE_QUADRATIC": 0.5}  # exponents


def listed(
    scene: bpy.types.Scene, layer: bpy.types.ViewLayer
) -> Iterator[tuple[str, int, str, str]]:
    """The passes of a view layer: name, channels, their names, and the socket's kind."""
    yield "Combined", 4, "RGBA", "COLOR"
    if layer.use_pass_z:
        yield "Depth", 1, "Z", "VALUE"
    if layer.use_pass_mist:
        yield "Mist", 1, "Z", "VALUE"
    if layer.use_pass_position:
        yield "Position", 3, "XYZ", "VECTOR"
    if layer.use_pass_normal:
        yield "Normal", 3, "XYZ", "VECTOR"
    if layer.use_pass_object_index:
        yield OBJECT_INDEX_PASS, 1, "X", "VALUE"
    if scene.partnerface.part_passes:
        for name in PARTS:
            yield f"Part.{name}", 1, "X", "VALUE"
    for layer_name in crypto_layers(layer):
        for name in cryptomatte.pass_names(layer_name, layer.pass_cryptomatte_depth):
            yield name, 4, "rgba", "COLOR"


def crypto_layers(layer: bpy.types.ViewLayer) -> list[str]:
    """The Cryptomatte layers that are switched on."""
    return [name for name, switch in cryptomatte.LAYERS.items() if getattr(layer, switch)]


def engine_planes(scene: bpy.types.Scene, layer: bpy.types.ViewLayer) -> list[str]:
    """What the engine must be asked for."""
    parts = scene.partnerface.part_passes or layer.use_pass_cryptomatte_material
    wanted = {"parts": parts, "normal": layer.use_pass_normal}
    return ["combined", "depth", *(name for name, asked in wanted.items() if asked)]


@dataclass(frozen=True)
class Mist:
    """The world's mist, as Cycles means it."""

    start: float = 0.0
    depth: float = 100.0
    exponent: float = 1.0

    @classmethod
    def of(cls, world: bpy.types.World | None) -> "Mist":
        """The world's settings; Cycles' own where there is no world."""
        if world is None:
            return cls()
        mist = world.mist_settings
        return cls(mist.start, max(mist.depth, 1e-6), FALLOFF[mist.falloff])

    def at(self, lens: Lens, depth: np.ndarray) -> np.ndarray:
        """How much of a surface at depths [H, W] is lost in it, 0…1."""
        away = depth if lens.orthographic else np.linalg.norm(lens.points(depth), axis=-1)
        share = np.clip((away - self.start) / self.depth, 0, 1)
        return (share**self.exponent).astype(np.float32)


def sheet_of(shot: Shot, planes: dict[str, np.ndarray], mist: Mist | None) -> Sheet:
    """The engine's planes of a shot, in the scene's units and axes."""
    depth = planes["depth"]
    depth = np.where(depth < EMPTY_DEPTH, depth * shot.depth_scale, EMPTY_DEPTH)
    turn = shot.world_from_head.astype(np.float32)
    return Sheet(
        colour=planes["combined"].astype(np.float32),
        depth=depth.astype(np.float32),
        parts=planes["parts"].astype(np.float32) if "parts" in planes else None,
        normal=planes["normal"].astype(np.float32) @ turn.T if "normal" in planes else None,
        mist=mist.at(shot.lens, depth) if mist else None,
        holdout=shot.holdout,
    )


class PassPlanes:
    """What is in the passes of one picture, first row on top.

    Args:
        picture: of N avatars.
        shots: N, of the middle of the shutter as far as they are there.
        lens: of the camera then.
        levels: how many names a Cryptomatte pixel can have.
    """

    def __init__(self, picture: Picture, shots: Sequence[Shot], lens: Lens, levels: int) -> None:
        self.picture, self.shots, self.lens, self.levels = picture, shots, lens, levels
        self._ranked = cache(self._rank)

    def plane(self, name: str) -> np.ndarray | None:
        """A pass [H, W] or [H, W, C] float32 by its name; None where there is no such pass."""
        picture = self.picture
        if name in ("Combined", "Depth", "Mist", "Normal"):
            return getattr(picture, {"Combined": "colour"}.get(name, name.lower()))
        if name == "Position":
            return self._position()
        if name == OBJECT_INDEX_PASS:
            indices = np.array([*(shot.index for shot in self.shots), 0], np.float32)
            return indices[picture.nearest]  # −1 takes the 0
        if name.startswith("Part."):
            return picture.parts[..., PARTS.index(name.removeprefix("Part."))].sum(0)
        layer_name, number = name[:-2], name[-2:]
        if layer_name in cryptomatte.LAYERS and number.isdigit():
            return self._ranked(layer_name)[int(number)]
        return None

    def crypto_names(self, layer_name: str) -> list[str]:
        """The names in a Cryptomatte layer, one for each row of its coverages."""
        if layer_name == "CryptoMaterial":
            return [f"{shot.name}.{part}" for shot in self.shots for part in PARTS]
        return [shot.asset if layer_name == "CryptoAsset" else shot.name for shot in self.shots]

    def _rank(self, layer_name: str) -> np.ndarray:
        coverage = self.picture.coverage
        if layer_name == "CryptoMaterial":  # [N, H, W, P] → [N · P, H, W]
            parts = np.moveaxis(self.picture.parts, -1, 1)
            coverage = parts.reshape(-1, *coverage.shape[1:])
        return cryptomatte.ranked(self.crypto_names(layer_name), coverage, self.levels)

    def _position(self) -> np.ndarray:
        """World positions of what is seen; 0 where nothing is."""
        depth = self.picture.depth
        seen = depth < EMPTY_DEPTH
        pose = self.lens.world_from_camera
        world = self.lens.points(np.where(seen, depth, 0)) @ pose[:3, :3].T + pose[:3, 3]
        return np.where(seen[..., None], world, 0).astype(np.float32)
