# SPDX-License-Identifier: GPL-3.0-or-later
"""The preview's kernels against their torch references: random scenes, and the odd cases."""

from dataclasses import replace

import pytest
import torch

from engine.kernels import reference_preview as reference
from engine.kernels.lattice import interpolate
from engine.kernels.nearest import PosedMeshes
from engine.kernels.posed_cells import DARK, EMPTY, PosedCells, land
from engine.kernels.preview import BRICK, CanonicalCells, march_preview

CPU = torch.device("cpu")
STEP = 0.02


def random_lattice(g, cells=4, channels=5):
    """Rows of nodes, a third of them missing, and their values."""
    row = torch.full(((cells + 1) ** 3,), -1, dtype=torch.int32)
    some = (torch.rand(len(row), generator=g) > 0.3).nonzero()[:, 0]
    row[some] = torch.arange(len(some), dtype=torch.int32)
    return row.view((cells + 1,) * 3), torch.randn(len(some), channels, generator=g)


class TestLattice:
    def test_matches_the_reference_inside_and_outside(self):
        g = torch.Generator().manual_seed(0)
        row, values = random_lattice(g)
        u = torch.rand(300, 3, generator=g) * 1.2 - 0.1
        torch.testing.assert_close(
            interpolate(u, row, values), reference.interpolate(u, row, values), rtol=1e-4, atol=1e-5
        )

    def test_a_linear_function_comes_back(self):
        axis = torch.linspace(0, 1, 4)
        nodes = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).view(-1, 3)
        row = torch.arange(64, dtype=torch.int32).view(4, 4, 4)
        u = torch.rand(50, 3, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(interpolate(u, row, nodes), u, rtol=0, atol=1e-6)

    def test_without_nodes_there_is_nothing(self):
        row = torch.full((3, 3, 3), -1, dtype=torch.int32)
        assert (interpolate(torch.rand(7, 3), row, torch.zeros(0, 2)) == 0).all()

    def test_no_samples(self):
        row, values = random_lattice(torch.Generator().manual_seed(2))
        assert interpolate(torch.zeros(0, 3), row, values).shape == (0, 5)


@pytest.fixture
def scene():
    """A soup of triangles, hardly moved, with cells of all states and three grids over it."""
    g = torch.Generator().manual_seed(3)
    centre = torch.rand(30, 1, 3, generator=g)
    vertices = (centre + 0.1 * torch.randn(30, 3, 3, generator=g)).view(-1, 3)
    faces = torch.arange(90, dtype=torch.int32).view(-1, 3)
    meshes = PosedMeshes(faces, CPU)
    meshes.pose(vertices[None])
    rest = torch.cat([torch.eye(3), torch.zeros(3, 1)], 1).expand(2, 3, 4)
    axes = [torch.arange(n + 1) * 0.25 for n in (4, 5, 4)]
    node = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    node = torch.cat([node + 0.02 * torch.randn(node.shape, generator=g),
                      0.1 * torch.rand(*node.shape[:3], 1, generator=g)], -1)  # fmt: skip
    posed = PosedCells(
        low=torch.zeros(3), cell=0.25,
        state=torch.tensor([0, 1, 1, 1, 2, 2, 3]).byte()[torch.randint(7, (4, 5, 4), generator=g)],
        node=node, mesh=meshes.mesh(0), vertices=vertices, shell=0.15, faces=faces,
        weights=torch.softmax(torch.randn(90, 2, generator=g), 1),
        transforms=(rest + 0.03 * torch.randn(2, 3, 4, generator=g))[None].contiguous(),
        canonical=rest.contiguous(), offsets=0.02 * torch.randn(1, 90, 3, generator=g),
    )  # fmt: skip
    row, parts = random_lattice(g, 3, 4)
    brick = torch.tensor([[[0, -1], [1, 2]], [[3, 4], [5, 6]]], dtype=torch.int32)
    size = 7, (BRICK + 1) ** 3, 4
    levels = torch.tensor([0, 10, 30, 50, 70, 90, 150])[:, None, None]  # clear to opaque bricks
    canonical = CanonicalCells(
        low=torch.zeros(3), size=1.25, tear=0.05,
        occupied=(torch.rand(6, 6, 6, generator=g) > 0.2).byte(),
        clearance=0.1 * torch.rand(6, 6, 6, generator=g),
        brick=brick, nodes=(levels + torch.randint(60, size, generator=g)).byte(),
        row=row, parts=parts.softmax(1),
        offset=0.02 * torch.randn(len(parts), 3, generator=g),
        tint=0.1 * torch.randn(len(parts), 3, generator=g),
    )  # fmt: skip
    aim = torch.rand(60, 3, generator=g) * torch.tensor([1.0, 1.25, 1.0])
    origins = torch.tensor([0.4, 0.5, -2.0]) + 0.3 * torch.randn(60, 3, generator=g)
    directions = aim - origins
    return origins, directions / directions[:, 2:], torch.rand(60, generator=g), posed, canonical


def test_points_land_as_in_the_reference(scene):
    posed = scene[3]
    x = torch.rand(200, 3, generator=torch.Generator().manual_seed(5))
    x_canonical, distance = land(x, posed)
    for i in range(len(x)):
        p = x[i] / posed.cell
        state = int(posed.state[tuple(p.long())])
        if state in (EMPTY, DARK):
            assert distance[i] > 1e5
            continue
        y, far = reference.landing(posed, x[i], p, state)
        assert (distance[i] > 1e5) == (far > 1e5)
        if far < 1e5:
            torch.testing.assert_close(x_canonical[i], y, rtol=1e-3, atol=1e-4)
            assert abs(distance[i] - far) < 1e-4
    assert land(x[:0], posed)[0].shape == (0, 3)


def test_march_matches_the_reference(scene):
    values, alpha, depth = march_preview(*scene, STEP)
    expected = reference.march_preview(*scene, STEP)
    assert ((alpha > 0.05) & (alpha < 0.95)).sum() > 5  # all kinds of rays are there
    assert (alpha > 0.95).sum() > 5
    close = dict(rtol=1e-3, atol=1e-3)
    # A sample on the very border of two cells may fall to either side.
    same = (alpha - expected[1]).abs() < 1e-3
    assert same.float().mean() > 0.95
    torch.testing.assert_close(values[same], expected[0][same], **close)
    torch.testing.assert_close(depth[same], expected[2][same], **close)


def test_parts_add_up_to_alpha(scene):
    whole = torch.arange(64, dtype=torch.int32).view(4, 4, 4)
    parts = torch.softmax(torch.randn(64, 4, generator=torch.Generator().manual_seed(4)), 1)
    still = torch.zeros(64, 3)
    canonical = replace(scene[4], row=whole, parts=parts, offset=still, tint=still)
    values, alpha, _ = march_preview(*scene[:4], canonical, STEP)
    solid = alpha > 0.2
    torch.testing.assert_close(values[solid, 3:].sum(1), alpha[solid], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("what", ["no bricks", "empty cells", "rays that miss"])
def test_where_nothing_is_nothing_is_seen(scene, what):
    origins, directions, jitter, posed, canonical = scene
    if what == "no bricks":
        canonical = replace(canonical, brick=canonical.brick * 0 - 1, nodes=canonical.nodes[:0])
    if what == "empty cells":
        posed = replace(posed, state=torch.full_like(posed.state, EMPTY))
    if what == "rays that miss":
        origins = origins + torch.tensor([10.0, 0.0, 0.0])
    values, alpha, depth = march_preview(origins, directions, jitter, posed, canonical, STEP)
    assert (values == 0).all()
    assert (alpha == 0).all()
    assert torch.isinf(depth).all()


def test_no_rays(scene):
    none = torch.zeros(0, 3)
    values, alpha, depth = march_preview(none, none, none[:, 0], *scene[3:], STEP)
    assert values.shape == (0, 7)
    assert alpha.shape == depth.shape == (0,)
