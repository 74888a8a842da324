# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
import torch

from engine.errors import Cancelled, InputError
from engine.export.surface import DENSEST, absorbed, extract_surface, largest_piece
from engine.jobs import Job

RADIUS = 0.08  # m
BOX = np.full(3, -0.12), np.array([0.12, 0.13, 0.11])


def ball(points, radius=RADIUS, centre=(0.0, 0.0, 0.0)):
    """Density that passes half absorption (277 1/m over 2.5 mm) at the radius; red where x > 0."""
    depth = radius - (points - torch.tensor(centre)).norm(dim=1)
    sigma = 277.26 * torch.exp(depth / 0.002)
    rgb = torch.stack([(points[:, 0] > 0).float(), points[:, 1] * 0 + 0.25, points[:, 0] * 0], 1)
    return sigma.clamp(max=1e4), rgb


def everywhere(points):
    return torch.ones(len(points), dtype=torch.bool), torch.zeros(len(points))


def job():
    return Job("export", quiet=True)


def volume(surface):
    a, b, c = (surface.vertices[surface.faces[:, i]].astype(float) for i in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def test_a_ball_comes_out_round_and_outward():
    surface = extract_surface(ball, everywhere, *BOX, 96, job())
    error = np.linalg.norm(surface.vertices, axis=1) - RADIUS
    assert np.abs(error).max() < 0.0013  # m; the density rises from a tenth to full over 4.6 mm
    assert abs(error.mean()) < 0.0006
    assert volume(surface) == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.02)


def test_colours_are_those_at_the_surface():
    surface = extract_surface(ball, everywhere, *BOX, 32, job())
    red = surface.colours[:, 0]
    assert (red[surface.vertices[:, 0] > 0.01] > 0.99).all()
    assert (red[surface.vertices[:, 0] < -0.01] < 0.01).all()
    assert np.allclose(surface.colours[:, 1], 0.25, atol=1e-5)


def test_a_soft_ball_ends_where_half_the_light_is_gone():
    def fog(points):  # 60 1/m: 2.5 mm of it absorb 14 %, 11.6 mm a half
        return 60.0 * (points.norm(dim=1) < RADIUS).float(), points * 0

    surface = extract_surface(fog, everywhere, *BOX, 96, job())
    depth = RADIUS - np.linalg.norm(surface.vertices, axis=1)
    facing = np.abs(surface.vertices).max(1) > 0.95 * np.linalg.norm(surface.vertices, axis=1)
    assert depth[facing].mean() == pytest.approx(np.log(2) / 60, abs=0.002)
    assert depth.min() > 0


def test_thin_and_dense_things_are_kept():
    sigma = np.zeros((30, 30, 30), np.float32)
    sigma[10:14] = 400  # a plate of 8 mm
    values = absorbed(sigma, 0.002)
    assert (values[11:13, 2:-2, 2:-2] > 0.5).all()
    assert (values[[5, 20]] < 0.1).all()


def test_the_field_is_asked_where_the_domain_says_so_alone():
    asked = []

    def noting(points):
        asked.append(points)
        return ball(points)

    def upper_half(points):
        return points[:, 1] > 0, torch.zeros(len(points))

    surface = extract_surface(noting, upper_half, *BOX, 48, job())
    assert torch.cat(asked[:1])[:, 1].min() > 0
    assert surface.vertices[:, 1].min() > -0.006


def test_small_pieces_are_left_out():
    def two(points):
        big, speck = ball(points), ball(points, 0.01, (0.1, 0.1, 0.09))
        return torch.maximum(big[0], speck[0]), big[1]

    surface = extract_surface(two, everywhere, *BOX, 64, job())
    assert np.abs(np.linalg.norm(surface.vertices, axis=1) - RADIUS).max() < 0.002


def test_solid_fills_and_empty_cuts():
    def shell(points):  # hollow: nothing deeper than 2 cm
        sigma, rgb = ball(points)
        return sigma * (points.norm(dim=1) > RADIUS - 0.02), rgb

    def domain(points):
        solid = (points.norm(dim=1) < RADIUS - 0.01) & (points[:, 1] > -0.05)
        return points[:, 1] > -0.05, solid * DENSEST

    surface = extract_surface(shell, domain, *BOX, 64, job())
    assert surface.vertices[:, 1].min() > -0.055
    assert np.linalg.norm(surface.vertices[surface.vertices[:, 1] > -0.04], axis=1).min() > 0.075


def test_a_surface_that_leaves_the_box_is_closed():
    surface = extract_surface(
        ball, everywhere, np.full(3, -0.12), np.array([0.12, 0.05, 0.12]), 48, job()
    )
    edges = np.sort(surface.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def test_nothing_to_export_is_said():
    def fog(points):
        return points[:, 0] * 0, points

    with pytest.raises(InputError, match="no surface"):
        extract_surface(fog, everywhere, *BOX, 32, job())
    with pytest.raises(InputError, match="shows nothing"):
        extract_surface(ball, everywhere, *BOX, 2, job())


def test_extraction_can_be_stopped(tmp_path):
    stopped = Job("export", tmp_path, quiet=True)
    (tmp_path / "cancel").touch()
    with pytest.raises(Cancelled):
        extract_surface(ball, everywhere, *BOX, 32, stopped)


def test_largest_piece_renumbers():
    vertices = np.arange(24.0).reshape(8, 3)
    faces = np.array([[0, 1, 2], [4, 5, 6], [5, 6, 7]])
    kept, numbers = largest_piece(vertices, faces)
    assert np.array_equal(kept, vertices[4:])
    assert np.array_equal(numbers, faces[1:] - 4)
