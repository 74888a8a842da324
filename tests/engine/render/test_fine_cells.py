# SPDX-License-Identifier: GPL-3.0-or-later
import torch

from engine.avatar.model import Avatar
from engine.kernels.marching import DARK as DARK_ROW
from engine.kernels.marching import march
from engine.kernels.posed_cells import DARK, EMPTY, ROUGH, SMOOTH
from engine.render.fine_cells import (
    CUT,
    cell_indices,
    corners,
    cut_cells,
    in_view,
    mark_rough,
    touched,
)
from engine.render.posing import Poser
from engine.render.scene import Scene

CELL = 0.01


def test_a_cell_is_cut_where_its_own_guess_holds_something():
    row = torch.tensor([[[0, 1, -1, DARK_ROW]]], dtype=torch.int32)
    landing = torch.tensor([[0.0, 0.0, 0.0], [5.0, 0.0, 0.0]])
    turn = torch.eye(3).expand(2, 3, 3)
    state = cut_cells(row, landing, turn, torch.tensor([1, 0]), CELL, lambda x: x[:, 2] > 0)
    assert state.shape == (2, 2, 8)
    assert (state[:, :, 0] == EMPTY).all()  # guessed below the plane
    assert (state[:, :, 1] == SMOOTH).all()
    assert (state[:, :, 2:4] == SMOOTH).all()  # its guess is not trusted: both halves
    assert (state[:, :, 4:6] == EMPTY).all()
    assert (state[:, :, 6:] == DARK).all()


def test_corners_are_those_of_live_cells():
    state = torch.zeros(3, 3, 3, dtype=torch.uint8)
    state[1, 1, 1], state[0, 0, 0] = SMOOTH, DARK
    expected = {(i, j, k) for i in (1, 2) for j in (1, 2) for k in (1, 2)}
    assert set(map(tuple, corners(state).tolist())) == expected


def test_points_on_the_far_wall_are_in_the_last_cell():
    x = torch.tensor([[-0.1, 0.5, 0.5], [0.25, 0.75, 1.25], [0.5, 2.0, 0.25]])
    low = torch.tensor([0.0, 0.25, 0.25])
    found = cell_indices(x, low, 0.25, torch.Size([2, 3, 4]))
    assert [axis.tolist() for axis in found] == [[0, 1, 1], [1, 2, 2], [1, 3, 0]]


def test_cells_are_touched_by_their_own_corners():
    state = torch.zeros(4, 3, 5, dtype=torch.uint8)
    state[1, 2, 3] = SMOOTH
    for corner in corners(state):
        found = touched(state.shape, corner[None])
        assert found[1, 2, 3]
        assert (found.nonzero() - corner).abs().amax() <= 1
    assert touched(state.shape, corners(state)).sum() == 3 * 2 * 3
    assert not touched(state.shape, corners(state)[:0]).any()


def test_cells_are_rough_only_where_the_landing_jumps():
    state = torch.full((4, 2, 2), SMOOTH, dtype=torch.uint8)
    at = corners(state)
    landing = at * CELL
    turn = torch.eye(3).expand(len(at), 3, 3)
    assert (mark_rough(state, at, landing, turn, CELL) == SMOOTH).all()
    torn = landing + torch.where(at[:, :1] > 2, 0.02, 0.0)  # between the third and fourth corner
    rough = mark_rough(state, at, torn, turn, CELL) == ROUGH
    assert rough[2].all()
    assert not rough[[0, 1, 3]].any()


def test_a_cell_with_a_corner_that_did_not_land_is_rough():
    state = torch.full((2, 1, 1), SMOOTH, dtype=torch.uint8)
    at = corners(state)
    landed = at[:, 0] < 2
    turn = torch.eye(3).expand(int(landed.sum()), 3, 3)
    found = mark_rough(state, at[landed], at[landed] * CELL, turn, CELL)
    assert found.flatten().tolist() == [SMOOTH, ROUGH]


def test_every_step_of_every_ray_is_in_view(trained_avatar):
    """Though only some of the rays are marched to find out, and though much is not in view."""
    avatar = Avatar.load(trained_avatar, torch.device("cpu"))
    motion, camera, poser = avatar.file.motion, avatar.file.camera.resized(200, 200), Poser(avatar)
    frame = motion.psi[2], motion.theta[2], motion.translation[2]
    pose = poser.pose(*(torch.from_numpy(array).float()[None] for array in frame))
    cells = poser.cell_map([poser.frame_cells(pose, 0)], poser.grown_occupancy())
    scene = Scene(avatar, poser, pose, cells, avatar.condition(*frame), camera)
    shape = torch.Size(CUT * n for n in cells.row.shape[1:])
    seen = in_view(scene, shape)
    origin, directions = (torch.from_numpy(array) for array in camera.rays())
    ray, t, _, _, _ = march(
        origin.expand_as(directions).contiguous(), directions,
        torch.zeros(len(directions), dtype=torch.int32), torch.full((len(directions),), 0.5),
        cells, avatar.config.step,
    )  # fmt: skip
    at = (origin + t[:, None] * directions[ray.long()] - cells.low[0]) / (cells.cell / CUT)
    i, j, k = at.long().unbind(1)
    assert len(t) > 10_000
    assert seen[i, j, k].float().mean() > 0.999
    live = (cells.row[0] >= 0).repeat_interleave(CUT, 0).repeat_interleave(CUT, 1)
    assert not seen[live.repeat_interleave(CUT, 2)].all()
