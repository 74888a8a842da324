# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures from the engine, made ready for drawing, and where they belong in the scene."""

from dataclasses import dataclass

import numpy as np

EMPTY = 1e9  # m; the engine says 1e10 where there is nothing
GROWN_PX = 3  # how far depths reach beyond the head, for pixels that are drawn larger than they are


@dataclass(frozen=True)
class Placing:
    """Where a picture belongs: a flat quad through the middle of the head, and depths about it.

    A picture that comes late, or is turned away from while the next one is made, stays where it was
    in the scene and moves with the rig.
    """

    rig_from_quad: np.ndarray  # [4, 4]; the quad's points are (u, v, 0, 1), v upwards
    centre: np.ndarray  # [3], the head's middle in rig space
    depth_scale: float  # scene units per metre of the picture's depths
    depth_shift: float  # scene units, from those to distances along the view
    distance: float  # scene units along the view, to the centre, as the picture was asked for


@dataclass(frozen=True)
class Picture:
    """One picture of one avatar; first row at the bottom."""

    colour: np.ndarray  # [H, W, 4] float32, linear sRGB, premultiplied
    depth: np.ndarray  # [H, W] float32 m
    placing: Placing
    key: bytes  # of the wish
    rung: int


def ready(planes: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Colour and depth of the engine's planes, as `Picture` has them."""
    colour = np.ascontiguousarray(planes["combined"][::-1], np.float32)
    depth = np.ascontiguousarray(planes["depth"][::-1], np.float32)
    return colour, grow(depth)


def grow(depth: np.ndarray) -> np.ndarray:
    """The depths [H, W] with empty pixels near the head given the nearest of their neighbours'."""
    for _ in range(GROWN_PX):
        if not (depth > EMPTY).any():
            break
        wide = np.pad(depth, 1, constant_values=np.float32(1e10))
        near = wide[1:-1, 1:-1]
        for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
            height, width = depth.shape
            near = np.minimum(near, wide[rows : rows + height, columns : columns + width])
        depth = np.where(depth > EMPTY, near, depth)
    return depth
