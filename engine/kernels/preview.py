# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture from a baked canonical grid in one pass: march, unpose, look up, composite.

Steps are those of `marching.march`; posed space is cut into `posed_cells`.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
import warp as wp
from torch import Tensor

from .landing import may_hold
from .lattice import cell_of, corner_of, fraction_of, place_in_cube
from .marching import crossing, far_wall
from .posed_cells import DARK, EMPTY, Posed, PosedCells, landing_of

BRICK = 8  # cells along a brick's edge
LOG_LOW, LOG_HIGH = -2.0, 9.0  # natural logarithm of the density (1/m) at levels 0 and 255
OPAQUE = 0.003  # transmittance below which the rest of a ray is left out
CLEAR = 0.02  # alpha below which a ray has no depth
COUNTS = 0.01  # weight gathered between two looks at the parts
FAINT = 3e-4  # weight below which a step's colour is left out
MAX_STEPS = 8192

_SIDE = wp.constant(BRICK + 1)
_LOG_LOW, _LOG_STEP = wp.constant(LOG_LOW), wp.constant((LOG_HIGH - LOG_LOW) / 255.0)


@wp.struct
class Canonical:
    """What canonical space holds."""

    low: wp.vec3
    size: wp.float32
    tear: wp.float32
    occupied: wp.array3d(dtype=wp.uint8)
    clearance: wp.array3d(dtype=wp.float32)
    brick: wp.array3d(dtype=wp.int32)
    nodes: wp.array2d(dtype=wp.vec4ub)
    row: wp.array3d(dtype=wp.int32)
    parts: wp.array2d(dtype=wp.float32)
    offset: wp.array(dtype=wp.vec3)
    tint: wp.array(dtype=wp.vec3)


