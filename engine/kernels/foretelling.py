# SPDX-License-Identifier: GPL-3.0-or-later
"""Fine nodes from coarse cells: where they land as far as it is foretold, and what to make of it.

Each coarse cell knows where its centre lands in canonical space, and how its surroundings are
turned there. Where all coarse cells around a node of the fine grid foretell the same landing,
nothing needs to be searched for. Not differentiable.
"""

import torch
import warp as wp
from torch import Tensor

from .posed_cells import EMPTY, ROUGH, SMOOTH
from .threads import each_slice

WORTH_IT = 16384  # fine cells below which one thread judges them all


@wp.kernel
def _foretell(
    node: wp.array(dtype=wp.vec3i),
    row: wp.array3d(dtype=wp.int32),
    landing: wp.array(dtype=wp.vec3),
    turn: wp.array(dtype=wp.mat33),
    distance: wp.array(dtype=wp.float32),
    smooth: wp.array(dtype=wp.uint8),
    cell: wp.float32,
    cut: wp.int32,
    apart: wp.float32,
    told: wp.array(dtype=wp.vec3),
    told_turn: wp.array(dtype=wp.mat33),
    told_distance: wp.array(dtype=wp.float32),
    known: wp.array(dtype=wp.uint8),
):
    i = wp.tid()
    n = node[i]
    total = wp.vec3(0.0)
    turned = wp.mat33(0.0)
    off_skin = wp.float32(0.0)
    count = wp.float32(0.0)
    low = wp.vec3(1.0e9)
    high = wp.vec3(-1.0e9)
    trusted = wp.uint8(1)
    for corner in range(8):
        c = wp.vec3i(0)
        there = wp.int32(1)
        for axis in range(3):
            side = (corner >> axis) & 1
            if n[axis] % cut > 0 and side > 0:
                there = 0  # it lies in the middle of the cell: the same one again
            c[axis] = n[axis] // cut + side - wp.where(n[axis] % cut > 0, 0, 1)
            if c[axis] < 0 or c[axis] >= row.shape[axis]:
                there = 0
        if there > 0:
            k = row[c[0], c[1], c[2]]
            if k >= 0:
                if smooth[k] == wp.uint8(0):
                    trusted = wp.uint8(0)
                off = (wp.vec3(n) / wp.float32(cut) - wp.vec3(c) - wp.vec3(0.5)) * cell
                guess = landing[k] + turn[k] * off
                total += guess
                turned += turn[k]
                off_skin += distance[k]
                count += 1.0
                low = wp.min(low, guess)
                high = wp.max(high, guess)
    if count == 0.0 or wp.length(high - low) > apart:
        trusted = wp.uint8(0)
    known[i] = trusted
    count = wp.max(count, 1.0)
    told[i] = total / count
    told_turn[i] = turned / count
    told_distance[i] = off_skin / count


