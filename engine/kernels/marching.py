# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples along rays, only in the occupied cells of a coarse grid per frame.

Steps are even in metres. Cells are skipped whole by stepping to their far wall (Amanatides & Woo).
"""

import torch
import warp as wp
from torch import Tensor

MAX_STEPS = 4096
STOP = 255  # the value of a cell in which rays end


@wp.func
def _walk(
    r: wp.int32,
    origins: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    frame: wp.array(dtype=wp.int32),
    jitter: wp.array(dtype=wp.float32),
    low: wp.array(dtype=wp.vec3),
    cell: wp.float32,
    occupied: wp.array4d(dtype=wp.uint8),
    step: wp.float32,
    write: wp.int32,
    start: wp.int32,
    ray_index: wp.array(dtype=wp.int32),
    depth: wp.array(dtype=wp.float32),
):
    n = frame[r]
    o = (origins[r] - low[n]) / cell  # in cells
    d = directions[r] / cell
    size = wp.vec3i(occupied.shape[1], occupied.shape[2], occupied.shape[3])
    near = wp.float32(0.0)
    far = wp.float32(1.0e8)
    for axis in range(3):
        inverse = 1.0 / wp.where(wp.abs(d[axis]) > 1.0e-9, d[axis], 1.0e-9)
        t0 = -o[axis] * inverse
        t1 = (wp.float32(size[axis]) - o[axis]) * inverse
        near = wp.max(near, wp.min(t0, t1))
        far = wp.min(far, wp.max(t0, t1))
    stride = step / wp.length(directions[r])
    found = wp.int32(0)
    k = wp.float32(0.0)
    for _ in range(MAX_STEPS):
        t = near + (k + jitter[r]) * stride
        if t >= far:
            return found
        p = o + t * d
        ix = wp.clamp(wp.int32(p[0]), 0, size[0] - 1)
        iy = wp.clamp(wp.int32(p[1]), 0, size[1] - 1)
        iz = wp.clamp(wp.int32(p[2]), 0, size[2] - 1)
        cell_value = occupied[n, ix, iy, iz]
        if cell_value == wp.uint8(STOP):
            return found
        if cell_value > wp.uint8(0):
            if write == 1:
                ray_index[start + found] = r
                depth[start + found] = t
            found += 1
            k += 1.0
        else:
            leave = far
            corner = wp.vec3(wp.float32(ix), wp.float32(iy), wp.float32(iz))
            for axis in range(3):
                if wp.abs(d[axis]) > 1.0e-9:
                    wall = corner[axis] + wp.where(d[axis] > 0.0, 1.0, 0.0)
                    leave = wp.min(leave, (wall - o[axis]) / d[axis])
            k = wp.max(k + 1.0, wp.ceil((leave - near) / stride - jitter[r]))
    return found


@wp.kernel
def _march(
    origins: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    frame: wp.array(dtype=wp.int32),
    jitter: wp.array(dtype=wp.float32),
    low: wp.array(dtype=wp.vec3),
    cell: wp.float32,
    occupied: wp.array4d(dtype=wp.uint8),
    step: wp.float32,
    write: wp.int32,
    start: wp.array(dtype=wp.int32),
    count: wp.array(dtype=wp.int32),
    ray_index: wp.array(dtype=wp.int32),
    depth: wp.array(dtype=wp.float32),
):
    r = wp.tid()
    count[r] = _walk(
        r,
        origins,
        directions,
        frame,
        jitter,
        low,
        cell,
        occupied,
        step,
        write,
        start[r],
        ray_index,
        depth,
    )


def march(
    origins: Tensor,
    directions: Tensor,
    frame: Tensor,
    jitter: Tensor,
    low: Tensor,
    cell: float,
    occupied: Tensor,
    step: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Place samples along rays wherever the frame's grid is occupied. Not differentiable.

    Args:
        origins: [R, 3] m.
        directions: [R, 3] of camera depth one, so that t is planar depth in metres.
        frame: [R] int32 into the N grids.
        jitter: [R] in 0…1, where in its step each ray samples.
        low: [N, 3] m, the grids' lower corners.
        cell: edge of a cell, m.
        occupied: [N, X, Y, Z] uint8: 0 is skipped, `STOP` ends the ray, others are sampled.
        step: m along the ray.

    Returns:
        ray_index [S] int32 and t [S] m, samples of a ray together and front to back; ray_start [R]
        and ray_count [R] int32.
    """
    device = origins.device
    rays = len(origins)
    start = torch.zeros(rays, dtype=torch.int32, device=device)
    count = torch.zeros(rays, dtype=torch.int32, device=device)
    inputs = [
        wp.from_torch(origins.contiguous(), dtype=wp.vec3),
        wp.from_torch(directions.contiguous(), dtype=wp.vec3),
        wp.from_torch(frame.contiguous()),
        wp.from_torch(jitter.contiguous()),
        wp.from_torch(low.contiguous(), dtype=wp.vec3),
        cell,
        wp.from_torch(occupied.contiguous()),
        step,
    ]

    def launch(write: int, ray_index: Tensor, depth: Tensor) -> None:
        wp.launch(
            _march,
            dim=rays,
            inputs=[*inputs, write, wp.from_torch(start)],
            outputs=[wp.from_torch(count), wp.from_torch(ray_index), wp.from_torch(depth)],
            device=wp.device_from_torch(device),
        )

    nothing = torch.zeros(1, dtype=torch.int32, device=device), torch.zeros(1, device=device)
    launch(0, *nothing)
    start.copy_(torch.cumsum(count, 0) - count)
    total = int(count.sum())
    ray_index = torch.zeros(total, dtype=torch.int32, device=device)
    depth = torch.zeros(total, device=device)
    if total:
        launch(1, ray_index, depth)
    return ray_index, depth, start, count