@wp.func
def _look_up(canonical: Canonical, u: wp.vec3):
    """Density (1/m) and colour; nothing where there is no brick."""
    cell, f = place_in_cube(u, canonical.brick.shape[0] * BRICK)
    row = canonical.brick[cell[0] // BRICK, cell[1] // BRICK, cell[2] // BRICK]
    if row < 0:
        return wp.vec4(0.0)
    local = wp.vec3i(cell[0] % BRICK, cell[1] % BRICK, cell[2] % BRICK)
    total = wp.vec4(0.0)
    for corner in range(8):
        at, w = corner_of(local, f, corner)
        v = canonical.nodes[row, (at[0] * _SIDE + at[1]) * _SIDE + at[2]]
        total += w * wp.vec4(wp.float32(v[0]), wp.float32(v[1]), wp.float32(v[2]), wp.float32(v[3]))
    return wp.vec4(
        wp.exp(_LOG_LOW + total[0] * _LOG_STEP), total[1] / 255.0, total[2] / 255.0,
        total[3] / 255.0,
    )  # fmt: skip


@wp.func
def _vector_at(canonical: Canonical, base: wp.vec3i, f: wp.vec3, values: wp.array(dtype=wp.vec3)):
    """Values of the lattice, interpolated between the nodes that there are; zero without any."""
    total = wp.vec3(0.0)
    known = wp.float32(0.0)
    for corner in range(8):
        at, share = corner_of(base, f, corner)
        row = canonical.row[at[0], at[1], at[2]]
        if row >= 0:
            total += share * values[row]
            known += share
    return total / wp.max(known, 1.0e-6)


@wp.func
def _add_parts(canonical: Canonical, base: wp.vec3i, f: wp.vec3, w: wp.float32, r: wp.int32,
               values: wp.array2d(dtype=wp.float32)):  # fmt: skip
    """Add w times the lattice's part weights to a ray's values."""
    for corner in range(8):
        at, share = corner_of(base, f, corner)
        row = canonical.row[at[0], at[1], at[2]]
        if row >= 0:
            for c in range(canonical.parts.shape[1]):
                values[r, 3 + c] = values[r, 3 + c] + w * share * canonical.parts[row, c]


@wp.kernel
def _preview(
    origins: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    jitter: wp.array(dtype=wp.float32),
    posed: Posed,
    canonical: Canonical,
    step: wp.float32,
    values: wp.array2d(dtype=wp.float32),
    alpha: wp.array(dtype=wp.float32),
    depth: wp.array(dtype=wp.float32),
):
    r = wp.tid()
    size = wp.vec3i(posed.state.shape[0], posed.state.shape[1], posed.state.shape[2])
    o = (origins[r] - posed.low) / posed.cell  # in fine cells
    d = directions[r] / posed.cell
    near, far = crossing(o, d, size)
    stride = step / wp.length(directions[r])
    sought = wp.float32(0.5)  # alpha at which the depth is taken: half of all there is
    for attempt in range(2):
        left = wp.float32(1.0)  # transmittance
        looked = wp.float32(0.0)  # weight whose parts were looked up …
        due = wp.float32(0.0)  # … and that will be with the next look
        told = wp.float32(0.0)  # weight whose colour was added
        colour = wp.vec3(0.0)
        where = wp.float32(-1.0)
        k = wp.float32(0.0)
        for _ in range(MAX_STEPS):
            t = near + (k + jitter[r]) * stride
            if t >= far:
                break
            p = o + t * d
            cell = cell_of(p, size)
            state = posed.state[cell[0], cell[1], cell[2]]
            if state == wp.uint8(DARK):
                break
            if state == wp.uint8(EMPTY):
                leave = far_wall(o, d, cell, far)
                k = wp.max(k + 1.0, wp.ceil((leave - near) / stride - jitter[r]))
                continue
            k += 1.0
            x = origins[r] + t * directions[r]
            y = landing_of(posed, x, cell, fraction_of(p, cell), state)
            u = (wp.vec3(y[0], y[1], y[2]) - canonical.low) / canonical.size
            if not may_hold(canonical.occupied, canonical.clearance, canonical.tear, u, y[3]):
                continue
            base, f = place_in_cube(u, canonical.row.shape[0] - 1)
            v = _look_up(canonical, u + _vector_at(canonical, base, f, canonical.offset))
            w = left * (1.0 - wp.exp(-v[0] * step))
            if where < 0.0 and 1.0 - left + w >= sought:  # within this step
                share = wp.log(left / (1.0 - sought)) / (v[0] * step)
                where = t + (wp.min(share, 1.0) - 0.5) * stride
            left -= w
            if attempt == 0:
                if w > FAINT:
                    tint = _vector_at(canonical, base, f, canonical.tint)
                    for c in range(3):
                        colour[c] += w * wp.clamp(v[1 + c] + tint[c], 0.0, 1.0)
                    told += w
                due += w
                if due > COUNTS:
                    _add_parts(canonical, base, f, due, r, values)
                    looked += due
                    due = 0.0
            elif where >= 0.0:
                break
            if left < OPAQUE:
                break
        if attempt == 0:
            alpha[r] = 1.0 - left
            if told > 0.0:
                for c in range(3):
                    values[r, c] = colour[c] * (1.0 - left) / told
            if looked > 0.0:
                for c in range(canonical.parts.shape[1]):
                    values[r, 3 + c] = values[r, 3 + c] * (1.0 - left) / looked
        if where >= 0.0 and alpha[r] > CLEAR:
            depth[r] = where
        if alpha[r] <= CLEAR or alpha[r] > 0.98:
            break
        sought = 0.5 * alpha[r]


@dataclass(frozen=True)
class CanonicalCells:
    """What canonical space holds, and how one frame moves and colours it: grids over a cube."""

    low: Tensor  # [3] m
    size: float  # m
    tear: float  # m, by which a point must have come closer to the skin to count as torn
    occupied: Tensor  # [G, G, G] uint8
    clearance: Tensor  # [G, G, G] float32 m, distance to the canonical skin
    brick: Tensor  # [B, B, B] int32 into K bricks, −1 where there is nothing
    nodes: Tensor  # [K, 9³, 4] uint8: level of the log density, colour
    row: Tensor  # [n + 1, n + 1, n + 1] int32 into the M nodes of a lattice, −1 where there is none
    parts: Tensor  # [M, H] part weights
    offset: Tensor  # [M, 3] of the unit cube, added to a point before it is looked up
    tint: Tensor  # [M, 3] added to the colour there

    @cached_property
    def warp(self) -> Canonical:
        """The same as a kernel's argument."""
        canonical = Canonical()
        canonical.low, canonical.size = wp.vec3(*self.low.tolist()), self.size
        canonical.tear = self.tear
        for name in ("occupied", "clearance", "brick", "row", "parts"):
            setattr(canonical, name, wp.from_torch(getattr(self, name).contiguous()))
        canonical.nodes = wp.from_torch(self.nodes.contiguous(), dtype=wp.vec4ub)
        for name in ("offset", "tint"):
            vectors = wp.from_torch(getattr(self, name).contiguous(), dtype=wp.vec3)
            setattr(canonical, name, vectors)
        return canonical


def march_preview(
    origins: Tensor,
    directions: Tensor,
    jitter: Tensor,
    posed: PosedCells,
    canonical: CanonicalCells,
    step: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """What rays see of the baked grid, on a CPU by one core. Not differentiable.

    Args:
        origins: [R, 3] m.
        directions: [R, 3] of camera depth one.
        jitter: [R] in 0…1, where in its step each ray samples.
        posed: the frame.
        canonical: the avatar.
        step: m along the ray.

    Returns:
        values [R, 3 + H], colour and part weights times alpha; alpha [R]; depth [R] m, where half
        of alpha is gathered, inf where there is nothing.
    """
    device = origins.device
    values = torch.zeros(len(origins), 3 + canonical.parts.shape[1], device=device)
    alpha = torch.zeros(len(origins), device=device)
    depth = torch.full((len(origins),), torch.inf, device=device)
    if len(origins):
        wp.launch(
            _preview,
            dim=len(origins),
            inputs=[
                wp.from_torch(origins.contiguous(), dtype=wp.vec3),
                wp.from_torch(directions.contiguous(), dtype=wp.vec3),
                wp.from_torch(jitter), posed.warp, canonical.warp, step,
            ],
            outputs=[wp.from_torch(array) for array in (values, alpha, depth)],
            device=wp.device_from_torch(device),
        )  # fmt: skip
    return values, alpha, depth
