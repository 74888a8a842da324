# SPDX-License-Identifier: GPL-3.0-or-later
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.capture.folder import Capture, read_capture, write_capture, write_frame
from engine.errors import CaptureError
from engine.head.library import load_head_model
from engine.head.model import JAW, JOINTS
from engine.head.motion import Motion
from engine.head.skinning import HeadTensors, posed_vertices
from engine.render.mesh import portrait_camera, view_mesh
from showcase.baselines import (
    baseline_figures,
    main,
    mean_colours,
    motion_features,
    spread,
    textured_mesh,
)

SIZE, TRAIN, TEST = 64, 16, 4


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """A capture of the generic head, flatly painted, and its colours [V, 3]; frame 16 repeats 5."""
    head = load_head_model("generic").mean
    rng = np.random.default_rng(3)
    waves = np.sin(head.vertices * (60, 80, 40)).astype(np.float32)
    colours = 0.5 + 0.3 * waves
    count = TRAIN + TEST
    psi = rng.random((count, len(head.expression_names))) * 0.4 * (rng.random((count, 1)) > 0.3)
    theta = rng.normal(size=(count, len(JOINTS), 3)) * 0.01
    theta[:, 0, 1] = np.linspace(-0.5, 0.5, count)
    theta[:, JAW] = np.abs(theta[:, JAW]) * (10, 0, 0)
    shift = rng.normal(size=(count, 3)) * 0.004
    for array in (psi, theta, shift):
        array[TRAIN] = array[5]
    motion = Motion(psi.astype(np.float32), theta.astype(np.float32), shift.astype(np.float32))
    camera = portrait_camera(head.vertices, SIZE)
    folder = tmp_path_factory.mktemp("painted")
    tensors = HeadTensors.of(head)
    arrays = (motion.psi, motion.theta, motion.translation)
    for index, vertices in enumerate(
        posed_vertices(tensors, *map(torch.from_numpy, arrays)).numpy()
    ):
        view = view_mesh(vertices, head.faces, camera)
        picture = np.where(view.hit[..., None], view.interpolate(colours, head.faces), 0.2)
        levels = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
        write_frame(folder, index, levels, view.hit.astype(np.uint8) * 255)
    train, test = tuple(range(TRAIN)), tuple(range(TRAIN, count))
    write_capture(Capture(folder, camera, 25.0, head, motion, train, test))
    return read_capture(folder), colours


def test_figures_of_both_baselines(painted):
    figures = baseline_figures(painted[0])
    assert set(figures) == {"nearest_frame", "textured_mesh"}
    for baseline in figures.values():
        assert baseline["frames"] == TEST
        assert 10 < baseline["psnr_head"] < 60
        assert 0 <= baseline["flip"] <= 1


def test_a_repeated_frame_is_found_and_is_perfect(painted):
    capture = replace(painted[0], test=(TRAIN,))
    assert baseline_figures(capture)["nearest_frame"]["psnr"] == 100


def test_the_mesh_beats_the_nearest_frame_where_it_explains_everything(painted):
    capture = replace(painted[0], test=(17, 18, 19))
    figures = baseline_figures(capture)
    assert figures["textured_mesh"]["psnr_head"] > figures["nearest_frame"]["psnr_head"] + 1


def test_features_measure_metres(painted):
    capture = painted[0]
    shifted = capture.motion.translation + np.float32([0.01, 0, 0])
    moved = replace(capture, motion=replace(capture.motion, translation=shifted))
    distance = np.linalg.norm(motion_features(moved) - motion_features(capture), axis=1)
    assert np.allclose(distance, 0.01, atol=1e-5)


def test_mean_texture_is_the_paint(painted):
    capture, colours = painted
    found = mean_colours(capture, capture.camera)
    front = capture.head.vertices_in("face")
    front = front[capture.head.vertices[front, 2] > 0.05]
    assert np.abs(found - colours)[front].mean() < 0.05
    assert np.isfinite(found).all()


def test_textured_mesh_repeats_a_flatly_painted_head(painted):
    capture = painted[0]
    (index, found), *_ = textured_mesh(capture, capture.camera)
    assert index == TRAIN
    truth = capture.image(index) / 255
    inside = (found.alpha == 1) & (capture.matte(index) == 255)
    assert inside.mean() > 0.2
    assert np.abs(found.colour - truth)[inside].mean() < 0.05


def test_spread_fills_ring_by_ring():
    faces = np.array([[0, 1, 2], [1, 2, 3], [4, 5, 6]])
    colours = np.zeros((7, 3))
    colours[0], colours[4] = 1, 3
    known = np.array([True, False, False, False, True, True, True])
    filled = spread(colours, known, faces)
    assert np.allclose(filled[:4], 1)
    assert np.allclose(filled[4:], colours[4:])


def test_command_writes_figures_and_pictures(painted, tmp_path, capsys):
    assert (
        main([str(painted[0].path), "--out", str(tmp_path / "baselines.json"), "--size", "32"]) == 0
    )
    stored = json.loads((tmp_path / "baselines.json").read_text())
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == stored
    assert len(list((tmp_path / "baselines" / "textured_mesh").glob("*.png"))) == TEST


def test_capture_without_test_frames_is_refused(painted):
    with pytest.raises(CaptureError):
        baseline_figures(replace(painted[0], test=()))
