# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame's fine cells: where their corners land, and which can be trusted.

Each coarse cell that may hold something is cut into 2³; only the corners of those whose own guess
may still hold something, and that the camera may see, are brought to canonical space.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..avatar.lattice import corners_of
from ..kernels.marching import DARK as DARK_ROW
from ..kernels.marching import march
from ..kernels.posed_cells import DARK, EMPTY, ROUGH, SMOOTH, PosedCells
from .scene import Scene

SURROUNDINGS = 2  # canonical cells around a fine cell's guess that must be empty to leave it out
CUT = 2  # fine cells along a coarse cell's edge
JUMP = 0.005  # m, by which a corner may miss where its neighbour expects it; less costs queries


def cut_cells(
    row: Tensor,
    landing: Tensor,
    turn: Tensor,
    smooth: Tensor,
    cell: float,
    holds: Callable[[Tensor], Tensor],
) -> Tensor:
    """States [2X, 2Y, 2Z] uint8 of the fine cells by the coarse cells' guesses: none is ROUGH yet.

    Args:
        row: [X, Y, Z] int32 into the K coarse cells, negative where empty or dark.
        landing: [K, 3] m, canonical position of the centres.
        turn: [K, 3, 3] canonical_from_posed around them.
        smooth: [K] uint8, 0 where the guess is not to be trusted.
        cell: m, edge of a coarse cell.
        holds: [M, 3] m canonical → [M] bool, whether the surroundings may hold something.
    """
    coarse = row.repeat_interleave(CUT, 0).repeat_interleave(CUT, 1).repeat_interleave(CUT, 2)
    state = torch.where(coarse == DARK_ROW, DARK, EMPTY).byte()
    some = (coarse >= 0).nonzero()  # [M, 3]
    k = coarse[some[:, 0], some[:, 1], some[:, 2]].long()
    off = ((some % CUT + 0.5) / CUT - 0.5) * cell
    guess = landing[k] + (turn[k] @ off[..., None])[..., 0]
    wanted = some[holds(guess) | (smooth[k] == 0)]
    state[wanted[:, 0], wanted[:, 1], wanted[:, 2]] = SMOOTH
    return state


def corners(state: Tensor) -> Tensor:
    """Indices [M, 3] of the nodes at the corners of SMOOTH cells."""
    return corners_of(state == SMOOTH).nonzero()


def mark_rough(state: Tensor, at: Tensor, landing: Tensor, turn: Tensor, cell: float) -> Tensor:
    """The states with ROUGH where an edge's ends do not land where they expect each other.

    Args:
        state: [X, Y, Z] uint8.
        at: [M, 3] indices of the nodes that landed.
        landing: [M, 3] m.
        turn: [M, 3, 3].
        cell: m, edge of a fine cell.
    """
    x, y, z = state.shape
    grid = landing.new_full((x + 1, y + 1, z + 1, 12), torch.nan)
    grid[at[:, 0], at[:, 1], at[:, 2]] = torch.cat([landing, turn.flatten(1)], 1)
    rough = torch.zeros_like(state, dtype=torch.bool)
    for axis in range(3):
        n = state.shape[axis]
        a, b = grid.narrow(axis, 0, n), grid.narrow(axis, 1, n)
        step = b[..., :3] - a[..., :3]
        errors = [(step - cell * end[..., 3 + axis :: 3]).norm(dim=-1) for end in (a, b)]
        torn = ~(torch.maximum(*errors) < JUMP)  # NaN too: a corner that did not land
        for side in range(4):  # the four cells around the edge
            shift = [side & 1, side >> 1]
            shift.insert(axis, 0)
            rough |= torn[shift[0] : shift[0] + x, shift[1] : shift[1] + y, shift[2] : shift[2] + z]
    return torch.where(rough & (state == SMOOTH), ROUGH, state).byte()


def touched(shape: torch.Size, at: Tensor) -> Tensor:
    """[X, Y, Z] bool: the cells that have one of the nodes [M, 3] for a corner."""
    x, y, z = shape
    some = torch.zeros(x + 1, y + 1, z + 1, dtype=torch.bool, device=at.device)
    some[at[:, 0], at[:, 1], at[:, 2]] = True
    some = some[1:] | some[:-1]
    some = some[:, 1:] | some[:, :-1]
    return some[:, :, 1:] | some[:, :, :-1]


