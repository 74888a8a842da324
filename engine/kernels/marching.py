# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples along rays, only where canonical space is expected to hold something.

Each frame has a coarse grid. Its empty cells are skipped whole by stepping to their far wall
(Amanatides & Woo); in the others every sample is first brought to canonical space by the cell's own
affine guess and looked up there, which costs far less than the nearest-point query it saves.
Steps are even in metres.

With a budget of samples per ray, runs of steps are joined into strata, one sample in each: short
ones where the expected weight is gathered, long ones elsewhere (the fine samples of NeRF §5.2, with
the occupancy's densities in the place of a coarse net). Rays then end where they are expected to be
hidden; without a budget, where they surely are.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
import warp as wp
from torch import Tensor

from .lattice import cell_of
from .threads import each_slice

MAX_STEPS = 4096
SPARE = 2  # samples beyond its budget that a ray may have: rounding, and an open last stratum
RAYS_WORTH_IT = 256  # rays below which a second thread costs more than it gives
EMPTY, DARK = -1, -2  # in place of a cell's row: skipped; ends the ray
HIDDEN = 25.0  # optical depth behind which nothing is seen
UNKNOWN = wp.constant(60.0)  # 1/m, expected where a cell's guess cannot be trusted
CLOSE = wp.constant(0.9999)  # of a sample's share: rounding must not leave single steps open
EVEN = wp.constant(0.4)  # share of a budget that is spent evenly, whatever is expected
SPREAD, MIX = wp.constant(wp.uint32(2654435769)), wp.constant(wp.uint32(2246822519))  # of a hash


@wp.struct
class Cells:
    """The coarse grids of N frames, and where each cell lies in canonical space."""

    low: wp.array(dtype=wp.vec3)
    cell: wp.float32
    row: wp.array4d(dtype=wp.int32)
    landing: wp.array(dtype=wp.vec3)
    turn: wp.array(dtype=wp.mat33)
    smooth: wp.array(dtype=wp.uint8)
    occupied: wp.array3d(dtype=wp.uint8)
    density: wp.array3d(dtype=wp.float32)
    sure: wp.array3d(dtype=wp.float32)
    canonical_low: wp.vec3
    canonical_size: wp.float32


@wp.func
def _expected(cells: Cells, row: wp.int32, off: wp.vec3):
    """Density there is and that is sure (1/m) where `off` from a cell's centre should land.

    Both are −1 where nothing is.
    """
    u = (cells.landing[row] + cells.turn[row] @ off - cells.canonical_low) / cells.canonical_size
    g = cells.occupied.shape[0]
    c = cell_of(u * wp.float32(g), wp.vec3i(g, g, g))
    if cells.occupied[c[0], c[1], c[2]] == wp.uint8(0):
        return wp.vec2(-1.0)
    return wp.vec2(cells.density[c[0], c[1], c[2]], cells.sure[c[0], c[1], c[2]])


@wp.func
def crossing(o: wp.vec3, d: wp.vec3, size: wp.vec3i):
    """Depths at which the ray o + t d (in cells) enters a grid, no less than 0, and leaves it."""
    near = wp.float32(0.0)
    far = wp.float32(1.0e8)
    for axis in range(3):
        inverse = 1.0 / wp.where(wp.abs(d[axis]) > 1.0e-9, d[axis], 1.0e-9)
        t0 = -o[axis] * inverse
        t1 = (wp.float32(size[axis]) - o[axis]) * inverse
        near = wp.max(near, wp.min(t0, t1))
        far = wp.min(far, wp.max(t0, t1))
    return near, far


@wp.func
def far_wall(o: wp.vec3, d: wp.vec3, cell: wp.vec3i, far: wp.float32):
    """Depth at which the ray o + t d (in cells) leaves a cell, at most `far`."""
    leave = far
    for axis in range(3):
        if wp.abs(d[axis]) > 1.0e-9:
            wall = wp.float32(cell[axis]) + wp.where(d[axis] > 0.0, 1.0, 0.0)
            leave = wp.min(leave, (wall - o[axis]) / d[axis])
    return leave


@wp.func
def _chance(seed: wp.uint32, k: wp.int32):
    """A hash of a ray's seed and a step's number, in 0…1."""
    h = (seed ^ (wp.uint32(k) * wp.uint32(19349663))) * SPREAD
    h = (h ^ (h >> wp.uint32(15))) * MIX
    return wp.float32((h ^ (h >> wp.uint32(13))) & wp.uint32(16777215)) / 16777216.0


@wp.kernel
def _march(
    origins: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    frame: wp.array(dtype=wp.int32),
    jitter: wp.array(dtype=wp.float32),
    cells: Cells,
    step: wp.float32,
    budget: wp.int32,
    task: wp.int32,
    start: wp.array(dtype=wp.int32),
    steps: wp.array(dtype=wp.int32),
    gathered: wp.array(dtype=wp.float32),
    count: wp.array(dtype=wp.int32),
    depth: wp.array(dtype=wp.float32),
    length: wp.array(dtype=wp.float32),
):
    # The same walk for both tasks: 0 counts a ray's steps and gathers their expected weights, 1
    # writes its samples and counts them.
    r = wp.tid()
    n = frame[r]
    seed = wp.uint32(jitter[r] * 16777216.0)
    even = wp.float32(1.0)  # of a step's share in the budget
    peaked = wp.float32(0.0)
    if task > 0 and budget > 0 and steps[r] > budget:
        even = EVEN * wp.float32(budget) / wp.float32(steps[r])
        peaked = (1.0 - EVEN) * wp.float32(budget) / wp.max(gathered[r], 1.0e-6)
    share = wp.float32(0.0)  # of the budget, gathered in the open stratum
    joined = wp.int32(0)  # steps in it
    chosen = wp.float32(0.0)  # one of their depths
    samples = wp.int32(0)
    o = (origins[r] - cells.low[n]) / cells.cell  # in cells
    d = directions[r] / cells.cell
    size = wp.vec3i(cells.row.shape[1], cells.row.shape[2], cells.row.shape[3])
    near, far = crossing(o, d, size)
    stride = step / wp.length(directions[r])
    found = wp.int32(0)
    weights = wp.float32(0.0)
    passed = wp.float32(0.0)  # expected optical depth so far …
    covered = wp.float32(0.0)  # … and what of it is sure
    k = wp.float32(0.0)
    for _ in range(MAX_STEPS):
        t = near + (k + jitter[r]) * stride
        if t >= far:
            break
        p = o + t * d
        cell = cell_of(p, size)
        row = cells.row[n, cell[0], cell[1], cell[2]]
        if row == DARK:
            break
        if row >= 0:
            known = wp.vec2(0.0)
            density = UNKNOWN
            if cells.smooth[row] > wp.uint8(0):
                known = _expected(cells, row, (p - wp.vec3(cell) - wp.vec3(0.5)) * cells.cell)
                density = known[0]
            if density >= 0.0:
                weight = wp.exp(-passed) * (1.0 - wp.exp(-density * step))
                weights += weight
                joined += 1
                if _chance(seed, found) * wp.float32(joined) < 1.0:
                    chosen = t
                found += 1
                share += even + peaked * weight
                if share >= CLOSE:
                    if task == 1:
                        depth[start[r] + samples] = chosen
                        length[start[r] + samples] = wp.float32(joined) * step
                    samples += 1
                    share = wp.max(share - 1.0, 0.0)
                    joined = 0
                passed += known[0] * step
                covered += known[1] * step
                if wp.where(budget > 0, passed, covered) > HIDDEN:
                    break
            k += 1.0
        else:
            leave = far_wall(o, d, cell, far)
            k = wp.max(k + 1.0, wp.ceil((leave - near) / stride - jitter[r]))
    if joined > 0:
        if task == 1:
            depth[start[r] + samples] = chosen
            length[start[r] + samples] = wp.float32(joined) * step
        samples += 1
    if task == 0:
        steps[r] = found
        gathered[r] = weights
    count[r] = samples


@dataclass(frozen=True)
class CellMap:
    """The coarse grids of N frames, K cells in all, each with an affine guess of where it lands."""

    low: Tensor  # [N, 3] m, lower corners of the grids
    cell: float  # m, edge of a cell
    row: Tensor  # [N, X, Y, Z] int32 into the K cells; EMPTY is skipped, DARK ends the ray
    landing: Tensor  # [K, 3] m, canonical position of the cell's centre
    turn: Tensor  # [K, 3, 3] canonical_from_posed around it
    smooth: Tensor  # [K] uint8, 0 where the guess is not to be trusted: all of the cell is sampled
    distance: Tensor  # [K] m, of the centre to the posed skin
    occupied: Tensor  # [G, G, G] uint8, where canonical space may hold something
    density: Tensor  # [G, G, G] 1/m, how much of it, at the densest
    sure: Tensor  # [G, G, G] 1/m, how much of it surely is in the way
    canonical_low: Tensor  # [3] m
    canonical_size: float  # m

    @cached_property
    def warp(self) -> Cells:
        """The same as a kernel's argument."""
        cells = Cells()
        cells.low = wp.from_torch(self.low.contiguous(), dtype=wp.vec3)
        cells.cell = self.cell
        cells.row = wp.from_torch(self.row.contiguous())
        cells.landing = wp.from_torch(self.landing.contiguous(), dtype=wp.vec3)
        cells.turn = wp.from_torch(self.turn.contiguous(), dtype=wp.mat33)
        cells.smooth = wp.from_torch(self.smooth.contiguous())
        cells.occupied = wp.from_torch(self.occupied.contiguous())
        cells.density = wp.from_torch(self.density.contiguous())
        cells.sure = wp.from_torch(self.sure.contiguous())
        cells.canonical_low = wp.vec3(*self.canonical_low.tolist())
        cells.canonical_size = self.canonical_size
        return cells


def march(
    origins: Tensor,
    directions: Tensor,
    frame: Tensor,
    jitter: Tensor,
    cells: CellMap,
    step: float,
    budget: int = 0,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Place samples along rays wherever they may hold something. Not differentiable.

    Args:
        origins: [R, 3] m.
        directions: [R, 3] of camera depth one, so that t is planar depth in metres.
        frame: [R] int32 into the N grids.
        jitter: [R] in 0…1, where in its step each ray samples, and the seed of its choices.
        cells: the coarse grids of the N frames.
        step: m along the ray.
        budget: samples per ray, about; 0 takes every step.

    Returns:
        ray_index [S] int32, t [S] m and the length [S] m that each sample stands for, samples of a
        ray together and front to back; ray_start [R] and ray_count [R] int32.
    """
    device = origins.device
    rays = len(origins)
    start, steps, count = (torch.zeros(rays, dtype=torch.int32, device=device) for _ in range(3))
    gathered = torch.zeros(rays, device=device)
    vectors = [origins.contiguous(), directions.contiguous()]
    scalars = [frame.contiguous(), jitter.contiguous()]
    grids = cells.warp

    def launch(task: int, depth: Tensor, length: Tensor) -> None:
        def run(part: slice) -> None:
            wp.launch(
                _march,
                dim=part.stop - part.start,
                inputs=[
                    *(wp.from_torch(vector[part], dtype=wp.vec3) for vector in vectors),
                    *(wp.from_torch(scalar[part]) for scalar in scalars),
                    grids,
                    step,
                    budget,
                    task,
                    wp.from_torch(start[part]),
                ],
                outputs=[
                    *(wp.from_torch(array[part]) for array in (steps, gathered, count)),
                    wp.from_torch(depth),
                    wp.from_torch(length),
                ],
                device=wp.device_from_torch(device),
            )

        each_slice(rays, device, run, worth_it=RAYS_WORTH_IT)

    nowhere = torch.zeros(1, device=device)
    launch(0, nowhere, nowhere)
    room = steps.clamp(max=budget + SPARE) if budget else steps  # what a ray may write
    start.copy_(torch.cumsum(room, 0) - room)
    total = int(room.sum())
    depth, length = torch.zeros(total, device=device), torch.zeros(total, device=device)
    if total:
        launch(1, depth, length)
    ray_index = torch.repeat_interleave(torch.arange(rays, device=device), room.long())
    if budget:
        place = torch.arange(total, device=device) - start[ray_index]
        written = (place < count[ray_index]).nonzero()[:, 0]
        ray_index, depth, length = ray_index[written], depth[written], length[written]
        start.copy_(torch.cumsum(count, 0) - count)
    return ray_index.int(), depth, length, start, count
