# SPDX-License-Identifier: GPL-3.0-or-later
"""Lattices and the preview's march again in plain torch, ray by ray, for the tests."""

import math

import torch
from torch import Tensor

from .posed_cells import DARK, EMPTY, ROUGH, PosedCells
from .preview import BRICK, CLEAR, COUNTS, FAINT, LOG_HIGH, LOG_LOW, OPAQUE, CanonicalCells
from .reference import inverse_skin, nearest


def corners(p: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """The 8 nodes [8, 3] around p [3] in a grid of `size` [3] cells, and their weights [8]."""
    base = p.floor().long().clamp(torch.zeros(3, dtype=torch.long), size - 1)
    f = (p - base).clamp(0, 1)
    d = torch.tensor([[c & 1, c >> 1 & 1, c >> 2] for c in range(8)])
    return base + d, torch.where(d == 1, f, 1 - f).prod(1)


def interpolate(u: Tensor, row: Tensor, values: Tensor) -> Tensor:
    """See `lattice.interpolate`."""
    cells = torch.tensor(row.shape) - 1
    result = torch.zeros(len(u), values.shape[1])
    for i in range(len(u)):
        at, w = corners(u[i] * cells, cells)
        rows = row[tuple(at.unbind(1))].long()
        known = rows >= 0
        if w[known].sum() > 0:
            result[i] = (w[known, None] * values[rows[known]]).sum(0) / w[known].sum()
    return result


def landing(posed: PosedCells, x: Tensor, p: Tensor, state: int) -> tuple[Tensor, float]:
    """Canonical position [3] m of x [3] m, at p [3] in cells, and its distance to the skin."""
    if state != ROUGH:
        at, w = corners(p, torch.tensor(posed.state.shape))
        y = (w[:, None] * posed.node[tuple(at.unbind(1))]).sum(0)
        return y[:3], float(y[3])
    face, bary, distance = nearest(posed.vertices, posed.faces, x[None])
    if distance[0] > posed.shell:
        return x, torch.inf
    zero = torch.zeros(1, dtype=torch.long)
    y, _ = inverse_skin(
        x[None], zero, face, bary, posed.faces, posed.weights, posed.transforms, posed.canonical,
        posed.offsets,
    )  # fmt: skip
    return y[0], float(distance[0])


def look_up(canonical: CanonicalCells, u: Tensor) -> Tensor:
    """Density (1/m) and colour [4] at u [3]; nothing where there is no brick."""
    cells = torch.tensor(canonical.brick.shape) * BRICK
    cell = (u * cells).floor().long().clamp(torch.zeros(3, dtype=torch.long), cells - 1)
    row = int(canonical.brick[tuple(cell // BRICK)])
    if row < 0:
        return torch.zeros(4)
    at, w = corners(u * cells, cells)
    local = at - cell // BRICK * BRICK
    index = (local[:, 0] * (BRICK + 1) + local[:, 1]) * (BRICK + 1) + local[:, 2]
    level = (w[:, None] * canonical.nodes[row, index].float()).sum(0) / 255
    density = torch.exp(LOG_LOW + level[0] * (LOG_HIGH - LOG_LOW))
    return torch.cat([density[None], level[1:]])


def seen_samples(
    origin: Tensor, direction: Tensor, jitter: float, posed: PosedCells,
    canonical: CanonicalCells, step: float,
) -> list[tuple[float, Tensor, Tensor]]:  # fmt: skip
    """Depth, point of the unit cube and (density, colour) of each step of a ray that counts."""
    size = torch.tensor(posed.state.shape)
    o, d = (origin - posed.low) / posed.cell, direction / posed.cell
    walls = torch.stack([-o / d, (size - o) / d])
    near, far = walls.min(0).values.max().clamp_min(0), walls.max(0).values.min()
    stride = step / direction.norm()
    found = []
    for k in range(max(int((far - near) / stride) + 1, 0)):
        t = near + (k + jitter) * stride
        p = o + t * d
        cell = p.floor().long().clamp(torch.zeros(3, dtype=torch.long), size - 1)
        state = int(posed.state[tuple(cell)])
        if t >= far or state == DARK:
            break
        if state == EMPTY:
            continue
        y, distance = landing(posed, origin + t * direction, p, state)
        u = (y - canonical.low) / canonical.size
        g = canonical.occupied.shape[0]
        at = tuple((u * g).floor().long().clamp(0, g - 1))
        if not canonical.occupied[at] or abs(canonical.clearance[at]) < distance - canonical.tear:
            continue
        moved = u + interpolate(u[None], canonical.row, canonical.offset)[0]
        found.append((float(t), u, look_up(canonical, moved)))
    return found


def march_preview(
    origins: Tensor, directions: Tensor, jitter: Tensor, posed: PosedCells,
    canonical: CanonicalCells, step: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """See `preview.march_preview`."""
    count, parts = len(origins), canonical.parts.shape[1]
    values, alpha = torch.zeros(count, 3 + parts), torch.zeros(count)
    depth = torch.full((count,), torch.inf)
    for r in range(count):
        left, looked, due, told, reached = 1.0, 0.0, 0.0, 0.0, []
        ray = origins[r], directions[r], float(jitter[r])
        for t, u, v in seen_samples(*ray, posed, canonical, step):
            optical = float(v[0]) * step
            w = left * (1 - math.exp(-optical))
            reached.append((t, left, optical))
            left -= w
            if w > FAINT:
                tint = interpolate(u[None], canonical.row, canonical.tint)[0]
                values[r, :3] += w * (v[1:] + tint).clamp(0, 1)
                told += w
            due += w
            if due > COUNTS:
                cells = torch.tensor(canonical.row.shape) - 1
                at, share = corners(u * cells, cells)
                rows = canonical.row[tuple(at.unbind(1))].long()
                some = rows >= 0
                values[r, 3:] += due * (share[some, None] * canonical.parts[rows[some]]).sum(0)
                looked, due = looked + due, 0.0
            if left < OPAQUE:
                break
        alpha[r] = 1 - left
        values[r, :3] *= float(alpha[r]) / told if told else 0
        values[r, 3:] *= float(alpha[r]) / looked if looked else 0
        sought = 0.5 if alpha[r] > 0.98 else 0.5 * float(alpha[r])
        if alpha[r] > CLEAR:
            stride = step / float(directions[r].norm())
            depth[r] = next(
                t + (math.log(before / (1 - sought)) / optical - 0.5) * stride
                for t, before, optical in reached
                if before * math.exp(-optical) <= 1 - sought
            )
    return values, alpha, depth
