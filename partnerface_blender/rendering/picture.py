# SPDX-License-Identifier: GPL-3.0-or-later
"""Avatars' planes become one picture: merged by depth, averaged over the shutter.

N avatars, P parts, H × W pixels, first row on top. Colour and coverage are premultiplied. What a
pixel has only one of (depth, which avatar) is that of the middle of the shutter.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

EMPTY_DEPTH = 1e10  # as Blender's own engines say "nothing here"
SOLID = 0.5  # alpha from which a pixel belongs to an avatar, where it must belong to one


@dataclass(frozen=True)
class Sheet:
    """One avatar as the camera saw it at one moment."""

    colour: np.ndarray  # [H, W, 4] float32, scene-linear
    depth: np.ndarray  # [H, W] float32, scene units along the camera's z
    parts: np.ndarray | None = None  # [H, W, P] float32
    normal: np.ndarray | None = None  # [H, W, 3] float32, world space
    mist: np.ndarray | None = None  # [H, W] float32 in 0…1, of the surface at `depth`
    holdout: bool = False  # hides what is behind it, and is not seen itself


@dataclass
class Picture:
    """What Blender gets of one view layer."""

    colour: np.ndarray  # [H, W, 4]
    depth: np.ndarray  # [H, W]
    nearest: np.ndarray  # [H, W] int32, which avatar a solid pixel belongs to, −1 for none
    coverage: np.ndarray  # [N, H, W], how much of a pixel each avatar covers
    parts: np.ndarray  # [N, H, W, P] the same of each part; P is 0 where they are not wanted
    normal: np.ndarray  # [H, W, 3]
    mist: np.ndarray  # [H, W], of pixels that an avatar covers; 1 elsewhere


def merged(sheets: list[Sheet | None], width: int, height: int, parts: int = 0) -> Picture:
    """The avatars of one moment, the nearest on top in every pixel.

    Args:
        sheets: N; None of an avatar that is not there at that moment.
        width: pixels.
        height: pixels.
        parts: P, 0 where they are not wanted.
    """
    picture = nothing(len(sheets), width, height, parts)
    there = [i for i, sheet in enumerate(sheets) if sheet is not None]
    passing = transmittances([sheets[i] for i in there])
    for i, through in zip(there, passing, strict=True):
        sheet = sheets[i]
        if sheet.holdout:
            continue
        alpha = sheet.colour[..., 3]
        picture.colour += sheet.colour * through[..., None]
        picture.coverage[i] = alpha * through
        if parts:
            picture.parts[i] = sheet.parts * through[..., None]
        if sheet.normal is not None:
            picture.normal += sheet.normal * through[..., None]
        if sheet.mist is not None:
            picture.mist += picture.coverage[i] * (sheet.mist - 1)
        closer = (sheet.depth < picture.depth) & (through > SOLID)
        picture.depth = np.where(closer, sheet.depth, picture.depth)
        solid = picture.coverage[i] >= SOLID  # of one avatar at most, but for both halves of 1
        picture.nearest = np.where(solid & (picture.nearest < 0), i, picture.nearest)
    return picture


def transmittances(sheets: list[Sheet]) -> list[np.ndarray]:
    """For each avatar [H, W] the light that passes those in front of it."""
    passing = [np.ones_like(sheet.depth) for sheet in sheets]
    for i, sheet in enumerate(sheets):
        for j, other in enumerate(sheets):
            if i != j:  # at equal depths the first one is in front
                hides = (other.depth < sheet.depth) | ((other.depth == sheet.depth) & (j < i))
                passing[i] = passing[i] * np.where(hides, 1 - other.colour[..., 3], 1)
    return passing


def nothing(avatars: int, width: int, height: int, parts: int = 0) -> Picture:
    """The picture of an empty scene."""
    plane = (height, width)
    return Picture(
        np.zeros((*plane, 4), np.float32),
        np.full(plane, EMPTY_DEPTH, np.float32),
        np.full(plane, -1, np.int32),
        np.zeros((avatars, *plane), np.float32),
        np.zeros((avatars, *plane, parts), np.float32),
        np.zeros((*plane, 3), np.float32),
        np.ones(plane, np.float32),
    )


AVERAGED = ("colour", "coverage", "parts", "normal")


def exposed(moments: Iterator[Picture]) -> Picture:
    """The moments of a shutter, the middle one first, averaged."""
    picture, count = next(moments), 1
    for moment in moments:
        count += 1
        for name in AVERAGED:
            setattr(picture, name, getattr(picture, name) + getattr(moment, name))
    for name in AVERAGED if count > 1 else ():
        setattr(picture, name, getattr(picture, name) / np.float32(count))
    return picture
