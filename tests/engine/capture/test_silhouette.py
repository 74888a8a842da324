# SPDX-License-Identifier: GPL-3.0-or-later
"""The overlap of the fitted head and the matte, on silhouettes whose overlap is known."""

import numpy as np
import pytest

from engine.capture.pose import WORLD_AXES
from engine.capture.silhouette import Silhouette, Silhouettes, silhouette_figures
from engine.render.camera import Camera


@pytest.fixture(scope="module")
def scene(generic_model):
    """The measure, the mean head's vertices, a camera before it, and what the matte would be."""
    head = generic_model.mean
    pose = np.eye(4)
    pose[:3, :3] = WORLD_AXES
    pose[2, 3] = 0.8
    camera = Camera(256, 256, 500, 500, 128, 128, pose)
    silhouette = Silhouette.of(head)
    ends = silhouette.cut.ends(head.vertices, camera)
    return silhouette, head, camera, ends


def matte_of(mask):
    return (mask * 255).astype(np.uint8)


def test_the_same_silhouette_overlaps_wholly(scene):
    silhouette, head, camera, ends = scene
    found = silhouette.compare(head.vertices, camera, matte_of(ends.view.hit))
    assert found.iou[0] == found.bare_iou[0] == 1
    assert found.outside[0] == 0


def test_a_matte_that_goes_on_below_the_neck_changes_nothing(scene):
    silhouette, head, camera, ends = scene
    uncut = ends.view.hit | (np.arange(256)[:, None] > 190)
    found = silhouette.compare(head.vertices, camera, matte_of(uncut & (ends.keep < 0.5)))
    assert found.iou[0] == 0
    found = silhouette.compare(head.vertices, camera, matte_of(ends.view.hit | (ends.keep < 0.5)))
    assert found.iou[0] == 1


def test_hair_counts_against_the_whole_and_not_against_what_is_bare(scene):
    silhouette, head, camera, ends = scene
    scalp = head.vertices[head.vertices_in("scalp")]
    top = int(camera.project(scalp)[0][:, 1].min())
    tall = ends.view.hit.copy()
    columns = tall[top + 12]
    tall[top - 20 : top + 12, columns] = True  # stands 20 px off the skull
    found = silhouette.compare(head.vertices, camera, matte_of(tall))
    assert found.iou[0] < 0.95
    assert found.bare_iou[0] > 0.995
    assert found.outside[0] == 0


def test_a_shifted_head_is_measured_as_shifted(scene):
    silhouette, head, camera, ends = scene
    beside = head.vertices + np.float32((0.02, 0, 0))  # 12.5 px
    found = silhouette.compare(beside, camera, matte_of(ends.view.hit))
    assert 0.6 < found.iou[0] < 0.9
    assert found.outside[0] > 0.04


def test_a_head_out_of_the_picture_is_left_out_of_the_mean(scene):
    silhouette, head, camera, _ = scene
    away = silhouette.compare(head.vertices + np.float32((5, 0, 0)), camera,
                              np.zeros((256, 256), np.uint8))  # fmt: skip
    assert np.isnan(away.iou[0])
    both = Silhouettes(np.array([0.8, np.nan]), np.array([0.9, np.nan]), np.array([0.1, np.nan]))
    assert silhouette_figures(both) == pytest.approx(
        {"silhouette_iou": 0.8, "silhouette_iou_bare": 0.9, "silhouette_outside": 0.1}
    )
