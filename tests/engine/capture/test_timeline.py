# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline strip."""

import cv2
import numpy as np
import pytest

from engine.capture.marks import Mark
from engine.capture.timeline import COLOURS, MARGIN, draw_timeline, write_timeline

MIDDLE = 80  # px from the top: within the strip


@pytest.mark.parametrize("frames", [20, 700, 3000])
def test_one_column_per_frame(frames):
    marks = np.arange(frames, dtype=np.uint8) % len(Mark)
    strip = draw_timeline(np.arange(frames), marks)[MIDDLE, MARGIN:-MARGIN]
    column = len(strip) // frames
    assert column >= 1
    assert len(strip) == column * frames
    expected = np.repeat([COLOURS[Mark(int(mark))] for mark in marks], column, 0)
    assert (strip == expected).all()


def test_colours_differ():
    shades = np.array(list(COLOURS.values()), float)
    apart = np.linalg.norm(shades[:, None] - shades[None], axis=-1)
    assert set(COLOURS) == set(Mark)
    assert apart[~np.eye(len(shades), dtype=bool)].min() > 40


def test_the_file_is_a_picture(tmp_path):
    write_timeline(tmp_path / "timeline.png", np.array([7]), np.array([1]))
    assert cv2.imread(str(tmp_path / "timeline.png")) is not None
