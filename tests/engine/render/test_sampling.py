# SPDX-License-Identifier: GPL-3.0-or-later
"""Posing and sampling: unposing undoes posing, and hidden space is left out rightly."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.avatar.config import ModelConfig
from engine.avatar.model import Avatar
from engine.head.library import load_head_model
from engine.head.model import JAW, JOINTS
from engine.head.skinning import (
    HeadTensors,
    canonical_theta,
    canonical_vertices,
    posed_vertices,
)
from engine.kernels.marching import DARK, EMPTY
from engine.kernels.raycast import cast_rays
from engine.render.camera import Camera
from engine.render.posing import Poser
from engine.render.sampling import Rays, depth_in_front, sample

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def avatar():
    torch.manual_seed(0)
    config = ModelConfig(table_bits=10, levels=2, finest=32, occupancy_cells=48)
    avatar = Avatar(config, load_head_model("generic").mean, CPU)
    avatar.occupancy.start(avatar.skin, avatar.low, avatar.size, config.shell)
    return avatar


def random_pose(avatar, seed):
    g = torch.Generator().manual_seed(seed)
    psi = 0.6 * torch.rand(1, len(avatar.head.expression_names), generator=g)
    theta = 0.15 * torch.randn(1, len(JOINTS), 3, generator=g)
    theta[:, JAW, 0] = 0.15
    return psi, theta, 0.02 * torch.randn(1, 3, generator=g)


def camera(size=48):
    pose = np.eye(4)
    pose[:3, :3] = np.diag([1.0, -1.0, -1.0])
    pose[2, 3] = 1.0
    return Camera(size, size, 2.2 * size, 2.2 * size, size / 2, size / 2, pose)


def rays_of(camera):
    origin, directions = camera.rays()
    count = len(directions)
    return Rays(
        torch.from_numpy(np.tile(origin, (count, 1))),
        torch.from_numpy(directions),
        torch.zeros(count, dtype=torch.int32),
        torch.full((count,), 0.5),
    )


def test_points_on_the_posed_skin_land_on_the_canonical_skin(avatar):
    poser = Poser(avatar)
    pose = poser.pose(*random_pose(avatar, 1))
    faces = avatar.skin.faces.long()
    g = torch.Generator().manual_seed(2)
    chosen = torch.randint(0, len(faces), (400,), generator=g)
    bary = torch.softmax(torch.randn(400, 3, generator=g), 1)
    on_posed = (bary[..., None] * pose.vertices[0][faces[chosen]]).sum(1)
    on_canonical = (bary[..., None] * canonical_vertices(avatar.skin)[faces[chosen]]).sum(1)
    frame = torch.zeros(400, dtype=torch.int32)
    landed, turn = poser.unpose(pose, on_posed, frame, chosen.int(), bary)
    # Within a triangle posing is not affine where its corners' joints or offsets differ.
    assert (landed - on_canonical).norm(dim=1).median() < 1e-5
    assert (landed - on_canonical).norm(dim=1).max() < 1e-3
    determinant = torch.linalg.det(turn)
    assert ((determinant > 0.5) & (determinant < 2)).all()


def test_the_canonical_pose_is_left_where_it_is(avatar):
    poser = Poser(avatar)
    psi = torch.zeros(1, len(avatar.head.expression_names))
    pose = poser.pose(psi, canonical_theta()[None], torch.zeros(1, 3))
    rays = rays_of(camera())
    cells = poser.frame_cells(pose, 0)
    cell_map = poser.cell_map([cells], poser.grown_occupancy())
    samples = sample(poser, pose, rays, cell_map)
    assert len(samples) > 1000
    ray = samples.ray_index.long()
    x = rays.origins[ray] + samples.t[:, None] * rays.directions[ray]
    torch.testing.assert_close(samples.x_canonical, x, rtol=0, atol=2e-5)
    turned = torch.nn.functional.normalize(rays.directions[ray], dim=1)
    torch.testing.assert_close(samples.view, turned, rtol=0, atol=1e-4)


def test_samples_are_grouped_by_ray_and_ordered(avatar):
    poser = Poser(avatar)
    pose = poser.pose(*random_pose(avatar, 3))
    cell_map = poser.cell_map([poser.frame_cells(pose, 0)], poser.grown_occupancy())
    samples = sample(poser, pose, rays_of(camera()), cell_map)
    assert int(samples.ray_count.sum()) == len(samples)
    for ray in (samples.ray_count > 3).nonzero()[:20, 0].tolist():
        part = slice(
            int(samples.ray_start[ray]), int(samples.ray_start[ray] + samples.ray_count[ray])
        )
        assert (samples.ray_index[part] == ray).all()
        assert (samples.t[part].diff() > 0).all()
    torch.testing.assert_close(samples.surface_part.sum(1), torch.ones(len(samples)))


def test_coarse_grid_loses_no_sample_that_the_shell_holds(avatar):
    poser = Poser(avatar)
    pose = poser.pose(*random_pose(avatar, 4))
    cells = poser.frame_cells(pose, 0)
    cell_map = poser.cell_map([cells], poser.grown_occupancy())
    rays = rays_of(camera(32))
    pruned = sample(poser, pose, rays, cell_map)
    one = torch.where(cell_map.row == DARK, DARK, 0)
    trustless = torch.zeros_like(cell_map.smooth)
    whole = sample(poser, pose, rays, replace(cell_map, row=one.int(), smooth=trustless))
    # Where the nearest surface jumps (between the lips) a coarse cell may, rarely, be wrong.
    assert len(pruned) > 0.99 * len(whole)


def test_rays_end_inside_the_head_and_not_before_the_skin(avatar):
    poser = Poser(avatar)
    psi, theta, translation = random_pose(avatar, 5)
    theta[:, JAW, 0] = 0.45  # wide open: the gap between the lips is no flesh
    pose = poser.pose(psi, theta, translation)
    cell_map = poser.cell_map([poser.frame_cells(pose, 0)], poser.grown_occupancy())
    rays = rays_of(camera(32))
    ended = sample(poser, pose, rays, cell_map)
    row = torch.where(cell_map.row == DARK, EMPTY, cell_map.row)
    through = sample(poser, pose, rays, replace(cell_map, row=row.int()))
    assert len(ended) < 0.95 * len(through)
    hit, _, _ = cast_rays(pose.vertices[0], avatar.skin.faces, rays.origins, rays.directions)
    skin = torch.isfinite(hit)
    last = torch.full((len(hit),), -1.0)
    last.scatter_reduce_(0, ended.ray_index.long(), ended.t, "amax")
    # Where expressions pull lips or lids far apart a ray in a hundred may end in their gap.
    assert (last[skin] > hit[skin] - 0.002).float().mean() > 0.985


def test_depth_in_front_restarts_with_every_ray():
    optical = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0])
    ray = torch.tensor([0, 0, 2, 2, 2])
    torch.testing.assert_close(
        depth_in_front(optical, ray), torch.tensor([0.0, 1.0, 0.0, 4.0, 12.0])
    )


def test_the_middle_of_an_open_mouth_is_not_taken_for_the_lower_lip(avatar):
    """Samples between wide open lips would land in canonical flesh; they must be left out."""
    poser = Poser(avatar)
    theta = torch.zeros(1, len(JOINTS), 3)
    theta[:, JAW, 0] = 0.55
    pose = poser.pose(torch.zeros(1, len(avatar.head.expression_names)), theta, torch.zeros(1, 3))
    inner = avatar.head.landmarks68.vertices[[62, 66]]  # upper and lower lip, middle
    used = avatar.skin_rows
    place = np.searchsorted(used, inner[:, 0])
    lips = pose.vertices[0, torch.from_numpy(place)]
    middle = lips.mean(0, keepdim=True)
    assert (lips[0] - lips[1]).norm() > 0.02
    face, bary, distance = poser.meshes.nearest(middle, torch.zeros(1, dtype=torch.int32), 0.05)
    landed, _ = poser.unpose(pose, middle, torch.zeros(1, dtype=torch.int32), face, bary)
    grid = avatar.occupancy
    assert grid.torn(grid.flat(avatar.unit(landed)), distance).all()


@pytest.mark.parametrize("row", ["upper", "lower"])
def test_teeth_follow_skull_and_jaw_whatever_the_lips_do(avatar, row):
    """Points before a tooth land before it; where teeth are not asked, lips carry them."""
    head = avatar.head
    psi = torch.zeros(1, len(head.expression_names))
    for name in ("mouthUpperUp", "mouthLowerDown", "mouthSmile"):
        for k, other in enumerate(head.expression_names):
            psi[0, k] += 0.8 * other.startswith(name)
    theta = torch.zeros(1, len(JOINTS), 3)
    theta[:, JAW, 0] = 0.45
    carried = head.skin_weights[:, JAW] > 0.5
    tooth = head.vertices_in("teeth")
    tooth = tooth[carried[tooth] == (row == "lower")]
    front = tooth[np.argsort(-head.vertices[tooth, 2])[:12]]  # incisors
    whole = HeadTensors.points_of(head, front)
    shift = torch.zeros(1, 3)
    ahead = torch.tensor([0.0, 0.0, 0.001])
    posed = posed_vertices(whole, psi, theta, shift)[0] + ahead
    rest = canonical_vertices(whole) + ahead

    def error(config):
        other = Avatar(config, head, CPU)
        poser = Poser(other)
        pose = poser.pose(psi, theta, shift)
        frame = torch.zeros(len(posed), dtype=torch.int32)
        face, bary, _ = poser.meshes.nearest(posed, frame, 0.05)
        landed, _ = poser.unpose(pose, posed, frame, face, bary)
        return (landed - rest).norm(dim=1).median()

    assert error(avatar.config) < 0.0005
    assert error(replace(avatar.config, teeth=False)) > 0.001
