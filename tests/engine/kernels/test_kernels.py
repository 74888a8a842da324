# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kernel against its torch reference: values, gradients, and the odd cases."""

from dataclasses import replace

import pytest
import torch
import trimesh

from engine.kernels import reference
from engine.kernels.compositing import composite
from engine.kernels.hash_grid import hash_encode
from engine.kernels.inverse_skinning import inverse_skin
from engine.kernels.marching import DARK, EMPTY, CellMap, march
from engine.kernels.nearest import PosedMeshes, signed_distance

CPU = torch.device("cpu")


def tetrahedra(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """`count` small random triangles as one soup: vertices [3 count, 3], faces [count, 3]."""
    centre = torch.rand(count, 1, 3, generator=generator)
    vertices = (centre + 0.2 * torch.randn(count, 3, 3, generator=generator)).reshape(-1, 3)
    return vertices, torch.arange(3 * count, dtype=torch.int32).reshape(-1, 3)


def same_gradients(fast, slow, inputs: list[torch.Tensor], weights: list[torch.Tensor]) -> None:
    """Outputs and gradients of two functions of the same inputs agree."""
    results = []
    for function in (fast, slow):
        leaves = [x.clone().requires_grad_() for x in inputs]
        outputs = function(*leaves)
        total = sum((o * w).sum() for o, w in zip(outputs, weights, strict=False))
        results.append((outputs, torch.autograd.grad(total, leaves)))
    for a, b in zip(results[0][0], results[1][0], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    for a, b in zip(results[0][1], results[1][1], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


class TestNearest:
    def test_matches_brute_force_in_every_pose(self):
        g = torch.Generator().manual_seed(0)
        vertices, faces = tetrahedra(40, g)
        poses = torch.stack([vertices, vertices + torch.tensor([0.3, 0.0, 0.1])])
        meshes = PosedMeshes(faces, CPU)
        meshes.pose(poses[:1] * 0.5)  # a first pose that the second call must replace
        meshes.pose(poses)
        x = torch.rand(200, 3, generator=g)
        frame = (torch.arange(200) % 2).int()
        face, bary, distance = meshes.nearest(x, frame, 10.0)
        for n in range(2):
            mine = frame == n
            _, _, expected = reference.nearest(poses[n], faces, x[mine])
            torch.testing.assert_close(distance[mine], expected, rtol=1e-4, atol=1e-5)
        corners = poses[frame.long()[:, None], faces[face.long()].long()]  # [S, 3, 3]
        points = (bary[..., None] * corners).sum(1)
        torch.testing.assert_close((points - x).norm(dim=1), distance, rtol=1e-4, atol=1e-5)

    def test_beyond_reach_is_nothing(self):
        vertices, faces = tetrahedra(3, torch.Generator().manual_seed(1))
        meshes = PosedMeshes(faces, CPU)
        meshes.pose(vertices[None])
        face, _, _ = meshes.nearest(torch.full((2, 3), 9.0), torch.zeros(2, dtype=torch.int32), 0.1)
        assert face.tolist() == [-1, -1]

    def test_zero_area_triangles_give_finite_answers(self):
        vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0.5, 0, 0]])
        meshes = PosedMeshes(torch.tensor([[0, 1, 2]], dtype=torch.int32), CPU)
        meshes.pose(vertices[None])
        _, bary, distance = meshes.nearest(
            torch.tensor([[0.3, 1.0, 0]]), torch.zeros(1, dtype=torch.int32), 5.0
        )
        assert torch.isfinite(bary).all()
        assert torch.isfinite(distance).all()


