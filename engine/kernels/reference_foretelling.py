# SPDX-License-Identifier: GPL-3.0-or-later
"""Foretelling and judging fine cells again in plain torch, for the tests."""

import itertools

import torch
from torch import Tensor

from .posed_cells import EMPTY, ROUGH, SMOOTH


def foretell(
    node: Tensor, row: Tensor, landing: Tensor, turn: Tensor, distance: Tensor, smooth: Tensor,
    cell: float, cut: int, apart: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """See `foretelling.foretell`; nodes that no coarse cell touches have NaN."""
    told, turned, off_skin, known = [], [], [], []
    for n in node.tolist():
        axes = [sorted({(i - 1) // cut, i // cut}) for i in n]
        cells = [c for c in itertools.product(*axes)
                 if all(0 <= i < size for i, size in zip(c, row.shape, strict=True))]  # fmt: skip
        rows = [int(row[c]) for c in cells]
        centres = [torch.tensor(c) + 0.5 for c, k in zip(cells, rows, strict=True) if k >= 0]
        rows = [k for k in rows if k >= 0]
        guesses = [
            landing[k] + turn[k] @ ((torch.tensor(n) / cut - centre) * cell)
            for k, centre in zip(rows, centres, strict=True)
        ]
        near = torch.stack(guesses) if guesses else torch.full((1, 3), torch.nan)
        told.append(near.mean(0))
        turned.append(turn[rows].mean(0))
        off_skin.append(distance[rows].mean())
        agree = bool((near.amax(0) - near.amin(0)).norm() <= apart)
        known.append(agree and bool((smooth[rows] > 0).all()))
    return torch.stack(told), torch.stack(turned), torch.stack(off_skin), torch.tensor(known)


def judge_cells(
    state: Tensor, node: Tensor, landing: Tensor, turn: Tensor, searched: Tensor, holds: Tensor,
    cell: float, jump: float,
) -> Tensor:  # fmt: skip
    """See `foretelling.judge_cells`."""
    index = {tuple(n): k for k, n in enumerate(node.tolist())}
    judged = state.clone()
    for at in (state == SMOOTH).nonzero().tolist():
        corners = [tuple(a + (c >> i & 1) for i, a in enumerate(at)) for c in range(8)]
        rows = [index.get(corner) for corner in corners]
        there = [k for k in rows if k is not None]
        torn = len(there) < 8
        if not torn and searched[there].any():
            for (a, p), (b, q) in itertools.permutations(zip(rows, corners, strict=True), 2):
                steps = [j - i for i, j in zip(p, q, strict=True)]
                if sorted(map(abs, steps)) != [0, 0, 1]:
                    continue  # no edge
                way = torch.tensor(steps).float() * cell
                torn |= bool((landing[b] - landing[a] - turn[a] @ way).norm() >= jump)
        if torn:
            judged[tuple(at)] = ROUGH if holds[there].any() else EMPTY
    return judged
