# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernels again in plain torch: slow, readable, any precision. What the tests hold them to."""

import torch
from torch import Tensor

from .landing import PosedHeads
from .marching import CLOSE, DARK, EVEN, HIDDEN, UNKNOWN, CellMap

PRIMES = (1, 2654435761, 805459861)


def nearest(vertices: Tensor, faces: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Nearest point on a mesh by trying every triangle (Ericson 2005, §5.1.5, by regions).

    Args:
        vertices: [V, 3].
        faces: [F, 3].
        x: [S, 3].

    Returns:
        face [S], barycentrics [S, 3], distance [S].
    """
    a, b, c = (vertices[faces[:, i].long()] for i in range(3))  # [F, 3]
    p = x[:, None]  # [S, 1, 3]
    normal = torch.linalg.cross(b - a, c - a)
    area = (normal * normal).sum(-1).clamp_min(1e-30)
    plane = p - ((p - a) * normal).sum(-1, keepdim=True) / area[:, None] * normal  # [S, F, 3]
    u = (torch.linalg.cross((c - b)[None], plane - b) * normal).sum(-1) / area
    v = (torch.linalg.cross((a - c)[None], plane - c) * normal).sum(-1) / area
    inside = torch.stack([u, v, 1 - u - v], -1)  # [S, F, 3]
    candidates = [
        torch.where((inside >= 0).all(-1, keepdim=True), inside, torch.full_like(inside, torch.inf))
    ]
    for i, j in ((0, 1), (1, 2), (2, 0)):
        p0, p1 = (a, b, c)[i], (a, b, c)[j]
        t = ((p - p0) * (p1 - p0)).sum(-1) / ((p1 - p0) ** 2).sum(-1).clamp_min(1e-30)
        bary = torch.zeros_like(inside)
        bary[..., j] = t.clamp(0, 1)
        bary[..., i] = 1 - bary[..., j]
        candidates.append(bary)
    bary = torch.stack(candidates, 2)  # [S, F, 4, 3]
    points = torch.einsum("sfkb,bfc->sfkc", bary, torch.stack([a, b, c]))
    distance = torch.nan_to_num(
        (points - x[:, None, None]).norm(dim=-1), nan=torch.inf
    )  # [S, F, 4]
    best = distance.flatten(1).argmin(1)
    rows = torch.arange(len(x))
    return best // 4, bary.flatten(1, 2)[rows, best], distance.flatten(1)[rows, best]


def inverse_skin(
    x: Tensor,
    frame: Tensor,
    face: Tensor,
    bary: Tensor,
    faces: Tensor,
    weights: Tensor,
    transforms: Tensor,
    canonical: Tensor,
    offsets: Tensor,
) -> tuple[Tensor, Tensor]:
    """See `inverse_skinning.inverse_skin`."""
    frame, corners = frame.long(), faces[face.long()].long()  # [S], [S, 3]
    w = (bary[..., None] * weights[corners]).sum(1)  # [S, J]
    posed = torch.einsum("sj,sjab->sab", w, transforms[frame])  # [S, 3, 4]
    repose = torch.einsum("sj,jab->sab", w, canonical)
    offset = (bary[..., None] * offsets[frame[:, None], corners]).sum(1)  # [S, 3]
    inverse = torch.linalg.inv(posed[..., :3])
    rest = (inverse @ (x - posed[..., 3])[..., None])[..., 0] - offset
    x_canonical = (repose[..., :3] @ rest[..., None])[..., 0] + repose[..., 3]
    return x_canonical, (repose[..., :3] @ inverse).detach()


def land_steps(
    step: Tensor,
    ray: Tensor,
    t: Tensor,
    origins: Tensor,
    directions: Tensor,
    frame: Tensor,
    heads: PosedHeads,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `landing.land_steps`; nearest points are those of the heads' own meshes."""
    ray = ray[step]
    x = origins[ray] + t[step][:, None] * directions[ray]  # [D, 3]
    face, bary, distance = heads.meshes.nearest(x, frame[ray], heads.shell)
    near = (face >= 0).nonzero()[:, 0]  # [K]
    landed, turn = inverse_skin(
        x[near], frame[ray[near]], face[near], bary[near], heads.faces, heads.weights,
        heads.transforms, heads.canonical, heads.offsets,
    )  # fmt: skip
    side = heads.occupied.shape[0]
    place = (landed - heads.low) / heads.size
    cell = (place * side).long().clamp(0, side - 1).unbind(1)
    torn = heads.clearance[cell].float().abs() < distance[near] - heads.tear
    some = ((heads.occupied[cell] > 0) & ~torn).nonzero()[:, 0]
    aim = (turn[some] @ directions[ray[near[some]]][..., None])[..., 0]
    holds = torch.zeros(len(step), dtype=torch.bool)
    u, view = torch.zeros(len(step), 3), torch.zeros(len(step), 3)
    holds[near[some]] = True
    u[near[some]] = place[some].detach()
    view[near[some]] = torch.nn.functional.normalize(aim, dim=1)
    return holds, u, view


def hash_encode(x: Tensor, table: Tensor, resolutions: Tensor) -> Tensor:
    """See `hash_grid.hash_encode`."""
    size = table.shape[1]
    features = []
    for level, resolution in enumerate(resolutions.tolist()):
        p = x * resolution
        base = p.detach().floor().long().clamp(0, resolution - 1)  # [S, 3]
        f = p - base
        total = 0
        for corner in range(8):
            d = torch.tensor([corner & 1, corner >> 1 & 1, corner >> 2])
            c = base + d
            if (resolution + 1) ** 3 <= size:
                slot = (c[:, 2] * (resolution + 1) + c[:, 1]) * (resolution + 1) + c[:, 0]
            else:
                h = [c[:, i] * PRIMES[i] & 0xFFFFFFFF for i in range(3)]
                slot = (h[0] ^ h[1] ^ h[2]) % size
            weight = torch.where(d.bool(), f, 1 - f).prod(-1, keepdim=True)
            total = total + weight * table[level, slot]
        features.append(total)
    return torch.cat(features, -1)


def composite(
    optical: Tensor, values: Tensor, ray_start: Tensor, ray_count: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """See `compositing.composite`."""
    weights = torch.zeros_like(optical)
    totals, alphas = [], []
    for start, count in zip(ray_start.tolist(), ray_count.tolist(), strict=True):
        tau = optical[start : start + count]
        before = torch.cumsum(tau, 0) - tau
        w = torch.exp(-before) * (1 - torch.exp(-tau))
        weights = weights.index_put((torch.arange(start, start + count),), w)
        totals.append((w[:, None] * values[start : start + count]).sum(0))
        alphas.append(w.sum())
    return torch.stack(totals), torch.stack(alphas), weights.detach()


def march(
    origins: Tensor,
    directions: Tensor,
    frame: Tensor,
    jitter: Tensor,
    cells: CellMap,
    step: float,
    budget: int = 0,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """See `marching.march`: here every step of every ray is tried."""
    size = torch.tensor(cells.row.shape[1:])
    side = cells.occupied.shape[0]
    ray_index, depth, length, count = [], [], [], []
    for r in range(len(origins)):
        n = int(frame[r])
        o, d = (origins[r] - cells.low[n]) / cells.cell, directions[r] / cells.cell
        walls = torch.stack([-o / d, (size - o) / d])
        near, far = walls.min(0).values.max().clamp_min(0), walls.max(0).values.min()
        stride = step / directions[r].norm()
        steps = max(int(torch.ceil((far - near) / stride)) + 1, 0)
        t = near + (torch.arange(steps) + jitter[r]) * stride
        t = t[t < far]
        p = o + t[:, None] * d
        cell = p.long().clamp(torch.zeros(3, dtype=torch.long), size - 1)
        row = cells.row[n][cell[:, 0], cell[:, 1], cell[:, 2]].long()
        ended = torch.cumsum(row == DARK, 0) > 0
        off = (p - cell - 0.5) * cells.cell
        some = row.clamp_min(0)
        landed = cells.landing[some] + (cells.turn[some] @ off[..., None])[..., 0]
        u = (landed - cells.canonical_low) / cells.canonical_size
        i = (u * side).long().clamp(0, side - 1)
        i = tuple(i.unbind(1))
        trusted = cells.smooth[some] > 0
        density = torch.where(trusted, cells.density[i], 0.0)
        found = (row >= 0) & ~ended & (~trusted | (cells.occupied[i] > 0))
        sure = torch.where(trusted, cells.sure[i], 0.0)
        passed, covered = (
            torch.cumsum(value * found * step, 0) - value * found * step
            for value in (density, sure)
        )
        kept = found & ((passed if budget else covered) <= HIDDEN)
        likely = torch.where(trusted, density, UNKNOWN)[kept] * step
        weight = torch.exp(-passed[kept]) * (1 - torch.exp(-likely))
        t, run = join_steps(t[kept], weight, float(jitter[r]), budget)
        ray_index += [r] * len(t)
        depth.append(t)
        length.append(run * step)
        count.append(len(t))
    counts = torch.tensor(count, dtype=torch.int32)
    start = (torch.cumsum(counts, 0) - counts).int()
    indices = torch.tensor(ray_index, dtype=torch.int32)
    return indices, torch.cat(depth), torch.cat(length), start, counts


def join_steps(t: Tensor, weight: Tensor, jitter: float, budget: int) -> tuple[Tensor, Tensor]:
    """One ray's steps [K] joined into strata: a depth of each [B], and its number of steps [B]."""
    if not budget or len(t) <= budget:
        return t, torch.ones_like(t)
    part = EVEN * budget / len(t) + (1 - EVEN) * budget * weight / weight.sum().clamp_min(1e-6)
    depths, runs = [], []
    share, joined, chosen = 0.0, 0, 0.0
    for k in range(len(t)):
        joined += 1
        if chance(int(jitter * 16777216), k) * joined < 1:
            chosen = float(t[k])
        share += float(part[k])
        if share >= CLOSE or k + 1 == len(t):
            depths.append(chosen)
            runs.append(joined)
            share, joined = max(share - 1, 0.0), 0
    return torch.tensor(depths), torch.tensor(runs, dtype=t.dtype)


def chance(seed: int, k: int) -> float:
    """See `marching._chance`."""
    word = 0xFFFFFFFF
    h = (seed ^ (k * 19349663 & word)) * 2654435769 & word
    h = (h ^ (h >> 15)) * 2246822519 & word
    return ((h ^ (h >> 13)) & 0xFFFFFF) / 16777216
