# SPDX-License-Identifier: GPL-3.0-or-later
"""Values on the nodes of a sparse lattice in the unit cube, interpolated. Not differentiable."""

import torch
import warp as wp
from torch import Tensor

from .threads import each_slice


@wp.func
def corner_of(base: wp.vec3i, f: wp.vec3, corner: wp.int32):
    """A corner's node, and its trilinear weight at fractions f of the cell at `base`."""
    d = wp.vec3i(corner & 1, (corner >> 1) & 1, corner >> 2)
    w = wp.float32(1.0)
    for axis in range(3):
        w *= wp.where(d[axis] == 1, f[axis], 1.0 - f[axis])
    return base + d, w


@wp.func
def cell_of(p: wp.vec3, size: wp.vec3i):
    """The cell that holds p (in cells), the border's where it lies outside."""
    # No floor: where truncation differs from it, below zero, both are clamped.
    return wp.vec3i(
        wp.clamp(wp.int32(p[0]), 0, size[0] - 1),
        wp.clamp(wp.int32(p[1]), 0, size[1] - 1),
        wp.clamp(wp.int32(p[2]), 0, size[2] - 1),
    )


@wp.func
def fraction_of(p: wp.vec3, cell: wp.vec3i):
    """Where in its cell p lies, 0…1 for each axis."""
    f = p - wp.vec3(cell)
    return wp.vec3(wp.clamp(f[0], 0.0, 1.0), wp.clamp(f[1], 0.0, 1.0), wp.clamp(f[2], 0.0, 1.0))


@wp.func
def place_in_cube(u: wp.vec3, n: wp.int32):
    """Which of the unit cube's n³ cells holds u, and where in it."""
    p = u * wp.float32(n)
    cell = cell_of(p, wp.vec3i(n, n, n))
    return cell, fraction_of(p, cell)


@wp.kernel
def _interpolate(
    u: wp.array(dtype=wp.vec3),
    row: wp.array3d(dtype=wp.int32),
    values: wp.array2d(dtype=wp.float32),
    result: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    base, f = place_in_cube(u[i], row.shape[0] - 1)
    known = wp.float32(0.0)
    for corner in range(8):
        at, w = corner_of(base, f, corner)
        k = row[at[0], at[1], at[2]]
        if k >= 0:
            known += w
            for c in range(values.shape[1]):
                result[i, c] = result[i, c] + w * values[k, c]
    if known > 0.0 and known < 1.0:
        for c in range(values.shape[1]):
            result[i, c] = result[i, c] / known


def interpolate(u: Tensor, row: Tensor, values: Tensor) -> Tensor:
    """Trilinear interpolation between the nodes that there are.

    Args:
        u: [S, 3] in the unit cube; outside, the border's value.
        row: [n + 1, n + 1, n + 1] int32 into the K nodes, −1 where there is none.
        values: [K, C] float32.

    Returns:
        [S, C]; where nodes are missing, the mean of the others; zero where all are.
    """
    u, values = u.detach().float().contiguous(), values.detach().float().contiguous()
    result = torch.zeros(len(u), values.shape[1], device=u.device)

    def run(part: slice) -> None:
        wp.launch(
            _interpolate,
            dim=part.stop - part.start,
            inputs=[
                wp.from_torch(u[part], dtype=wp.vec3), wp.from_torch(row), wp.from_torch(values)
            ],
            outputs=[wp.from_torch(result[part])],
            device=wp.device_from_torch(u.device),
        )  # fmt: skip

    if len(u):
        each_slice(len(u), u.device, run)
    return result
