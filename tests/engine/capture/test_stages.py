# SPDX-License-Identifier: GPL-3.0-or-later
"""What an unfinished capture keeps."""

import numpy as np
import pytest

from engine.capture.stages import Chunks, sweep
from engine.errors import SpaceError
from engine.files import check_writable


def test_chunks_come_back_in_order_and_more_can_be_added(tmp_path):
    chunks = Chunks(tmp_path / "out", "landmarks", "key")
    assert chunks.read() == []
    for n in range(3):
        chunks.add({"a": np.array([n])})
    again = Chunks(tmp_path / "out", "landmarks", "key")
    assert [arrays["a"].tolist() for arrays in again.read()] == [[0], [1], [2]]
    again.add({"a": np.array([3])})
    assert len(Chunks(tmp_path / "out", "landmarks", "key").read()) == 4


def test_chunks_of_other_settings_are_as_good_as_none(tmp_path):
    for n in range(3):
        old = Chunks(tmp_path, "landmarks", "old")
        old.read()
        old.add({"a": np.array([n])})
    new = Chunks(tmp_path, "landmarks", "new")
    assert new.read() == []
    new.add({"a": np.array([9])})
    assert len(list((tmp_path / "stages" / "landmarks").iterdir())) == 1


def test_a_damaged_chunk_ends_what_is_kept(tmp_path):
    chunks = Chunks(tmp_path, "landmarks", "key")
    for n in range(3):
        chunks.add({"a": np.array([n])})
    file = tmp_path / "stages" / "landmarks" / "00001.safetensors"
    file.write_bytes(file.read_bytes()[:20])
    assert len(Chunks(tmp_path, "landmarks", "key").read()) == 1


def test_discarding_removes_the_folders_it_made_and_nothing_else(tmp_path):
    chunks = Chunks(tmp_path / "deep" / "out", "landmarks", "key")
    chunks.add({"a": np.zeros(2)})
    chunks.discard()
    assert not (tmp_path / "deep" / "out").exists()
    chunks.add({"a": np.zeros(2)})
    (tmp_path / "deep" / "out" / "mine.txt").write_text("kept")
    chunks.discard()
    assert [path.name for path in (tmp_path / "deep" / "out").iterdir()] == ["mine.txt"]


def test_sweeping_removes_what_a_killed_write_left(tmp_path):
    (tmp_path / "images").mkdir()
    left = [tmp_path / ".overlay-0123456789ab.mp4", tmp_path / "images" / ".00003-0123456789ab.png"]
    kept = [tmp_path / ".hidden", tmp_path / "images" / "00003.png", tmp_path / ".a-b.png"]
    for path in left + kept:
        path.write_text("")
    sweep(tmp_path)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpaceError, match="is a file"):
        check_writable(tmp_path / "file" / "out")