def in_view(scene: Scene, shape: torch.Size) -> Tensor:
    """[X, Y, Z] bool: the fine cells in which rays of the camera may take a step, and those around.

    Some of the rays are marched, close enough for every step of the others to lie next to theirs.
    """
    coarse, camera, device = scene.cells, scene.camera, scene.avatar.device
    cell = coarse.cell / CUT
    ends = np.array([[0, 0, 0], shape])[[[i & 1, i >> 1 & 1, i >> 2] for i in range(8)], range(3)]
    _, depth = camera.project(coarse.low[0].cpu().numpy() + ends * cell)
    apart = (cell - scene.avatar.config.step / 2) * 2**0.5  # m, the rays at most
    stride = max(int(apart * camera.pixels_per_metre(float(depth.max()))), 1)  # pixels
    x, y = (
        np.linspace(0.5, n - 0.5, -(-(n - 1) // stride) + 1) for n in (camera.width, camera.height)
    )
    pixels = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    origins, directions = (
        torch.from_numpy(array).to(device).expand(len(pixels), 3).contiguous()
        for array in camera.rays(pixels)
    )
    ray, t, _, _, _ = march(
        origins, directions,
        torch.zeros(len(directions), dtype=torch.int32, device=device),
        torch.full((len(directions),), 0.5, device=device), coarse, scene.avatar.config.step,
    )  # fmt: skip
    x = origins[ray.long()] + t[:, None] * directions[ray.long()]  # [S, 3] m
    seen = torch.zeros(shape, device=device)
    seen[cell_indices(x, coarse.low[0], cell, shape)] = 1
    return torch.nn.functional.max_pool3d(seen[None, None], 3, 1, 1)[0, 0] > 0


def cell_indices(x: Tensor, low: Tensor, cell: float, shape: torch.Size) -> tuple[Tensor, ...]:
    """For each axis the indices [S] of the cells that hold x; the border's where it lies outside.

    Marching clamps in the same way: rounding puts a last step just beyond the far wall.

    Args:
        x: [S, 3] m.
        low: [3] m, lower corner of the grid.
        cell: m, edge of a cell.
        shape: cells along each axis.
    """
    at = ((x - low) / cell).long()
    return tuple(at[:, axis].clamp(0, count - 1) for axis, count in enumerate(shape))


def posed_cells(scene: Scene) -> PosedCells:
    """Bring the corners of the frame's fine cells to canonical space."""
    avatar, poser, pose, coarse = scene.avatar, scene.poser, scene.pose, scene.cells
    if "surroundings" not in avatar.kept:
        avatar.kept["surroundings"] = avatar.occupancy.grown(SURROUNDINGS).view(-1)
    around, cell = avatar.kept["surroundings"], coarse.cell / CUT

    def holds(x_canonical: Tensor) -> Tensor:
        return around[avatar.occupancy.flat(avatar.unit(x_canonical))] > 0

    state = cut_cells(coarse.row[0], coarse.landing, coarse.turn, coarse.smooth, coarse.cell, holds)
    state[(state == SMOOTH) & ~in_view(scene, state.shape)] = EMPTY
    at = corners(state)
    x = coarse.low[0] + at * cell  # [M, 3] m
    frame = torch.zeros(len(at), dtype=torch.int32, device=x.device)
    face, bary, distance = poser.meshes.nearest(x, frame, avatar.config.shell)
    found = (face >= 0).nonzero()[:, 0]
    at, distance = at[found], distance[found]
    landing, turn = poser.unpose(pose, x[found], frame[found], face[found], bary[found])
    state = mark_rough(state, at, landing, turn, cell)
    state[(state == ROUGH) & ~touched(state.shape, at[holds(landing)])] = EMPTY
    node = torch.zeros(*(n + 1 for n in state.shape), 4, device=x.device)
    node[at[:, 0], at[:, 1], at[:, 2]] = torch.cat([landing, distance[:, None]], 1)
    return PosedCells(
        coarse.low[0], cell, state, node, poser.meshes.mesh(0), pose.vertices[0],
        avatar.config.shell, avatar.skin.faces, avatar.skin.skin_weights,
        pose.transforms, poser.canonical, pose.offsets,
    )  # fmt: skip
