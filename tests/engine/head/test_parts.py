# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from engine.head.anatomy import skin_regions, usual_landmarks
from engine.head.model import JOINTS, PARTS, REGIONS
from engine.head.npz import read_head_npz
from engine.head.parts import part_labels
from engine.head.projection import head_box
from engine.render.mesh import portrait_camera

SCALES = (1.0, 4.0)


def egg(scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A smooth egg of a head, its joints and usual landmarks; anywhere, at any scale."""
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(6000, 3))
    vertices = directions / np.linalg.norm(directions, axis=1, keepdims=True) * (0.078, 0.125, 0.1)
    joints = np.zeros((len(JOINTS), 3))
    joints[3:] = [[0.0315, 0.03, 0.08], [-0.0315, 0.03, 0.08]]
    vertices, joints = (vertices + 0.3) * scale, (joints + 0.3) * scale
    return vertices, joints, usual_landmarks(vertices, joints, np.ones(len(vertices), bool))


@pytest.mark.parametrize("scale", SCALES)
def test_labels_do_not_depend_on_scale_or_origin(scale):
    vertices, joints, landmarks = egg(scale)
    labels = part_labels(vertices, joints, skin_regions(vertices, joints, landmarks), landmarks)
    first = egg(1.0)
    assert (labels == part_labels(*first[:2], skin_regions(*first), first[2])).mean() > 0.999


def test_parts_mirror_each_other_and_cover_the_face():
    vertices, joints, landmarks = egg(1.0)
    regions = skin_regions(vertices, joints, landmarks)
    labels = part_labels(vertices, joints, regions, landmarks)
    mirrored = (vertices - 0.3) * (-1, 1, 1) + 0.3
    swapped = part_labels(mirrored, joints, regions, landmarks)
    names = {"eye_left": "eye_right", "cheek_left": "cheek_right"}
    names |= {right: left for left, right in names.items()}
    swap = np.array([PARTS.index(names.get(name, name)) for name in PARTS])
    assert (swap[swapped] == labels).mean() > 0.99
    assert len(np.unique(labels)) == len(PARTS)
    assert (labels[regions == REGIONS.index("scalp")] == PARTS.index("rest")).all()


def test_inner_mouth_belongs_to_the_mouth_and_eyeballs_to_their_side():
    vertices, joints, landmarks = egg(1.0)
    regions = np.full(len(vertices), REGIONS.index("teeth"), np.uint8)
    regions[::2] = REGIONS.index("eyeball")
    labels = part_labels(vertices, joints, regions, landmarks)
    assert (labels[1::2] == PARTS.index("mouth")).all()
    left = vertices[::2, 0] > 0.3
    assert (labels[::2] == np.where(left, PARTS.index("eye_left"), PARTS.index("eye_right"))).all()


def test_usual_landmarks_are_near_those_of_a_real_model(ict_file):
    head = read_head_npz(ict_file).mean
    skin = np.zeros(len(head.vertices), bool)
    skin[head.vertices_in("face", "scalp", "ear", "neck")] = True
    usual = usual_landmarks(head.vertices, head.joints, skin)
    error = np.linalg.norm(usual - head.landmarks68.on(head.vertices), axis=1)
    assert error[17:].mean() < 0.006
    assert error[17:].max() < 0.015


def test_head_box_holds_the_head_and_leaves_the_neck_out(flame_arrays, tmp_path):
    np.savez(tmp_path / "flame.npz", **flame_arrays)
    head = read_head_npz(tmp_path / "flame.npz").mean
    camera = portrait_camera(head.vertices * 1.3, 200)
    x0, y0, x1, y1 = head_box(head, head.vertices, camera)
    pixels, _ = camera.project(head.vertices[head.vertices_in("face", "scalp", "ear")])
    low, high = pixels.min(0), pixels.max(0)
    assert (x0, y0) == pytest.approx(low - 0.1 * (high - low), abs=1)
    assert (x1, y1) == pytest.approx(high + 0.1 * (high - low), abs=1)
    neck, _ = camera.project(head.vertices[head.vertices_in("neck")])
    assert neck[:, 1].max() > y1 + 10


def test_head_box_stays_in_the_picture_and_is_never_empty(random_head):
    camera = portrait_camera(random_head.vertices, 64)
    assert head_box(random_head, random_head.vertices * 9, camera) == (0, 0, 64, 64)
    assert head_box(random_head, random_head.vertices + np.array([99, 0, 0]), camera) == (
        0,
        0,
        64,
        64,
    )
