# SPDX-License-Identifier: GPL-3.0-or-later
"""Multiresolution hash encoding (Müller et al. 2022), values and gradients to table AND position.

L levels of T entries with two features each. Levels whose grid fits into the table are stored
densely; the others are hashed.
"""

import torch
import warp as wp
from torch import Tensor

from .lattice import cell_of, corner_of
from .threads import WORTH_IT, each_slice

PRIME_Y = wp.constant(wp.uint32(2654435761))
PRIME_Z = wp.constant(wp.uint32(805459861))

GROUPS = 4  # of levels, whose gradients are worked out side by side


@wp.func
def _slot(corner: wp.vec3i, resolution: wp.int32, size: wp.int32):
    side = resolution + 1
    if side * side * side <= size:
        return (corner[2] * side + corner[1]) * side + corner[0]
    h = wp.uint32(corner[0]) ^ (wp.uint32(corner[1]) * PRIME_Y) ^ (wp.uint32(corner[2]) * PRIME_Z)
    return wp.int32(h % wp.uint32(size))


@wp.kernel
def _encode(
    x: wp.array(dtype=wp.vec3),
    table: wp.array2d(dtype=wp.vec2),
    resolutions: wp.array(dtype=wp.int32),
    features: wp.array2d(dtype=wp.vec2),
):
    i = wp.tid()
    size = table.shape[1]
    for level in range(table.shape[0]):
        resolution = resolutions[level]
        p = x[i] * wp.float32(resolution)
        base = cell_of(p, wp.vec3i(resolution, resolution, resolution))
        f = p - wp.vec3(base)
        total = wp.vec2(0.0, 0.0)
        for corner in range(8):
            at, w = corner_of(base, f, corner)
            total += w * table[level, _slot(at, resolution, size)]
        features[i, level] = total


@wp.kernel
def _encode_backward(
    x: wp.array(dtype=wp.vec3),
    table: wp.array2d(dtype=wp.vec2),
    resolutions: wp.array(dtype=wp.int32),
    gradient: wp.array2d(dtype=wp.vec2),
    first_level: wp.int32,
    x_gradient: wp.array(dtype=wp.vec3),
    table_gradient: wp.array2d(dtype=wp.vec2),
):
    i = wp.tid()
    size = table.shape[1]
    gx = wp.float32(0.0)
    gy = wp.float32(0.0)
    gz = wp.float32(0.0)
    for level in range(table.shape[0]):
        resolution = resolutions[level]
        scale = wp.float32(resolution)
        p = x[i] * scale
        base = cell_of(p, wp.vec3i(resolution, resolution, resolution))
        f = p - wp.vec3(base)
        g = gradient[i, first_level + level]
        for corner in range(8):
            dx = corner & 1
            dy = (corner >> 1) & 1
            dz = corner >> 2
            wx = wp.where(dx == 1, f[0], 1.0 - f[0])
            wy = wp.where(dy == 1, f[1], 1.0 - f[1])
            wz = wp.where(dz == 1, f[2], 1.0 - f[2])
            slot = _slot(base + wp.vec3i(dx, dy, dz), resolution, size)
            wp.atomic_add(table_gradient, level, slot, wx * wy * wz * g)
            pull = wp.dot(table[level, slot], g) * scale
            gx += wp.where(dx == 1, pull, -pull) * wy * wz
            gy += wp.where(dy == 1, pull, -pull) * wx * wz
            gz += wp.where(dz == 1, pull, -pull) * wx * wy
    x_gradient[i] = wp.vec3(gx, gy, gz)


class _HashEncode(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, table, resolutions):
        x, table = x.detach().contiguous(), table.detach().contiguous()
        features = torch.empty(len(x), len(table), 2, device=x.device)

        def run(part: slice) -> None:
            wp.launch(
                _encode,
                dim=part.stop - part.start,
                inputs=[
                    wp.from_torch(x[part], dtype=wp.vec3),
                    wp.from_torch(table, dtype=wp.vec2),
                    wp.from_torch(resolutions),
                ],
                outputs=[wp.from_torch(features[part], dtype=wp.vec2)],
                device=wp.device_from_torch(x.device),
            )

        each_slice(len(x), x.device, run)
        ctx.save_for_backward(x, table, resolutions)
        return features.flatten(1)

    @staticmethod
    def backward(ctx, gradient):
        x, table, resolutions = ctx.saved_tensors
        table_gradient = torch.zeros_like(table)
        gradient = gradient.float().contiguous().view(len(x), len(table), 2)
        # As many groups of levels whatever the cores, so that sums come out the same everywhere.
        groups = min(GROUPS, len(table)) if x.device.type == "cpu" and len(x) > WORTH_IT else 1
        edges = [len(table) * n // groups for n in range(groups + 1)]
        x_gradients = torch.empty(groups, *x.shape, device=x.device)

        def run(part: slice) -> None:  # a level's entries are written by one thread alone
            for n in range(part.start, part.stop):
                levels = slice(edges[n], edges[n + 1])
                wp.launch(
                    _encode_backward,
                    dim=len(x),
                    inputs=[
                        wp.from_torch(x, dtype=wp.vec3),
                        wp.from_torch(table[levels], dtype=wp.vec2),
                        wp.from_torch(resolutions[levels]),
                        wp.from_torch(gradient, dtype=wp.vec2),
                        levels.start,
                    ],
                    outputs=[
                        wp.from_torch(x_gradients[n], dtype=wp.vec3),
                        wp.from_torch(table_gradient[levels], dtype=wp.vec2),
                    ],
                    device=wp.device_from_torch(x.device),
                )

        each_slice(groups, x.device, run, worth_it=2)
        return x_gradients.sum(0), table_gradient, None


def hash_encode(x: Tensor, table: Tensor, resolutions: Tensor) -> Tensor:
    """Interpolated features of points in the unit cube.

    Differentiable with respect to x (piecewise, no gradient through the choice of cell) and table.

    Args:
        x: [S, 3] float32 in 0…1; outside, the border cell is extrapolated.
        table: [L, T, 2] float32.
        resolutions: [L] int32, cells along each axis.

    Returns:
        [S, 2 L] float32.
    """
    return _HashEncode.apply(x, table, resolutions)
