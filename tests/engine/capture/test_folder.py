# SPDX-License-Identifier: GPL-3.0-or-later
"""The capture folder: times and marks, and folders of older versions."""

import json

import numpy as np
import pytest

from engine.capture.folder import Capture, read_capture, write_capture
from engine.errors import CaptureError
from engine.head.motion import Motion
from engine.render.camera import Camera


@pytest.fixture
def capture(generic_model, tmp_path):
    head = generic_model.mean
    frames = 4
    motion = Motion(
        np.zeros((frames, len(head.expression_names)), np.float32),
        np.zeros((frames, len(head.joints), 3), np.float32),
        np.zeros((frames, 3), np.float32),
    )
    camera = Camera(32, 32, 40, 40, 16, 16, np.eye(4))
    return Capture(tmp_path / "out", camera, 20.0, head, motion, (0, 1, 2), (3,),
                   times=(0.0, 0.05, 0.3, 0.35), marks={"ok": [[0, 3]]})  # fmt: skip


def test_times_and_marks_come_back(capture):
    write_capture(capture)
    again = read_capture(capture.path)
    assert again.times == capture.times
    assert again.marks == {"ok": [[0, 3]]}
    np.testing.assert_allclose(again.seconds, capture.times)


def test_a_folder_of_schema_1_still_opens(capture):
    write_capture(capture)
    file = capture.path / "capture.json"
    data = json.loads(file.read_text())
    del data["times"], data["marks"]
    data["schema_version"] = 1
    file.write_text(json.dumps(data))
    again = read_capture(capture.path)
    np.testing.assert_allclose(again.seconds, [0, 0.05, 0.1, 0.15])
    assert again.marks == {}


def test_a_folder_that_tells_too_few_times_is_refused(capture):
    write_capture(capture)
    file = capture.path / "capture.json"
    data = json.loads(file.read_text())
    data["times"].pop()
    file.write_text(json.dumps(data))
    with pytest.raises(CaptureError, match="every frame's time"):
        read_capture(capture.path)
