# SPDX-License-Identifier: GPL-3.0-or-later
"""An avatar file is known again by what is in it, and looked for nearby first."""

import json
import shutil
import struct

import pytest


@pytest.fixture
def identity(addon):
    return addon("partnerface_blender.relinking.identity")


def write(path, who, size=100):
    header = json.dumps({"__metadata__": {"partnerface": json.dumps({"record": who})}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    return path


def test_a_real_avatar_has_a_fingerprint_that_travels(identity, trained_avatar, tmp_path):
    found = identity.fingerprint(trained_avatar)
    assert found
    shutil.copy(trained_avatar, tmp_path / "other name.safetensors")
    assert identity.fingerprint(tmp_path / "other name.safetensors") == found


@pytest.mark.parametrize("content", [b"", b"\x01", b"\xff" * 200, bytes(20), b"\x08" + bytes(30)])
def test_what_is_no_avatar_has_none(identity, tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    assert identity.fingerprint(tmp_path / "x.safetensors") == ""
    assert identity.fingerprint(tmp_path) == ""
    assert identity.fingerprint(tmp_path / "none") == ""


def test_the_nearest_come_first_and_only_so_deep(identity, tmp_path):
    for name in ("b/x", "a/b/y", "z", "a/b/c/d", ".hidden/h"):
        write(tmp_path / f"{name}.safetensors", name)
    found = [path.stem for path in identity.candidates(tmp_path, depth=2, most=100)]
    assert found == ["z", "x", "y"]
    assert len(list(identity.candidates(tmp_path, depth=9, most=3))) < 3


def test_content_goes_before_names_and_names_are_told_to_be_doubtful(identity, tmp_path):
    kim, lee = (
        write(tmp_path / "lee.safetensors", "kim"),
        write(tmp_path / "kim.safetensors", "lee"),
    )
    known = identity.fingerprint(kim)
    old = tmp_path / "gone" / "kim.safetensors"
    assert identity.find({"rig": (old, known)}, [lee, kim]) == {"rig": (kim, True)}
    assert identity.find({"rig": (old, "1-nothing")}, [lee, kim]) == {"rig": (lee, False)}
    assert identity.find({"rig": (old, "")}, [lee]) == {"rig": (lee, True)}


def test_many_of_one_name_are_told_apart_by_their_folders(identity, tmp_path):
    kim, lee = (write(tmp_path / n / "avatar.safetensors", n + "!") for n in ("kim", "lee"))
    old = tmp_path / "gone" / "lee" / "avatar.safetensors"
    assert identity.find({"rig": (old, "1-retrained")}, [kim, lee])["rig"][0] == lee
    nowhere = tmp_path / "gone" / "max" / "avatar.safetensors"
    assert identity.find({"rig": (nowhere, "1-retrained")}, [kim, lee]) == {}
