# SPDX-License-Identifier: GPL-3.0-or-later
"""The occupancy grid: what it remembers, and how it grows."""

import pytest
import torch

from engine.avatar.occupancy import START, OccupancyGrid


def grid_with(cells):
    """A grid of 12³ reachable cells that holds something in the given ones."""
    grid = OccupancyGrid(12, step=0.0025)
    grid.density.fill_(1e-6)
    for cell in cells:
        grid.density[cell] = START
    grid.refresh()
    return grid


@pytest.mark.parametrize("cells", [0, 1, 2, 3])
def test_growing_is_a_maximum_over_the_neighbourhood(cells):
    grid = grid_with([(5, 5, 5), (0, 11, 3)])
    full = grid.occupied.float()[None, None]
    size = 2 * cells + 1
    expected = torch.nn.functional.max_pool3d(full, size, stride=1, padding=cells)[0, 0]
    assert (grid.grown(cells).float() == expected).all()
    assert grid.occupied.sum() == full.sum()  # the grid itself is as it was


def test_refreshing_marks_what_is_opaque_and_its_neighbours_where_anything_may_be():
    grid = grid_with([(5, 5, 5)])
    assert grid.occupied.sum() == 27
    grid.density[:5] = 0  # out of reach
    grid.refresh()
    assert grid.occupied.sum() == 18
    assert (grid.occupied[:5] == 0).all()


def test_memory_fades_but_never_to_nothing():
    grid, where = grid_with([(1, 2, 3)]), torch.tensor([(1 * 12 + 2) * 12 + 3])
    for _ in range(40):
        grid.remember(where, torch.zeros(1))
    faded = float(grid.density[1, 2, 3])
    assert 0 < faded < 1e-2
    grid.remember(where, torch.tensor([1e9]))
    assert float(grid.density[1, 2, 3]) < 1e4


def test_what_is_sure_is_the_least_around_a_cell():
    """It follows the densities when they are looked at anew, and when others are loaded."""
    block = [(i, j, k) for i in range(3, 8) for j in range(3, 8) for k in range(3, 8)]
    grid = grid_with(block)
    pool = torch.nn.functional.max_pool3d
    for _ in range(2):
        least = -pool(-grid.density[None, None], 3, stride=1, padding=1)[0, 0]
        assert (grid.sure == least).all()
        assert (grid.sure > 1).sum() == 27  # a cell at the block's rim has nothing beside it
        grid.remember(torch.tensor([(5 * 12 + 5) * 12 + 5]), torch.tensor([500.0]))
        grid.refresh()
    other = grid_with([])
    assert other.sure.max() < 1
    other.load_state_dict(grid.state_dict())
    assert (other.sure == grid.sure).all()
