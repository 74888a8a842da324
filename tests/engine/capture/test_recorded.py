# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmarks from files: three formats, checked strictly."""

import json

import numpy as np
import pytest

from engine.capture.marks import Mark
from engine.capture.recorded import read_landmarks
from engine.errors import ClipError

SIZE = (200, 100)


@pytest.fixture
def points():
    return np.random.default_rng(0).uniform(20, 80, (3, 478, 2))


def write(folder, suffix, frames, points, name="points"):
    path = folder / f"landmarks{suffix}"
    if suffix == ".npz":
        np.savez(path, frames=frames, **{name: points})
    elif suffix == ".json":
        path.write_text(json.dumps({"frames": list(frames), name: np.asarray(points).tolist()}))
    else:
        letters = "xy" if name == "points" else "uv"
        header = ["frame", *(f"{c}{n}" for n in range(len(points[0])) for c in letters)]
        rows = [[frame, *np.ravel(p)] for frame, p in zip(frames, points, strict=True)]
        path.write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n")
    return path


@pytest.mark.parametrize("suffix", [".npz", ".json", ".csv"])
def test_every_format_tells_the_same(tmp_path, points, suffix):
    recorded = read_landmarks(write(tmp_path, suffix, [2, 5, 6], points), *SIZE)
    found, mark = recorded.look(5, np.zeros((4, 4, 3), np.uint8))
    assert mark == Mark.OK
    np.testing.assert_allclose(found, points[1], atol=1e-4)
    assert recorded.look(3, np.zeros((4, 4, 3), np.uint8)) == (None, Mark.NO_FACE)


@pytest.mark.parametrize("suffix", [".npz", ".json", ".csv"])
def test_shares_of_the_picture_become_pixels(tmp_path, points, suffix):
    path = write(tmp_path, suffix, [0, 1, 2], points / SIZE, "uv")
    found, _ = read_landmarks(path, *SIZE).look(0, np.zeros((4, 4, 3), np.uint8))
    np.testing.assert_allclose(found, points[0], atol=1e-4)


def test_landmarks_without_irises_leave_them_unknown(tmp_path, points):
    recorded = read_landmarks(write(tmp_path, ".npz", [0, 1, 2], points[:, :468]), *SIZE)
    found, _ = recorded.look(1, np.zeros((4, 4, 3), np.uint8))
    assert found.shape == (478, 2)
    assert np.isnan(found[468:]).all()
    assert np.isfinite(found[:468]).all()


@pytest.mark.parametrize(
    ("frames", "change", "says"),
    [
        ([0, 1, 2], lambda p: p[:, :68], "3 by 68 by 2 where N by 468 or 478 by 2"),
        ([0, 1, 2], lambda p: np.concatenate([p, p], 2), "3 by 478 by 4"),
        ([0, 1], lambda p: p, "names 2 frames for the landmarks of 3"),
        ([0, 2, 1], lambda p: p, "ascending order"),
        ([0, 1, 1], lambda p: p, "ascending order"),
        ([-1, 0, 1], lambda p: p, "whole numbers"),
        ([0, 1, 2.5], lambda p: p, "whole numbers"),
        ([0, 1, 2], lambda p: np.where(p > 79, np.nan, p), "not finite"),
        ([0, 1, 2], lambda p: p / SIZE, "within 2 pixels"),
        ([0, 1, 2], lambda p: p * 20, "far outside"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, points, frames, change, says):
    path = tmp_path / "landmarks.npz"
    np.savez(path, frames=frames, points=change(points))
    with pytest.raises(ClipError, match=says) as raised:
        read_landmarks(path, *SIZE)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.npz", b"no zip", "cannot be read"),
        ("a.json", b"[1, 2]", "holds no object"),
        ("a.json", b"{", "cannot be read"),
        ("a.json", b'{"frames": [0], "points": [[1], [2, 3]]}', "different lengths"),
        ("a.json", b'{"frames": [0]}', "does not hold"),
        ("a.csv", b"a,b,c\n1,2,3\n", "first line is not"),
        ("a.csv", b"frame,x0,y0\n1,2\n", "line 2 has 2 values instead of 3"),
        ("a.csv", b"frame,x0,y0\n1,2,word\n", "cannot be read"),
        ("a.csv", b"", "cannot be read"),
    ],
)
def test_damaged_files_are_refused(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ClipError, match=says):
        read_landmarks(tmp_path / name, *SIZE)


def test_a_missing_file_and_pickled_arrays_are_refused(tmp_path):
    with pytest.raises(ClipError, match="no landmark file"):
        read_landmarks(tmp_path / "none.json", *SIZE)
    np.savez(tmp_path / "objects.npz", frames=np.array([0, None]), points=np.zeros((2, 468, 2)))
    with pytest.raises(ClipError, match="cannot be read"):
        read_landmarks(tmp_path / "objects.npz", *SIZE)


def test_an_array_without_a_name_is_refused(tmp_path):
    with (tmp_path / "array.npz").open("wb") as file:
        np.save(file, np.zeros((2, 468, 2)))
    with pytest.raises(ClipError, match="one array without a name"):
        read_landmarks(tmp_path / "array.npz", *SIZE)
