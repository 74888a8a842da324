# SPDX-License-Identifier: GPL-3.0-or-later
"""Every format there and back: what was written of the actor is found again in the capture."""

import pytest
import torch

from engine.capture.readers.command import plan
from engine.capture.readers.conventions import detect
from engine.capture.readers.formats import READERS, format_of
from engine.capture.readers.options import ReadOptions
from engine.capture.readers.pictures import PictureReader
from engine.capture.readers.rotations import axis_angle, from_6d, matrix, to_6d
from engine.config import Import
from engine.head.skinning import HeadTensors, rotation_matrix
from tests.engine.capture.readers import formats_written as written
from tests.engine.capture.readers.checks import check

WHOLE = {
    "imavatar": written.imavatar,
    "metrical-tracker": written.metrical,
    "insta": written.insta,
    "flashavatar": written.flashavatar,
    "vhap": written.vhap,
    "nha": written.nha,
}
# What else a format's files may hold: the writer's options → the axes that are to be found.
VARIANTS = [
    ("imavatar", {"negative": False}, "opengl"),
    ("imavatar", {"legacy": True}, "opengl"),
    ("imavatar", {"unit": 1.0}, "opengl"),
    ("imavatar", {"axes": written.OPENCV}, "opencv"),
    ("imavatar", {"axes": written.OPENCV, "negative": False, "legacy": True}, "opencv"),
    ("metrical-tracker", {"legacy": True}, "opencv"),
    ("metrical-tracker", {"axes": written.OPENGL}, "opengl"),
    ("insta", {"axes": written.OPENGL, "negative": True}, "opengl"),
    ("vhap", {"mesh_mode": True}, "opengl"),
    ("vhap", {"from_bottom": False}, "opengl"),
    ("vhap", {"axes": written.OPENCV}, "opencv"),
    ("nha", {"axes": written.OPENCV}, "opencv"),
    ("nha", {"matrix": True}, "opengl"),
]


def of_format(name, actor, stiff_actor):
    return actor if name in ("imavatar", "insta", "vhap") else stiff_actor


@pytest.mark.parametrize("name", WHOLE)
def test_round_trip(name, actor, stiff_actor, bring, tmp_path):
    actor = of_format(name, actor, stiff_actor)
    capture, result = bring(WHOLE[name](actor, tmp_path / "data"))
    check(capture, actor)
    assert result["format"] == name
    assert result["overlap"] > 0.95
    assert result["mattes"] == "the dataset's"


@pytest.mark.parametrize(("name", "options", "axes"), VARIANTS)
def test_what_else_a_format_may_hold(name, options, axes, actor, stiff_actor, tmp_path):
    actor = of_format(name, actor, stiff_actor)
    folder = WHOLE[name](actor, tmp_path / "data", **options)
    dataset = READERS[format_of(folder)].read(folder, actor.model, ReadOptions())
    tensors = HeadTensors.of(dataset.head)
    found = detect(dataset, PictureReader(), tensors)
    assert found.convention.axes == axes
    assert found.overlap > 0.95
    config = Import(dataset=folder, out=tmp_path / "out")
    capture, _ = plan(dataset, found.convention, config, tensors)
    check(capture, actor)


def test_six_numbers_of_a_rotation():
    turns = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)).double()
    truth = rotation_matrix(turns)
    torch.testing.assert_close(torch.from_numpy(matrix(turns.numpy())), truth)
    torch.testing.assert_close(torch.from_numpy(matrix(axis_angle(truth.numpy()))), truth)
    six = truth[:, :2].reshape(20, 6)  # pytorch3d's: the first two rows
    torch.testing.assert_close(torch.from_numpy(matrix(from_6d(six.numpy()))), truth)
    torch.testing.assert_close(torch.from_numpy(to_6d(turns.numpy())), six)
    assert not from_6d([1, 0, 0, 0, 1, 0]).any()
