# SPDX-License-Identifier: GPL-3.0-or-later
"""What coarse cells foretell of fine nodes, and which fine cells may be interpolated in."""

import pytest
import torch

from engine.avatar.lattice import corners_of
from engine.kernels import reference_foretelling as reference
from engine.kernels.foretelling import foretell, judge_cells
from engine.kernels.posed_cells import DARK, EMPTY, ROUGH, SMOOTH

CELL, CUT, APART, JUMP = 0.0125, 2, 0.001, 0.005


@pytest.fixture
def coarse():
    """Row, landing, turn, distance, smooth: bent space, some cells empty, some jumping."""
    g = torch.Generator().manual_seed(3)
    shape = (4, 3, 5)
    row = torch.randperm(60, generator=g).int().view(shape)
    row[torch.rand(shape, generator=g) < 0.15] = -1
    row[0, 0] = -1  # nodes that no cell touches
    at = torch.stack(torch.meshgrid(*map(torch.arange, shape), indexing="ij"), -1).view(-1, 3)
    centres = torch.zeros(60, 3)
    live = row.view(-1) >= 0
    centres[row.view(-1)[live].long()] = (at[live] + 0.5) * CELL
    bend = 3.0  # 1/m
    landing = centres + bend * centres.flip(1) ** 2
    turn = torch.eye(3).repeat(60, 1, 1)
    for axis in range(3):
        turn[:, axis, 2 - axis] += 2 * bend * centres[:, 2 - axis]
    jumping = torch.rand(60, generator=g) < 0.1
    landing[jumping] += 0.01
    smooth = (torch.rand(60, generator=g) > 0.1).byte()
    return row, landing, turn, torch.rand(60, generator=g), smooth


def all_nodes(row, cut):
    size = [cut * n + 1 for n in row.shape]
    return torch.ones(size).nonzero().int()


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_nodes_are_foretold_as_in_the_reference(coarse, cut):
    node = all_nodes(coarse[0], cut)
    found = foretell(node, *coarse, CELL, cut, APART)
    expected = reference.foretell(node, *coarse, CELL, cut, APART)
    assert 0.1 < found[3].float().mean() < 0.9  # both kinds are there
    assert (found[3] == expected[3]).all()
    touched = ~expected[0].isnan().any(1)
    assert 0 < touched.sum() < len(node)
    for mine, theirs in zip(found[:3], expected[:3], strict=True):
        torch.testing.assert_close(mine[touched], theirs[touched], rtol=1e-5, atol=1e-6)
    assert not found[3][~touched].any()


def test_nodes_between_cells_that_disagree_are_not_foretold():
    row = torch.arange(2, dtype=torch.int32).view(2, 1, 1)
    landing = torch.tensor([[0.5, 0.5, 0.5], [1.5, 0.5, 0.5]]) * CELL
    turn, distance, smooth = torch.eye(3).repeat(2, 1, 1), torch.zeros(2), torch.ones(2).byte()
    node = torch.tensor([[0, 0, 0], [2, 1, 1], [4, 2, 0]], dtype=torch.int32)
    told, _, _, known = foretell(node, row, landing, turn, distance, smooth, CELL, CUT, APART)
    assert known.all()
    torch.testing.assert_close(told, node * CELL / CUT)
    landing[1, 1] += 2 * APART
    assert foretell(node, row, landing, turn, distance, smooth, CELL, CUT, APART)[3].tolist() == [
        True, False, True,
    ]  # fmt: skip
    assert len(foretell(node[:0], row, landing, turn, distance, smooth, CELL, CUT, APART)[0]) == 0


@pytest.fixture
def fine():
    """State, nodes, landing, turn, searched, holds of a grid with a jump and missing nodes."""
    g = torch.Generator().manual_seed(5)
    state = torch.where(torch.rand(7, 6, 8, generator=g) < 0.8, SMOOTH, EMPTY).byte()
    state[:, 0, 0] = DARK
    node = corners_of(state == SMOOTH).nonzero().int()
    node = node[torch.rand(len(node), generator=g) > 0.02]
    landing = node * CELL + torch.where(node[:, :1] > 4, 0.02, 0.0)
    landing += 0.001 * torch.randn(len(node), 3, generator=g)
    turn = torch.eye(3) + 0.05 * torch.randn(len(node), 3, 3, generator=g)
    searched = torch.rand(len(node), generator=g) < 0.15
    return state, node, landing, turn, searched, torch.rand(len(node), generator=g) < 0.1


def test_cells_are_judged_as_in_the_reference(fine):
    found = judge_cells(*fine, CELL, JUMP)
    assert {EMPTY, SMOOTH, ROUGH, DARK} == set(found.unique().tolist())
    assert (found == reference.judge_cells(*fine, CELL, JUMP)).all()


def test_cells_are_rough_only_where_the_landing_jumps():
    state = torch.full((4, 2, 2), SMOOTH, dtype=torch.uint8)
    node = corners_of(state == SMOOTH).nonzero().int()
    turn, every = torch.eye(3).repeat(len(node), 1, 1), torch.ones(len(node), dtype=torch.bool)
    whole = node * CELL
    assert (judge_cells(state, node, whole, turn, every, every, CELL, JUMP) == SMOOTH).all()
    torn = whole + torch.where(node[:, :1] > 2, 0.02, 0.0)  # between third and fourth corner
    judged = judge_cells(state, node, torn, turn, every, every, CELL, JUMP)
    assert (judged[2] == ROUGH).all()
    assert (judged[[0, 1, 3]] == SMOOTH).all()
    assert (judge_cells(state, node, torn, turn, every, ~every, CELL, JUMP)[2] == EMPTY).all()
    assert (judge_cells(state, node, torn, turn, ~every, every, CELL, JUMP) == SMOOTH).all()


def test_a_cell_with_a_corner_that_did_not_land_is_rough():
    state = torch.full((2, 1, 1), SMOOTH, dtype=torch.uint8)
    node = corners_of(state == SMOOTH).nonzero().int()
    node = node[node[:, 0] < 2]
    turn, every = torch.eye(3).repeat(len(node), 1, 1), torch.ones(len(node), dtype=torch.bool)
    judged = judge_cells(state, node, node * CELL, turn, ~every, every, CELL, JUMP)
    assert judged.flatten().tolist() == [SMOOTH, ROUGH]
