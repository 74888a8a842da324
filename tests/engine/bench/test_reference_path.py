# SPDX-License-Identifier: GPL-3.0-or-later
"""Without a single Warp kernel the engine gives the same pictures and the same gradients."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
import warp as wp

from engine.bench.reference_path import ReferenceMeshes, reference_kernels
from engine.bench.subject import sized
from engine.bench.swapping import swapped
from engine.bench.training import late_run, steps_of
from engine.kernels import reference
from engine.kernels.marching import march
from engine.kernels.nearest import PosedMeshes
from engine.render import sampling
from engine.render.frame import on_white
from engine.train.metrics import psnr
from engine.train.settings import preset

CPU = torch.device("cpu")


def no_launch(*arguments, **options):
    raise AssertionError("a Warp kernel was launched")


def test_the_picture_is_the_same_and_no_kernel_runs(subject):
    camera = sized(subject.camera, 16, 16)
    fast = subject.render(camera)
    with reference_kernels(subject.avatar), swapped((wp, "launch", no_launch)):
        slow = subject.render(camera)
    assert fast.alpha.max() > 0.05  # six steps of training leave a ghost, but no empty picture
    assert psnr(on_white(slow), on_white(fast)) > 40
    np.testing.assert_allclose(slow.alpha, fast.alpha, atol=0.05)


def test_afterwards_the_kernels_are_back(subject):
    with reference_kernels(subject.avatar):
        assert sampling.march is not march
        assert "poser" not in subject.avatar.kept
    assert sampling.march is march
    subject.render(sized(subject.camera, 8, 8))
    assert isinstance(subject.avatar.kept["poser"].meshes, PosedMeshes)


def test_training_steps_run_without_kernels(subject, frames, job):
    settings = preset("draft", "partnerface")
    settings = replace(settings, samples=150, first_rays=64, frames_per_step=1)
    with reference_kernels(subject.avatar), swapped((wp, "launch", no_launch)):
        run = late_run(settings, frames, subject.avatar)
        before = run.avatar.field.table.detach().clone()
        seconds, rate = steps_of(run, job, warm=0, measured=1)
    assert len(seconds) == 1
    assert rate > 0
    assert not torch.equal(run.avatar.field.table, before)


class TestReferenceMeshes:
    def meshes(self, kind, poses, faces, built_on=None):
        made = kind(faces, CPU, built_on)
        made.pose(poses)
        return made

    @pytest.mark.parametrize("grown", [None, 2.0], ids=["built on the first", "built on another"])
    @pytest.mark.parametrize("reach", [0.05, 10.0])
    def test_finds_what_the_hierarchy_finds(self, reach, grown):
        ball = trimesh.creation.icosphere(subdivisions=3)
        vertices = torch.tensor(ball.vertices, dtype=torch.float32)
        faces = torch.tensor(ball.faces, dtype=torch.int32)
        poses = torch.stack([vertices, vertices * 1.1 + 0.2])
        g = torch.Generator().manual_seed(0)
        x, frame = 3 * torch.rand(500, 3, generator=g) - 1.5, (torch.arange(500) % 2).int()
        slow, fast = (
            self.meshes(kind, poses, faces, grown and grown * vertices).nearest(x, frame, reach)
            for kind in (ReferenceMeshes, PosedMeshes)
        )
        torch.testing.assert_close(slow[2], fast[2], rtol=1e-4, atol=1e-5)
        assert ((slow[0] >= 0) == (fast[0] >= 0)).all()
        hit = slow[0] >= 0
        assert hit.any()
        corners = poses[frame.long()[:, None], faces[slow[0].long()].long()]
        points = (slow[1][..., None] * corners).sum(1)
        torch.testing.assert_close((points - x).norm(dim=1)[hit], slow[2][hit])

    def test_looks_at_few_triangles(self):
        tried = []

        def counted(vertices, faces, x):
            tried.append(len(faces) * len(x))
            return nearest(vertices, faces, x)

        nearest = reference.nearest
        ball = trimesh.creation.icosphere(subdivisions=4)
        vertices = torch.tensor(ball.vertices, dtype=torch.float32)
        faces = torch.tensor(ball.faces, dtype=torch.int32)
        x = 1.05 * torch.nn.functional.normalize(torch.randn(200, 3), dim=1)
        meshes = self.meshes(ReferenceMeshes, vertices[None], faces)
        with swapped((reference, "nearest", counted)):
            meshes.nearest(x, torch.zeros(200, dtype=torch.int32), 1.0)
        assert sum(tried) < 0.2 * len(x) * len(faces)