class TestSignedDistance:
    def test_a_sphere_with_a_hole_has_an_inside(self):
        ball = trimesh.creation.icosphere(subdivisions=4, radius=0.1)
        faces = ball.faces[ball.triangles_center[:, 1] > -0.09]  # open below, like a neck
        vertices = torch.from_numpy(ball.vertices.copy()).float()
        x = 0.3 * torch.rand(500, 3, generator=torch.Generator().manual_seed(9)) - 0.15
        x = x[x[:, 1] > -0.05]
        distance, face = signed_distance(vertices, torch.from_numpy(faces.copy()).int(), x, 1.0)
        torch.testing.assert_close(distance, x.norm(dim=1) - 0.1, rtol=0, atol=5e-4)
        assert (face >= 0).all()


class TestInverseSkin:
    def arguments(self, samples: int):
        g = torch.Generator().manual_seed(2)
        vertices, faces = tetrahedra(20, g)
        weights = torch.softmax(2 * torch.randn(len(vertices), 5, generator=g), 1)
        turn = torch.linalg.qr(torch.randn(3, 5, 3, 3, generator=g))[0]
        transforms = torch.cat(
            [torch.eye(3) + 0.2 * turn, torch.randn(3, 5, 3, 1, generator=g)], -1
        )
        canonical = transforms[0].flip(0).clone()
        offsets = 0.1 * torch.randn(3, len(vertices), 3, generator=g)
        x = torch.randn(samples, 3, generator=g)
        frame = torch.randint(0, 3, (samples,), generator=g).int()
        face = torch.randint(0, 20, (samples,), generator=g).int()
        bary = torch.softmax(torch.randn(samples, 3, generator=g), 1)
        return x, frame, face, bary, faces, weights, transforms, canonical, offsets

    @pytest.mark.parametrize("samples", [0, 1, 300, 9000])
    def test_values_and_gradients_match_the_reference(self, samples):
        x, frame, face, bary, faces, weights, transforms, canonical, offsets = self.arguments(
            samples
        )
        weight = torch.randn(samples, 3, generator=torch.Generator().manual_seed(3))

        def with_kernel(x, transforms, offsets):
            return inverse_skin(
                x, frame, face, bary, faces, weights, transforms, canonical, offsets
            )

        def with_torch(x, transforms, offsets):
            return reference.inverse_skin(
                x, frame, face, bary, faces, weights, transforms, canonical, offsets
            )

        same_gradients(with_kernel, with_torch, [x, transforms, offsets], [weight])

    def test_reference_passes_gradcheck(self):
        x, frame, face, bary, faces, weights, transforms, canonical, offsets = self.arguments(4)
        leaves = [a.double().requires_grad_() for a in (x, transforms, offsets)]
        assert torch.autograd.gradcheck(
            lambda x, t, o: reference.inverse_skin(
                x, frame, face, bary.double(), faces, weights.double(), t, canonical.double(), o
            )[0],
            leaves,
        )


class TestHashEncode:
    @pytest.mark.parametrize("samples", [0, 1, 257, 9000])
    def test_values_and_gradients_match_the_reference(self, samples):
        g = torch.Generator().manual_seed(4)
        table = torch.randn(4, 1000, 2, generator=g)  # 5³ and 9³ fit, 17³ and 33³ are hashed
        resolutions = torch.tensor([4, 8, 16, 32], dtype=torch.int32)
        x = torch.rand(samples, 3, generator=g)
        weight = torch.randn(samples, 8, generator=g)
        same_gradients(
            lambda x, t: (hash_encode(x, t, resolutions),),
            lambda x, t: (reference.hash_encode(x, t, resolutions),),
            [x, table],
            [weight],
        )

    def test_outside_and_on_the_border_stays_finite(self):
        table = torch.randn(2, 1000, 2, generator=torch.Generator().manual_seed(5))
        x = torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.2, -0.3, 0.5]])
        features = hash_encode(x, table, torch.tensor([4, 16], dtype=torch.int32))
        assert torch.isfinite(features).all()

    def test_reference_passes_gradcheck(self):
        g = torch.Generator().manual_seed(6)
        x = (
            torch.randint(0, 4, (5, 3), generator=g) + 0.2 + 0.6 * torch.rand(5, 3, generator=g)
        ) / 4
        table = torch.randn(1, 130, 2, generator=g)  # 5³ fit
        resolutions = torch.tensor([4], dtype=torch.int32)
        leaves = [x.double().requires_grad_(), table.double().requires_grad_()]
        assert torch.autograd.gradcheck(
            lambda x, t: reference.hash_encode(x, t, resolutions), leaves
        )


