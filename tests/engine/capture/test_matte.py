# SPDX-License-Identifier: GPL-3.0-or-later
"""The head's part of a matte: cut at the neck, hair kept, one piece."""

import cv2
import numpy as np
import pytest

from engine.capture.matte import NeckCut, whole_matte
from engine.capture.neck import neck_heights
from engine.capture.pose import WORLD_AXES, rigid_poses
from engine.render.camera import Camera


@pytest.fixture(scope="module")
def view(generic_model):
    """The mean head's vertices, and a camera that sees head and shoulders from the front."""
    vertices = generic_model.mean.vertices
    pose = np.eye(4)
    pose[:3, :3] = WORLD_AXES
    pose[2, 3] = 0.8
    return vertices, Camera(256, 256, 500, 500, 128, 128, pose)


@pytest.fixture(scope="module")
def cut(generic_model):
    return NeckCut.of(generic_model.mean)


def kept(cut, vertices, camera):
    """What the cut keeps of a person who fills a grey picture."""
    shape = (camera.height, camera.width)
    picture = np.full((*shape, 3), 128, np.uint8)
    return cut.mask(vertices, camera, picture, np.ones(shape, np.float32))


def at(camera, point):
    x, y = camera.project(np.asarray(point, float))[0]
    return int(y), int(x)


def holes(keep):
    """How many dark pieces do not touch the picture's border."""
    _, labels = cv2.connectedComponents((keep <= 0.5).astype(np.uint8))
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return len(set(np.unique(labels)) - set(border) - {0})


def test_face_and_hair_stay_and_shoulders_go(generic_model, cut, view):
    vertices, camera = view
    keep = kept(cut, vertices, camera)
    head = generic_model.mean
    top = vertices[:, 1].max()
    chin = head.landmarks468.on(vertices)[152]
    bottom = vertices[head.vertices_in("neck"), 1].min()
    assert keep[at(camera, vertices[head.vertices_in("face")].mean(0))] == 1
    assert keep[at(camera, (0, top + 0.03, 0))] > 0.95  # hair above
    assert keep[at(camera, (vertices[:, 0].max() + 0.02, chin[1] + 0.1, 0))] > 0.95  # hair beside
    assert keep[at(camera, (0, bottom - 0.02, 0.05))] < 0.05  # clothes
    assert keep[at(camera, (0.14, bottom + 0.01, 0))] < 0.05  # a shoulder


def test_the_cut_is_soft_and_single(cut, view):
    vertices, camera = view
    keep = kept(cut, vertices, camera)
    assert ((keep > 0.05) & (keep < 0.95)).sum() > 20
    count, _ = cv2.connectedComponents((keep > 0.5).astype(np.uint8))
    assert count == 2  # the head, and what is not
    assert holes(keep) == 0


def test_an_open_mouth_leaves_no_hole(generic_model, cut, view):
    import torch

    from engine.head.model import JAW
    from engine.head.skinning import HeadTensors, posed_vertices

    head, theta = generic_model.mean, torch.zeros(1, 5, 3)
    theta[0, JAW, 0] = 0.45
    still = torch.zeros(1, len(head.expression_names)), theta, torch.zeros(1, 3)
    posed = posed_vertices(HeadTensors.of(head), *still)[0].numpy()
    keep = kept(cut, posed, view[1])
    assert holes(keep) == 0


def test_heights_grow_upwards_from_the_neck(generic_model):
    head = generic_model.mean
    heights, chin = neck_heights(head)
    assert 0.01 < chin < 0.12
    assert heights[head.vertices_in("scalp")].min() > -0.02
    assert heights[head.vertices_in("neck")].min() <= 0


def test_only_the_largest_piece_is_kept():
    person = np.zeros((128, 128), np.float32)
    person[20:90, 20:90] = 1
    person[110:124, 110:124] = 1  # a hand
    matte = whole_matte(person, np.ones((128, 128), np.float32))
    assert matte.dtype == np.uint8
    assert matte[55, 55] == 255
    assert matte[117, 117] == 0
    assert whole_matte(person, np.zeros((128, 128), np.float32)).max() == 0


def test_a_collar_goes_and_the_throat_stays(generic_model, cut, view):
    vertices, camera = view
    ends = cut.ends(vertices, camera)
    random = np.random.default_rng(0)
    skin, shirt = np.array([205, 150, 130]), np.array([40, 60, 110])
    collar = (ends.height < 0.3 * cut.chin) & ~ends.hit
    picture = np.where(collar[..., None], shirt, skin) + random.normal(0, 3, (256, 256, 3))
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    keep = cut.mask(vertices, camera, picture, np.ones((256, 256), np.float32))
    left_over = (ends.keep * collar).sum()
    assert left_over > 50
    assert (keep * collar).sum() < 0.2 * left_over
    throat = ends.hit & (ends.height > 0.05 * cut.chin)
    assert (keep * throat).sum() > 0.98 * (ends.keep * throat).sum()


def test_a_throat_in_shadow_above_bare_shoulders_stays(cut, view):
    vertices, camera = view
    ends = cut.ends(vertices, camera)
    shade = np.where(ends.height < 0.55 * cut.chin, 0.6, 1.0)  # the chin's shadow
    random = np.random.default_rng(0)
    picture = np.array([205, 150, 130]) * shade[..., None] + random.normal(0, 3, (256, 256, 3))
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    keep = cut.mask(vertices, camera, picture, np.ones((256, 256), np.float32))
    throat = ends.hit & (ends.height > 0.05 * cut.chin) & (ends.height < 0.5 * cut.chin)
    assert throat.sum() > 200
    assert (keep * throat).sum() > 0.95 * (ends.keep * throat).sum()


def test_rigid_poses_are_found(generic_model):
    rest = generic_model.mean.landmarks468.on(generic_model.mean.vertices).astype(float)
    turns = np.stack(
        [np.linspace(-0.3, 0.3, 6), np.linspace(-0.7, 0.7, 6), np.linspace(0.2, -0.2, 6)], 1
    )
    points = []
    for turn in turns:
        seen = (rest - rest.mean(0)) @ (WORLD_AXES @ cv2.Rodrigues(turn)[0]).T + (0.05, -0.02, 0.6)
        points.append(seen[:, :2] / seen[:, 2:] * 900)
    found, places = rigid_poses(np.array(points), rest, 900.0, rest.mean(0))
    np.testing.assert_allclose(found, turns, atol=1e-3)
    np.testing.assert_allclose(places, np.tile((0.05, -0.02, 0.6), (6, 1)), atol=1e-3)
