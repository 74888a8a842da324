# SPDX-License-Identifier: GPL-3.0-or-later
import json
import os
import stat
import sys

import numpy as np
import pytest

from engine.errors import InputError, SpaceError
from engine.files import check_schema, json_text, read_tensors, write_tensors, write_text_atomic

HEADER = {"kind": "thing", "schema_version": 1, "name": "ü"}


def test_tensors_come_back(tmp_path):
    arrays = {"a": np.arange(6, dtype=np.float16).reshape(2, 3), "b": np.array(True)}
    write_tensors(tmp_path / "deep" / "x.safetensors", HEADER, arrays)
    header, found = read_tensors(tmp_path / "deep" / "x.safetensors", "thing", 1)
    assert header == HEADER
    assert {name: array.tolist() for name, array in found.items()} == {
        "a": [[0, 1, 2], [3, 4, 5]],
        "b": True,
    }


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, HEADER, {"a": np.ones(2)})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_tensors(path, HEADER | {"bad": object()}, {"a": np.ones(2)})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_no_space_is_a_sentence_and_leaves_the_old_file(tiny_disk):
    path = tiny_disk / "x.safetensors"
    write_tensors(path, HEADER, {"a": np.ones(100)})
    before = path.read_bytes()
    with pytest.raises(SpaceError, match="no space left") as caught:
        write_tensors(path, HEADER, {"a": np.ones(100_000)})
    assert "Free some space" in caught.value.hint
    with pytest.raises(SpaceError, match="no space left"):
        write_text_atomic(tiny_disk / "y.json", "x" * 100_000)
    assert path.read_bytes() == before
    assert os.listdir(tiny_disk) == ["x.safetensors"]


def test_a_folder_that_may_not_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpaceError, match="could not be written"):
        write_text_atomic(tmp_path / "file" / "x.json", "{}")
    if os.geteuid() != 0:  # root may write anywhere
        tmp_path.chmod(0o500)
        with pytest.raises(SpaceError, match="not permitted"):
            write_text_atomic(tmp_path / "x.json", "{}")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_files_are_as_readable_as_the_users_other_files(tmp_path):
    old = os.umask(0o022)
    try:
        write_tensors(tmp_path / "x.safetensors", HEADER, {"a": np.ones(2)})
        write_text_atomic(tmp_path / "x.json", "{}")
    finally:
        os.umask(old)
    for name in ("x.safetensors", "x.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o644


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_truncated_file_is_a_sentence(tmp_path, kept):
    path = tmp_path / "x.safetensors"
    write_tensors(path, HEADER, {"a": np.ones(100)})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="damaged"):
        read_tensors(path, "thing", 1)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    with pytest.raises(InputError, match="no file"):
        read_tensors(path, "thing", 1)
    path.write_bytes(b"\x80\x04\x95 a pickle, say")
    with pytest.raises(InputError, match="damaged"):
        read_tensors(path, "thing", 1)
    write_tensors(path, HEADER, {"a": np.ones(1)})
    with pytest.raises(InputError, match="no PartNerFace avatar file"):
        read_tensors(path, "avatar", 1)
    write_tensors(path, HEADER | {"schema_version": 2}, {"a": np.ones(1)})
    with pytest.raises(InputError, match="newer PartNerFace") as caught:
        read_tensors(path, "thing", 1)
    assert caught.value.hint == "Update PartNerFace."


def test_a_missing_schema_version_is_refused(tmp_path):
    with pytest.raises(InputError, match="schema version"):
        check_schema(tmp_path, {"schema_version": "1"}, 1, InputError)


def test_json_is_json():
    value = {
        "a": np.float32(1.5),
        "b": float("nan"),
        "c": [np.int64(2), float("inf")],
        3: np.zeros(2),
        "d": "é",
    }
    assert json.loads(json_text(value), parse_constant=pytest.fail) == {
        "a": 1.5, "b": None, "c": [2, None], "3": [0.0, 0.0], "d": "é",
    }  # fmt: skip