class TestComposite:
    def test_values_and_gradients_match_the_reference(self):
        g = torch.Generator().manual_seed(7)
        count = torch.tensor(
            [5, 0, 1, 9], dtype=torch.int32
        )  # a ray without samples, one with a single one
        start = (torch.cumsum(count, 0) - count).int()
        optical = 2 * torch.rand(15, generator=g)
        values = torch.rand(15, 3, generator=g)
        weights = [torch.randn(4, 3, generator=g), torch.randn(4, generator=g)]
        same_gradients(
            lambda o, v: composite(o, v, start, count),
            lambda o, v: reference.composite(o, v, start, count),
            [optical, values],
            weights,
        )

    def test_no_samples_at_all(self):
        none = torch.zeros(2, dtype=torch.int32)
        total, alpha, weights = composite(torch.zeros(0), torch.zeros(0, 3), none, none)
        assert total.tolist() == [[0, 0, 0]] * 2
        assert alpha.tolist() == [0, 0]
        assert len(weights) == 0

    def test_opaque_sample_hides_what_is_behind(self):
        start, count = torch.zeros(1, dtype=torch.int32), torch.full((1,), 2, dtype=torch.int32)
        total, alpha, _ = composite(torch.tensor([50.0, 50.0]), torch.eye(3)[:2], start, count)
        torch.testing.assert_close(total, torch.tensor([[1.0, 0.0, 0.0]]))
        torch.testing.assert_close(alpha, torch.ones(1))


