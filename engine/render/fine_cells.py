# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame's fine cells: where their corners land, and which can be trusted.

Each coarse cell that may hold something is cut into 2³, or left whole where pixels are large. Most
corners land where the coarse cells around them foretell it; the nearest skin is searched for only
where those disagree.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..avatar.lattice import corners_of
from ..kernels.foretelling import foretell, judge_cells
from ..kernels.marching import DARK as DARK_ROW
from ..kernels.posed_cells import DARK, EMPTY, SMOOTH, PosedCells
from .scene import Detail, Scene, grown_for

SURROUNDINGS = 2  # canonical cells, at least, around a guess that are empty where it is left out
JUMP = 0.005  # m, by which a corner may miss where its neighbour expects it; less costs queries


def cut_cells(
    row: Tensor,
    landing: Tensor,
    turn: Tensor,
    smooth: Tensor,
    cell: float,
    cut: int,
    holds: Callable[[Tensor], Tensor],
) -> Tensor:
    """States [cut·X, cut·Y, cut·Z] uint8 of fine cells by the coarse ones' guesses: none ROUGH yet.

    Args:
        row: [X, Y, Z] int32 into the K coarse cells, negative where empty or dark.
        landing: [K, 3] m, canonical position of the centres.
        turn: [K, 3, 3] canonical_from_posed around them.
        smooth: [K] uint8, 0 where the guess is not to be trusted.
        cell: m, edge of a coarse cell.
        cut: fine cells along it.
        holds: [M, 3] m canonical → [M] bool, whether the surroundings may hold something.
    """
    some = (row >= 0).nonzero()  # [M, 3] coarse cells
    k = row[some[:, 0], some[:, 1], some[:, 2]].long()
    side = torch.arange(cut, device=row.device)
    place = torch.cartesian_prod(side, side, side)  # [cut³, 3] of a fine cell in its coarse one
    off = ((place + 0.5) / cut - 0.5) * cell
    guess = landing[k][:, None] + off @ turn[k].transpose(1, 2)  # [M, cut³, 3]
    wanted = holds(guess.view(-1, 3)).view(-1, len(off)) | (smooth[k] == 0)[:, None]
    fine = (some[:, None] * cut + place)[wanted]
    dark = torch.where(row == DARK_ROW, DARK, EMPTY).byte()
    state = dark.repeat_interleave(cut, 0).repeat_interleave(cut, 1).repeat_interleave(cut, 2)
    state[fine[:, 0], fine[:, 1], fine[:, 2]] = SMOOTH
    return state


def corners(state: Tensor) -> Tensor:
    """Indices [M, 3] of the nodes at the corners of SMOOTH cells."""
    return corners_of(state == SMOOTH).nonzero()


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


def posed_cells(scene: Scene, detail: Detail) -> PosedCells:
    """The frame's fine cells; made once for a pose."""
    return scene.once(("fine cells", detail), lambda scene: _landed(scene, detail))


def _landed(scene: Scene, detail: Detail) -> PosedCells:
    """Bring the corners of the frame's fine cells to canonical space."""
    avatar, poser, pose, coarse = scene.avatar, scene.poser, scene.pose, scene.cells
    cut, cell = detail.cut, coarse.cell / detail.cut
    around = grown_for(avatar, cell, SURROUNDINGS).view(-1)

    def holds(x_canonical: Tensor) -> Tensor:
        return around[avatar.occupancy.flat(avatar.unit(x_canonical))] > 0

    state = cut_cells(
        coarse.row[0], coarse.landing, coarse.turn, coarse.smooth, coarse.cell, cut, holds
    )
    at = corners(state)
    landing, turn, distance, known = foretell(
        at.int(), coarse.row[0], coarse.landing, coarse.turn, coarse.distance, coarse.smooth,
        coarse.cell, cut, detail.apart,
    )  # fmt: skip
    scene.check()
    asked = (~known).nonzero()[:, 0]
    x = coarse.low[0] + at[asked] * cell  # [A, 3] m
    frame = torch.zeros(len(asked), dtype=torch.int32, device=x.device)
    face, bary, distance[asked] = poser.meshes.nearest(x, frame, avatar.config.shell)
    found = (face >= 0).nonzero()[:, 0]
    landing[asked[found]], turn[asked[found]] = poser.unpose(
        pose, x[found], frame[found], face[found], bary[found]
    )
    landed = known.index_fill(0, asked[found], True)
    at, landing, turn, distance = (v[landed] for v in (at, landing, turn, distance))
    state = judge_cells(state, at.int(), landing, turn, ~known[landed], holds(landing), cell, JUMP)
    node = torch.zeros(*(n + 1 for n in state.shape), 4, device=x.device)
    node[at[:, 0], at[:, 1], at[:, 2]] = torch.cat([landing, distance[:, None]], 1)
    return PosedCells(
        coarse.low[0], cell, state, node, poser.meshes.mesh(0), pose.vertices[0],
        avatar.config.shell, avatar.skin.faces, avatar.skin.skin_weights,
        pose.transforms, poser.canonical, pose.offsets,
    )  # fmt: skip
