# SPDX-License-Identifier: GPL-3.0-or-later
"""View transforms run backwards, so that an avatar looks under them as it does in the video.

`axis` [N] are ascending scene-linear values, 0 first; `shown` [N, N, N, 3] in 0…1 is the sRGB
colour that a view transform makes of each red, green and blue of them. An address is a place on the
axis in steps, 0…N-1; between the nodes everything is linear. Video colours are display-referred
sRGB in 0…1.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from ..errors import InputError
from .colour import linear_from_srgb

NODES = 33  # of the inverse table, along each side of the video's cube
STEPS = 12  # of the solver; AgX, the most curved one, has converged after eight
REGULARISER = 1e-2  # pull towards grey's answer, where the view transform hardly moves
WHITEST = 0.985  # share of the view transform's white that grey's answer goes up to
LARGEST_AXIS = 129
FLOOR = 2.0**-9  # the logarithm's foot, so that black stays black


@dataclass(frozen=True)
class Look:
    """From the video's colours to scene-linear ones that a view transform shows as the video's.

    Exposure and gamma are no part of the table, for they may be keyed.
    """

    table: np.ndarray | None  # [NODES, NODES, NODES, 3] float32 scene-linear; None: sRGB's own
    exposure: float = 0.0  # stops, applied by Blender before the view transform
    gamma: float = 1.0  # Blender shows the view transform's result to the power of 1 / gamma

    def __call__(self, colour: np.ndarray) -> np.ndarray:
        """Video colours [..., 3] → scene-linear [..., 3] float32."""
        shown = np.clip(np.asarray(colour, np.float32), 0.0, 1.0)
        if self.gamma != 1.0:
            shown = shown**self.gamma
        linear = linear_from_srgb(shown) if self.table is None else look_up(self.table, shown)
        return (linear * 2.0**-self.exposure).astype(np.float32)


def look_up(table: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Scene-linear values of video colours [..., 3], interpolated in the table's logarithm."""
    volume = torch.from_numpy(table).add(FLOOR).log2().permute(3, 0, 1, 2)[None]  # [1, 3, N, N, N]
    # grid_sample addresses its last axis first, in -1…1.
    places = torch.from_numpy(np.ascontiguousarray(colours.reshape(-1, 3)[:, ::-1])) * 2 - 1
    found = torch.nn.functional.grid_sample(
        volume, places[None, None, None], padding_mode="border", align_corners=True
    )
    linear = found[0, :, 0, 0].exp2_().sub_(FLOOR).clamp_(min=0.0).T  # [S, 3]
    return linear.contiguous().numpy().reshape(colours.shape)


def make_table(axis: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The inverse table of a view transform, [NODES, NODES, NODES, 3] float32 scene-linear.

    Each node's answer minimises the distance to its colour in sRGB, so that colours which the view
    transform cannot show become the nearest that it can.

    Raises:
        InputError: the arrays are odd, or the view transform is no brighter where there is more.
    """
    check(axis, shown)
    count = len(axis)
    side = np.linspace(0, 1, NODES)
    wanted = np.stack(np.meshgrid(side, side, side, indexing="ij"), -1).reshape(-1, 3)
    greys = shown[np.arange(count), np.arange(count), np.arange(count)].mean(-1)
    rising = np.maximum.accumulate(greys) + np.arange(count) * 1e-9
    whitest = WHITEST * greys.max()
    start = np.interp(np.minimum(wanted, whitest), rising, np.arange(count))  # [M, 3] address
    address, damping = start.copy(), np.full(len(wanted), 1e-3)
    value, slope = interpolate(shown, address)
    pull = REGULARISER / count**2
    cost = squared(value - wanted) + pull * squared(address - start)
    for _ in range(STEPS):  # Levenberg-Marquardt, every node for itself
        gradient = np.einsum("mij,mi->mj", slope, value - wanted) + pull * (address - start)
        hessian = np.einsum("mij,mik->mjk", slope, slope) + (pull + damping)[:, None, None] * (
            np.eye(3) / count
        )
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        tried = np.clip(address - step, 0, count - 1)
        value_there, slope_there = interpolate(shown, tried)
        cost_there = squared(value_there - wanted) + pull * squared(tried - start)
        better = cost_there < cost
        address[better], cost[better] = tried[better], cost_there[better]
        value[better], slope[better] = value_there[better], slope_there[better]
        damping = np.where(better, damping * 0.3, damping * 5)
    linear = np.interp(address, np.arange(count), axis)
    return linear.reshape(NODES, NODES, NODES, 3).astype(np.float32)


def check(axis: np.ndarray, shown: np.ndarray) -> None:
    """Whether the arrays can be a view transform's.

    Raises:
        InputError: they cannot.
    """
    count = len(axis)
    odd = (
        not 2 <= count <= LARGEST_AXIS
        or axis.ndim != 1
        or shown.shape != (count, count, count, 3)
        or not (np.isfinite(axis).all() and np.isfinite(shown).all())
        or axis[0] != 0
        or (np.diff(axis) <= 0).any()
        or shown[-1, -1, -1].mean() - shown[0, 0, 0].mean() < 0.1
    )
    if odd:
        raise InputError(
            "The scene's view transform cannot be run backwards.",
            "Choose another view transform, or Colour: Scene-Referred in the Compositing panel.",
        )


def interpolate(values: np.ndarray, address: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A lattice's values [M, 3] at addresses [M, 3], and their slopes [M, 3 values, 3 axes]."""
    count = len(values)
    low = np.clip(address.astype(np.intp), 0, count - 2)
    part = address - low
    found = np.zeros((len(address), 3))
    slope = np.zeros((len(address), 3, 3))
    for corner in product((0, 1), repeat=3):
        at = values[tuple((low + corner).T)]  # [M, 3]
        weights = np.where(corner, part, 1 - part)  # [M, 3]
        found += at * weights.prod(-1)[:, None]
        for axis in range(3):
            others = np.delete(weights, axis, 1).prod(-1)
            slope[:, :, axis] += at * (others if corner[axis] else -others)[:, None]
    return found, slope


def squared(vectors: np.ndarray) -> np.ndarray:
    """Squared lengths of the rows."""
    return np.einsum("mi,mi->m", vectors, vectors)