def foretell(
    node: Tensor,
    row: Tensor,
    landing: Tensor,
    turn: Tensor,
    distance: Tensor,
    smooth: Tensor,
    cell: float,
    cut: int,
    apart: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where nodes of the fine grid land, by the coarse cells that touch them.

    Args:
        node: [M, 3] int32 indices in the fine grid.
        row: [X, Y, Z] int32 into the K coarse cells, negative where nothing is.
        landing: [K, 3] m, canonical position of the centres.
        turn: [K, 3, 3] canonical_from_posed around them.
        distance: [K] m, to the posed skin.
        smooth: [K] uint8, 0 where a cell's guess is not to be trusted.
        cell: m, edge of a coarse cell.
        cut: fine cells along a coarse one's edge.
        apart: m, by which the guesses for a node may differ.

    Returns:
        landing [M, 3] m, turn [M, 3, 3] and distance [M] m in the mean, and whether they are to be
        trusted, [M] bool.
    """
    count, device = len(node), row.device
    told, turned = torch.empty(count, 3, device=device), torch.empty(count, 3, 3, device=device)
    off_skin = torch.empty(count, device=device)
    known = torch.empty(count, dtype=torch.uint8, device=device)
    coarse = [
        wp.from_torch(row.contiguous()), wp.from_torch(landing.contiguous(), dtype=wp.vec3),
        wp.from_torch(turn.contiguous(), dtype=wp.mat33), wp.from_torch(distance.contiguous()),
        wp.from_torch(smooth.contiguous()),
    ]  # fmt: skip
    node = node.contiguous()

    def run(part: slice) -> None:
        wp.launch(
            _foretell,
            dim=part.stop - part.start,
            inputs=[wp.from_torch(node[part], dtype=wp.vec3i), *coarse, cell, cut, apart],
            outputs=[
                wp.from_torch(told[part], dtype=wp.vec3),
                wp.from_torch(turned[part], dtype=wp.mat33),
                wp.from_torch(off_skin[part]), wp.from_torch(known[part]),
            ],
            device=wp.device_from_torch(device),
        )  # fmt: skip

    if count:
        each_slice(count, device, run)
    return told, turned, off_skin, known > 0


@wp.func
def _foreseen(
    step: wp.vec3, turn: wp.mat33, axis: wp.int32, cell: wp.float32, jump: wp.float32
):  # fmt: skip
    """Whether an edge's other end lies where one end expects it."""
    along = wp.vec3(turn[0, axis], turn[1, axis], turn[2, axis]) * cell
    return wp.length(step - along) < jump


@wp.func
def _node_at(index: wp.array3d(dtype=wp.int32), cell: wp.vec3i, corner: wp.int32):
    """The node at a corner of a fine cell; negative where it did not land."""
    return index[cell[0] + (corner & 1), cell[1] + ((corner >> 1) & 1), cell[2] + (corner >> 2)]


@wp.kernel
def _judge(
    first: wp.int32,
    state: wp.array3d(dtype=wp.uint8),
    index: wp.array3d(dtype=wp.int32),
    landing: wp.array(dtype=wp.vec3),
    turn: wp.array(dtype=wp.mat33),
    searched: wp.array(dtype=wp.uint8),
    holds: wp.array(dtype=wp.uint8),
    cell: wp.float32,
    jump: wp.float32,
    judged: wp.array(dtype=wp.uint8),
):
    i = wp.tid()
    flat = first + i
    at = wp.vec3i(
        flat // (state.shape[2] * state.shape[1]),
        flat // state.shape[2] % state.shape[1],
        flat % state.shape[2],
    )
    judged[i] = state[at[0], at[1], at[2]]
    if judged[i] != wp.uint8(SMOOTH):
        return
    some_searched = wp.int32(0)
    some_hold = wp.int32(0)
    rough = wp.int32(0)
    for corner in range(8):
        k = _node_at(index, at, corner)
        if k < 0:
            rough = 1
        else:
            if searched[k] > wp.uint8(0):
                some_searched = 1
            if holds[k] > wp.uint8(0):
                some_hold = 1
    if rough == 0 and some_searched > 0:
        for corner in range(8):
            a = _node_at(index, at, corner)
            for axis in range(3):
                if (corner >> axis) & 1 == 0:
                    b = _node_at(index, at, corner | (1 << axis))
                    step = landing[b] - landing[a]
                    if not (
                        _foreseen(step, turn[a], axis, cell, jump)
                        and _foreseen(step, turn[b], axis, cell, jump)
                    ):
                        rough = 1
    if rough > 0:
        judged[i] = wp.where(some_hold > 0, wp.uint8(ROUGH), wp.uint8(EMPTY))


def judge_cells(
    state: Tensor,
    node: Tensor,
    landing: Tensor,
    turn: Tensor,
    searched: Tensor,
    holds: Tensor,
    cell: float,
    jump: float,
) -> Tensor:
    """Which fine cells may be interpolated in: the SMOOTH ones that do not tear.

    A cell becomes ROUGH where the ends of one of its edges do not land where they expect each
    other, or a corner did not land at all; and EMPTY if none of its corners may hold something.

    Args:
        state: [X, Y, Z] uint8.
        node: [M, 3] int32 indices of the nodes that landed.
        landing: [M, 3] m.
        turn: [M, 3, 3] canonical_from_posed.
        searched: [M] bool, nodes that were not foretold; only their cells are looked at.
        holds: [M] bool, nodes around which there may be something.
        cell: m, edge of a fine cell.
        jump: m, by which an end may miss where the other expects it.

    Returns:
        The states [X, Y, Z] uint8.
    """
    device, count = state.device, state.numel()
    index = torch.full([n + 1 for n in state.shape], -1, dtype=torch.int32, device=device)
    rows = torch.arange(len(node), dtype=torch.int32, device=device)
    index[tuple(node.long().unbind(1))] = rows
    judged = torch.empty(count, dtype=torch.uint8, device=device)
    given = [
        wp.from_torch(state.contiguous()), wp.from_torch(index),
        wp.from_torch(landing.contiguous(), dtype=wp.vec3),
        wp.from_torch(turn.contiguous(), dtype=wp.mat33),
        wp.from_torch(searched.byte()), wp.from_torch(holds.byte()),
    ]  # fmt: skip

    def run(part: slice) -> None:
        wp.launch(
            _judge,
            dim=part.stop - part.start,
            inputs=[part.start, *given, cell, jump],
            outputs=[wp.from_torch(judged[part])],
            device=wp.device_from_torch(device),
        )

    if count:
        each_slice(count, device, run, worth_it=WORTH_IT)
    return judged.view(state.shape)