class TestMarch:
    def cells(self, seed=8):
        """Two random grids of 6 × 5 × 7 cells; a quarter full, some dark, some not trusted."""
        g = torch.Generator().manual_seed(seed)
        row = torch.full((2, 6, 5, 7), EMPTY, dtype=torch.int32)
        full = torch.rand(row.shape, generator=g) < 0.25
        row[full] = torch.arange(int(full.sum()), dtype=torch.int32)
        row[torch.rand(row.shape, generator=g) < 0.03] = DARK
        count = int(full.sum())
        return CellMap(
            low=torch.tensor([[-0.3, -0.2, 0.5], [-0.2, -0.3, 0.6]]),
            cell=0.1,
            row=row,
            landing=torch.rand(count, 3, generator=g),
            turn=torch.linalg.qr(torch.randn(count, 3, 3, generator=g))[0],
            smooth=(torch.rand(count, generator=g) < 0.7).byte(),
            distance=torch.zeros(count),
            occupied=(torch.rand(8, 8, 8, generator=g) < 0.5).byte(),
            density=(density := 400 * torch.rand(8, 8, 8, generator=g)),
            sure=density * torch.rand(8, 8, 8, generator=g),
            canonical_low=torch.tensor([-0.1, -0.1, -0.1]),
            canonical_size=1.2,
        )

    def test_finds_the_same_samples_as_trying_every_step(self):
        g = torch.Generator().manual_seed(8)
        directions = torch.cat([0.6 * torch.rand(60, 2, generator=g) - 0.3, torch.ones(60, 1)], 1)
        frame, jitter = (torch.arange(60) % 2).int(), torch.rand(60, generator=g)
        arguments = (torch.zeros(60, 3), directions, frame, jitter, self.cells(), 0.013)
        ray, t, length, start, count = march(*arguments)
        expected_ray, expected_t, _, expected_start, expected_count = reference.march(*arguments)
        # Floating point may put a sample on either side of a wall; all but a handful agree.
        assert len(expected_t) > 100
        assert abs(len(t) - len(expected_t)) <= 0.03 * len(expected_t)
        same = (count == expected_count).nonzero()[:, 0].tolist()
        assert len(same) > 50
        for r in same:
            mine = t[start[r] : start[r] + count[r]]
            first = expected_start[r]
            torch.testing.assert_close(
                mine, expected_t[first : first + count[r]], rtol=0, atol=0.014
            )
        assert (torch.bincount(ray.long(), minlength=60) == count).all()
        assert len(expected_ray) == len(expected_t)
        assert (length == 0.013).all()

    def test_only_what_is_sure_ends_a_ray(self):
        """Not what a cell holds at its densest: a ray may graze many such cells."""
        count = torch.arange(40, dtype=torch.int32).view(1, 1, 1, 40)
        dense = torch.full((40, 40, 40), 1000.0)
        cells = CellMap(
            low=torch.zeros(1, 3), cell=0.01, row=count, landing=torch.full((40, 3), 0.5),
            turn=torch.eye(3).expand(40, 3, 3), smooth=torch.ones(40).byte(),
            distance=torch.zeros(40), occupied=torch.ones(40, 40, 40).byte(), density=dense,
            sure=dense, canonical_low=torch.zeros(3), canonical_size=1.0,
        )  # fmt: skip
        ray = torch.tensor([[0.005, 0.005, 0.0]]), torch.tensor([[0.0, 0.0, 1.0]])
        still = torch.zeros(1, dtype=torch.int32), torch.zeros(1)
        within = march(*ray, *still, cells, 0.005)[1]
        assert len(within) == 6  # 25 is passed with the sixth step of five
        grazed = replace(cells, sure=0 * dense)
        assert len(march(*ray, *still, grazed, 0.005)[1]) == 80
        budget = 20  # steps are joined: all of those that are expected to count
        lengths = march(*ray, *still, grazed, 0.005, budget)[2]
        assert float(lengths.sum()) == pytest.approx(6 * 0.005)

    def test_a_budget_joins_steps_where_little_is_expected(self):
        g = torch.Generator().manual_seed(9)
        directions = torch.cat([0.6 * torch.rand(80, 2, generator=g) - 0.3, torch.ones(80, 1)], 1)
        frame, jitter = (torch.arange(80) % 2).int(), torch.rand(80, generator=g)
        thick = self.cells()
        cells = replace(thick, density=60 * thick.density / 400, sure=60 * thick.sure / 400)
        arguments = (torch.zeros(80, 3), directions, frame, jitter, cells, 0.004)
        _, every, _, first, whole = march(*arguments)
        _, t, length, start, count = march(*arguments, budget=6)
        _, expected_t, expected_length, expected_start, expected = reference.march(
            *arguments, budget=6
        )
        assert whole.max() > 20
        assert count.max() <= 8
        assert (count <= whole).all()
        same = 0
        for r in range(80):
            mine = slice(int(start[r]), int(start[r] + count[r]))
            steps = every[first[r] : first[r] + whole[r]]
            assert torch.isin(t[mine], steps).all()  # every sample is one of the ray's steps
            assert (t[mine].diff() > 0).all()
            torch.testing.assert_close(length[mine].sum(), 0.004 * whole[r])  # none is lost
            other = slice(int(expected_start[r]), int(expected_start[r] + expected[r]))
            if count[r] == expected[r] and torch.allclose(length[mine], expected_length[other]):
                same += bool(torch.allclose(t[mine], expected_t[other], atol=1e-4))
        assert same > 70

    def test_empty_grid_gives_no_samples(self):
        empty = replace(self.cells(), row=torch.full((2, 3, 3, 3), EMPTY, dtype=torch.int32))
        frame = torch.zeros(4, dtype=torch.int32)
        ray, t, _, _, count = march(
            torch.zeros(4, 3), torch.ones(4, 3), frame, torch.zeros(4), empty, 0.01
        )
        assert len(ray) == len(t) == 0
        assert count.sum() == 0
