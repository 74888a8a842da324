# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame's fine cells, by themselves and of a real avatar."""

import torch

from engine.avatar.model import Avatar
from engine.kernels.marching import DARK as DARK_ROW
from engine.kernels.posed_cells import DARK, EMPTY, SMOOTH
from engine.render.fine_cells import cell_indices, corners, cut_cells, posed_cells
from engine.render.posing import Poser
from engine.render.scene import FINE, Scene

CELL = 0.01


def test_a_cell_is_cut_where_its_own_guess_holds_something():
    row = torch.tensor([[[0, 1, -1, DARK_ROW]]], dtype=torch.int32)
    landing = torch.tensor([[0.0, 0.0, 0.0], [5.0, 0.0, 0.0]])
    turn = torch.eye(3).expand(2, 3, 3)
    state = cut_cells(row, landing, turn, torch.tensor([1, 0]), CELL, 2, lambda x: x[:, 2] > 0)
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


def test_corners_land_where_the_nearest_skin_puts_them(trained_avatar):
    """Though it is searched for at few of them."""
    avatar = Avatar.load(trained_avatar, torch.device("cpu"))
    motion, poser = avatar.file.motion, Poser(avatar)
    frame = motion.psi[2], motion.theta[2], motion.translation[2]
    pose = poser.pose(*(torch.from_numpy(array).float()[None] for array in frame))
    asked, nearest = [], poser.meshes.nearest
    poser.meshes.nearest = lambda x, *rest: asked.append(len(x)) or nearest(x, *rest)
    told = avatar.condition(*frame)
    scene = Scene(avatar, poser, pose, told, avatar.file.camera, bool, {})
    _surveyed, _ = scene.cells, asked.clear()
    posed = posed_cells(scene, FINE)
    at = corners(posed.state)  # of cells that are interpolated in
    x, still = posed.low + at * posed.cell, torch.zeros(len(at), dtype=torch.int32)
    face, bary, _ = nearest(x, still, avatar.config.shell)
    landing, _ = poser.unpose(pose, x, still, face.clamp_min(0), bary)
    error = (posed.node[tuple(at.unbind(1))][:, :3] - landing).norm(dim=1)[face >= 0]
    assert len(error) > 10_000
    assert sum(asked) < len(at) / 2
    assert error.quantile(0.95) < 2e-4
    assert error.quantile(0.999) < 2e-3
