# SPDX-License-Identifier: GPL-3.0-or-later
"""The orthographic camera: parallel rays through the same renderers; and normals of the surface."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.avatar.model import Avatar
from engine.render.camera import Camera
from engine.render.frame import EMPTY_DEPTH, render_frame

SIDE = 40
QUALITIES = ("exact", "frame-baked", "preview")


@pytest.fixture(scope="module")
def avatar(trained_avatar):
    """The avatar with a sharper density than few steps of training give."""
    avatar = Avatar.load(trained_avatar, torch.device("cpu"))
    with torch.no_grad():
        avatar.field.density[-1].weight *= 4
    return avatar


@pytest.fixture(scope="module")
def parallel(avatar):
    """An orthographic camera at the clip camera's place."""
    seen = avatar.file.camera.resized(SIDE, SIDE)
    depth = float(np.linalg.norm(seen.camera_from_world[:3, 3]))
    return replace(
        seen, fx=seen.fx / depth, fy=seen.fy / depth, cx=SIDE / 2, cy=SIDE / 2, orthographic=True
    )


def rendered(avatar, camera, quality="frame-baked", **options):
    motion = avatar.file.motion
    return render_frame(
        avatar, camera, motion.psi[2], motion.theta[2], motion.translation[2], quality=quality,
        **options,
    )  # fmt: skip


def test_its_rays_lead_where_it_projects(parallel):
    points = np.random.default_rng(0).normal(0, 0.1, (50, 3))
    pixels, depth = parallel.project(points)
    origins, direction = parallel.rays(pixels)
    assert np.allclose(origins + depth[:, None] * direction, points, atol=1e-5)
    assert Camera.from_json(parallel.to_json()).orthographic
    assert "orthographic" not in replace(parallel, orthographic=False).to_json()


def test_a_pixel_is_as_wide_as_it_projects(parallel):
    """Of both kinds of cameras, at the nearest point; what is behind the eye does not count."""
    pinhole = replace(parallel, fx=50.0, fy=60.0, orthographic=False)
    point = parallel.world_from_camera[:3] @ (0.02, -0.01, 0.7, 1)
    for camera in (parallel, pinhole):
        wide = camera.pixel_size(np.stack([point + camera.world_from_camera[:3, 2], point]))
        aside = point + wide * camera.world_from_camera[:3, 1]
        moved = (camera.project(aside)[0] - camera.project(point)[0])[1]
        assert np.isclose(moved, camera.fy / max(camera.fx, camera.fy))
    behind = parallel.world_from_camera[:3] @ (0, 0, -0.1, 1)
    assert pinhole.pixel_size(np.stack([behind, point])) == pinhole.pixel_size(point[None])
    assert pinhole.pixel_size(behind[None]) == 0


@pytest.mark.parametrize("quality", QUALITIES)
def test_it_sees_what_a_pinhole_from_very_far_sees(avatar, parallel, quality):
    back = 300.0  # m; float32 then knows a depth to 0.03 mm
    pose = np.array(parallel.camera_from_world)
    pose[2, 3] += back
    middle = float(np.linalg.norm(parallel.camera_from_world[:3, 3])) + back
    far = replace(
        parallel, camera_from_world=pose, fx=parallel.fx * middle, fy=parallel.fy * middle,
        orthographic=False,
    )  # fmt: skip
    near, wide = rendered(avatar, parallel, quality), rendered(avatar, far, quality)
    assert near.alpha.max() > 0.5
    assert np.abs(near.alpha - wide.alpha).mean() < 0.01
    assert np.abs(near.colour - wide.colour).mean() < 0.01
    both = (near.depth < EMPTY_DEPTH) & (wide.depth < EMPTY_DEPTH) & (near.alpha > 0.5)
    assert np.median(np.abs(near.depth + back - wide.depth)[both]) < 2e-3


def test_nothing_behind_it_is_seen(avatar, parallel):
    pose = np.array(parallel.camera_from_world)
    pose[2, 3] -= 10
    assert (rendered(avatar, replace(parallel, camera_from_world=pose)).alpha == 0).all()


@pytest.mark.parametrize("kind", ["pinhole", "parallel"])
def test_normals_face_the_camera_and_follow_the_depth(avatar, parallel, kind):
    camera = parallel if kind == "parallel" else avatar.file.camera.resized(SIDE, SIDE)
    planes = rendered(avatar, camera, normals=True)
    length = np.linalg.norm(planes.normal, axis=-1)
    assert (length <= planes.alpha + 1e-4).all()
    solid = (planes.alpha > 0.9) & (length > 0.5)
    assert solid.sum() > 50
    np.testing.assert_allclose(length[solid], planes.alpha[solid], atol=1e-4)
    origins, directions = (np.broadcast_to(a, (SIDE * SIDE, 3)) for a in camera.rays())
    towards = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    facing = -(planes.normal.reshape(-1, 3) * towards).sum(1).reshape(SIDE, SIDE)
    assert (facing[solid] > -1e-4).all()
    assert np.median(facing[solid]) > 0.5

    # Normals of the surface that the depth draws agree, but for the rough density's noise.
    x = (origins + planes.depth.reshape(-1, 1) * directions).reshape(SIDE, SIDE, 3)
    across, down = x[2:-2, 4:] - x[2:-2, :-4], x[4:, 2:-2] - x[:-4, 2:-2]
    drawn = np.cross(down, across)
    drawn /= np.maximum(np.linalg.norm(drawn, axis=-1, keepdims=True), 1e-12)
    grown = np.lib.stride_tricks.sliding_window_view(solid, (5, 5)).all((2, 3))
    agree = (drawn * planes.normal[2:-2, 2:-2]).sum(-1)[grown]
    assert np.median(agree) > 0.8


def test_normals_are_only_made_when_asked_for(avatar, parallel):
    assert rendered(avatar, parallel).normal is None
