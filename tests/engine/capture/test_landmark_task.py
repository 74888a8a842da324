# SPDX-License-Identifier: GPL-3.0-or-later
"""A .task file: a real one, bundled from the networks in the mediapipe wheel, and what is none."""

import zipfile
from pathlib import Path

import mediapipe
import numpy as np
import pytest

from engine.capture.landmark_task import PARTS, TaskFaces
from engine.capture.landmarks import POINTS
from engine.capture.mediapipe_models import MediaPipeFaces
from engine.errors import ClipError

MODULES = Path(mediapipe.__file__).parent / "modules"
NETWORKS = (
    "face_detection/face_detection_short_range.tflite",
    "face_landmark/face_landmark.tflite",
)


@pytest.fixture(scope="module")
def task_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("task") / "face_landmarker.task"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as bundle:
        for name, network in zip(PARTS, NETWORKS, strict=True):
            bundle.write(MODULES / network, name)
    return path


def test_a_bundle_finds_the_face_that_the_face_mesh_finds(task_file, head_pictures, capfd):
    """The wheel's network knows 468 points, where that of a real bundle tells 478.

    MediaPipe therefore reads its output, x, y, z of each point, in pairs of two: every third of
    the points that come out is a true one, the landmark with two thirds of its number.
    """
    task, mesh = TaskFaces(task_file), MediaPipeFaces()
    for picture in head_pictures[:4]:
        task.restart()
        (told,), (expected,) = task.follow(picture), mesh.follow(picture)
        assert told.shape == (POINTS, 2)
        away = np.linalg.norm(told[::3] - expected[: 2 * len(told[::3]) : 2], axis=1).mean()
        assert away < 0.03 * np.ptp(expected[:468, 1])
    assert len(task.find(head_pictures[0])) == 1
    task.restart()
    assert task.follow(np.full((96, 96, 3), 90, np.uint8)) == []
    task.close()
    mesh.close()
    assert capfd.readouterr() == ("", "")


def test_what_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(ClipError, match="no landmark model"):
        TaskFaces(tmp_path / "none.task")
    text = tmp_path / "text.task"
    text.write_text("no zip")
    with pytest.raises(ClipError, match=r"no MediaPipe \.task file"):
        TaskFaces(text)


def test_a_bundle_of_another_task_is_refused(tmp_path):
    path = tmp_path / "hand.task"
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("hand_detector.tflite", b"x")
    with pytest.raises(ClipError, match=r"no face landmarker: it lacks face_detector\.tflite and"):
        TaskFaces(path)


def test_damaged_networks_are_refused_in_a_sentence(tmp_path, capfd):
    path = tmp_path / "damaged.task"
    with zipfile.ZipFile(path, "w") as bundle:
        for name in PARTS:
            bundle.writestr(name, b"no network" * 100)
    with pytest.raises(ClipError, match="MediaPipe refuses") as raised:
        TaskFaces(path)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")
