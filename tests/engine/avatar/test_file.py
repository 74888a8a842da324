# SPDX-License-Identifier: GPL-3.0-or-later
import dataclasses
import os

import numpy as np
import pytest

from engine.avatar.file import SCHEMA_VERSION, AvatarFile
from engine.errors import AvatarError
from engine.files import read_tensors, write_tensors
from engine.head.library import load_head_model
from engine.head.motion import Motion
from engine.render.camera import Camera


@pytest.fixture(scope="module")
def avatar():
    """An avatar file's content with the generic head and a small network of random weights."""
    model = load_head_model("generic")
    rng = np.random.default_rng(0)
    head = model.subject(rng.standard_normal(len(model.identities)))
    motion = Motion(
        rng.random((5, len(head.expression_names)), np.float32),
        rng.random((5, 5, 3), np.float32),
        rng.random((5, 3), np.float32),
    )
    return AvatarFile(
        method="partnerface",
        config={"levels": 4, "teeth": True, "mask_leak": 0.0},
        weights={"table": rng.random((64, 2), np.float32), "steps": np.array(7)},
        head=head,
        motion=motion,
        camera=Camera(64, 48, 90.0, 91.0, 32.0, 24.0, np.eye(4)),
        fps=25.0,
        record={"psnr": 30.5},
        thumbnail=rng.integers(0, 255, (8, 8, 3)).astype(np.uint8),
        preview={"nodes": rng.integers(0, 255, (3, 27, 4)).astype(np.uint8)},
    )


def test_an_avatar_comes_back_as_it_was(avatar, tmp_path):
    avatar.write(tmp_path / "a.safetensors")
    found = AvatarFile.read(tmp_path / "a.safetensors")
    assert os.listdir(tmp_path) == ["a.safetensors"]
    assert (found.method, found.config, found.fps, found.record) == (
        avatar.method, avatar.config, avatar.fps, avatar.record,
    )  # fmt: skip
    assert found.camera.to_json() == avatar.camera.to_json()
    for name, array in avatar.weights.items():
        assert np.array_equal(found.weights[name], array)
        assert found.weights[name].shape == array.shape
    for field in dataclasses.fields(avatar.head):
        ours, theirs = getattr(avatar.head, field.name), getattr(found.head, field.name)
        if isinstance(ours, np.ndarray):
            assert np.array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
    for name, array in avatar.motion.to_arrays().items():
        assert np.array_equal(found.motion.to_arrays()[name], array)
    assert np.array_equal(found.thumbnail, avatar.thumbnail)
    assert list(found.preview) == ["nodes"]
    assert np.array_equal(found.preview["nodes"], avatar.preview["nodes"])


def test_a_file_of_schema_1_opens_without_a_preview(avatar, tmp_path):
    path = tmp_path / "a.safetensors"
    avatar.write(path)
    header, arrays = read_tensors(path, "avatar", SCHEMA_VERSION)
    old = {name: array for name, array in arrays.items() if not name.startswith("preview.")}
    write_tensors(path, header | {"schema_version": 1}, old)
    found = AvatarFile.read(path)
    assert found.preview == {}
    assert found.fps == avatar.fps
    assert np.array_equal(found.weights["table"], avatar.weights["table"])


@pytest.mark.parametrize(
    ("masks", "leak"), [({}, 0.0), ({"masks": True}, 0.0), ({"masks": False}, 1.0)]
)
def test_an_avatar_from_before_opens_as_it_was_trained(avatar, tmp_path, masks, leak):
    """Teeth were not looked for; a part heard nothing of what did not move it, or everything."""
    path = tmp_path / "a.safetensors"
    avatar.write(path)
    header, arrays = read_tensors(path, "avatar", SCHEMA_VERSION)
    write_tensors(path, header | {"config": {"levels": 4, **masks}}, arrays)
    assert AvatarFile.read(path).config == {"levels": 4, "teeth": False, "mask_leak": leak}


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_avatar_is_a_sentence(avatar, tmp_path, share):
    path = tmp_path / "a.safetensors"
    avatar.write(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(AvatarError, match="damaged") as caught:
        AvatarFile.read(path)
    assert caught.value.hint


def test_an_avatar_of_a_newer_schema_is_a_sentence(avatar, tmp_path):
    path = tmp_path / "a.safetensors"
    avatar.write(path)
    header, arrays = read_tensors(path, "avatar", SCHEMA_VERSION)
    write_tensors(path, header | {"schema_version": 99}, arrays)
    with pytest.raises(AvatarError, match="newer PartNerFace") as caught:
        AvatarFile.read(path)
    assert caught.value.hint == "Update PartNerFace."


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_a_sentence(avatar, tmp_path, value):
    path = tmp_path / "a.safetensors"
    table = avatar.weights["table"].copy()
    table[3, 1] = value
    dataclasses.replace(avatar, weights={**avatar.weights, "table": table}).write(path)
    with pytest.raises(AvatarError, match=r"not finite \(in model\.table\)"):
        AvatarFile.read(path)


@pytest.mark.parametrize(
    "missing", ["head.vertices", "motion.psi", "thumbnail", "head.landmarks68.weights"]
)
def test_a_missing_tensor_is_a_sentence(avatar, tmp_path, missing):
    path = tmp_path / "a.safetensors"
    avatar.write(path)
    header, arrays = read_tensors(path, "avatar", SCHEMA_VERSION)
    write_tensors(path, header, {name: array for name, array in arrays.items() if name != missing})
    with pytest.raises(AvatarError):
        AvatarFile.read(path)


@pytest.mark.parametrize("missing", ["method", "config", "head", "camera", "fps", "record"])
def test_a_missing_header_entry_is_a_sentence(avatar, tmp_path, missing):
    path = tmp_path / "a.safetensors"
    avatar.write(path)
    header, arrays = read_tensors(path, "avatar", SCHEMA_VERSION)
    del header[missing]
    write_tensors(path, header, arrays)
    with pytest.raises(AvatarError, match="incomplete"):
        AvatarFile.read(path)


def test_no_file_is_a_sentence(tmp_path):
    with pytest.raises(AvatarError, match="no file"):
        AvatarFile.read(tmp_path / "none.safetensors")
