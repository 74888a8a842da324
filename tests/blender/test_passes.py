# SPDX-License-Identifier: GPL-3.0-or-later
"""The passes of a render, as a multilayer EXR holds them, against what they should be."""

import json

import numpy as np
import pytest

INDEX = 7
MIST_START, MIST_DEPTH = 0.2, 1.5


def blender_passes(avatar, folder):
    """Render all passes to a file: its planes as .npy, and what is known of the scene."""
    import bpy
    from blender_side import addon, avatar_planes, load_avatar, neutral, render_layers
    from exr_layers import read_layers

    scene, rig, head = load_avatar(avatar)
    neutral(scene, rig, head)
    rig.location, rig.rotation_euler, rig.scale = (0.02, 0.3, -0.01), (0, 0, 0.3), (1.2,) * 3
    rig.name, rig.pass_index = "Änne", INDEX
    stand = bpy.data.objects.new("Stand", None)
    scene.collection.objects.link(stand)
    rig.parent = stand
    scene.partnerface.part_passes = True
    layer = bpy.context.view_layer
    for name in ("z", "mist", "position", "normal", "object_index", "cryptomatte_object",
                 "cryptomatte_material", "cryptomatte_asset"):  # fmt: skip
        setattr(layer, f"use_pass_{name}", True)
    layer.pass_cryptomatte_depth = 4
    scene.world = scene.world or bpy.data.worlds.new("World")
    mist = scene.world.mist_settings
    mist.start, mist.depth, mist.falloff = MIST_START, MIST_DEPTH, "LINEAR"
    path = render_layers(scene, folder, "passes")
    colour, depth = avatar_planes(scene, rig)
    planes, said = read_layers(path)
    np.savez(f"{folder}/planes.npz", **planes)
    np.savez(f"{folder}/engine.npz", colour=colour, depth=depth)
    lens = addon("rendering.cameras").lens_of(
        scene.camera, bpy.context.evaluated_depsgraph_get(), *colour.shape[1::-1]
    )
    return {
        "metadata": {key: text for key, text in said.items() if key.startswith("cryptomatte/")},
        "layer": layer.name,
        "index_pass": addon("blender_versions").OBJECT_INDEX_PASS,
        "world_from_camera": lens.world_from_camera.tolist(),
        "lens": [lens.fx, lens.fy, lens.cx, lens.cy],
    }


@pytest.fixture
def rendered(in_blender, avatar, tmp_path):
    told = in_blender(blender_passes, str(avatar), str(tmp_path))
    return told, dict(np.load(tmp_path / "planes.npz")), np.load(tmp_path / "engine.npz")


def test_every_pass_holds_what_its_name_says(rendered):
    told, planes, engine = rendered
    colour, depth = engine["colour"], engine["depth"]
    alpha, solid = colour[..., 3], colour[..., 3] > 0.9
    assert solid.sum() > 100
    np.testing.assert_allclose(planes["Combined"], colour, atol=2e-3)
    np.testing.assert_allclose(planes["Depth"][..., 0], depth, rtol=1e-4)

    seen = depth < 1e9
    world_from_camera, (fx, fy, cx, cy) = np.array(told["world_from_camera"]), told["lens"]
    local = (planes["Position"][seen] - world_from_camera[:3, 3]) @ world_from_camera[:3, :3]
    y, x = np.argwhere(seen).T
    np.testing.assert_allclose(local[:, 2], depth[seen], rtol=1e-4)
    np.testing.assert_allclose(local[:, 0] / local[:, 2] * fx + cx, x + 0.5, atol=0.01)
    np.testing.assert_allclose(local[:, 1] / local[:, 2] * fy + cy, y + 0.5, atol=0.01)
    assert (planes["Position"][~seen] == 0).all()

    normal = planes["Normal"]
    length = np.linalg.norm(normal, axis=-1)
    np.testing.assert_allclose(length[solid], alpha[solid], atol=5e-3)
    facing = -(normal[seen] * (planes["Position"][seen] - world_from_camera[:3, 3])).sum(-1)
    assert (facing > -1e-3).all()

    distance = np.linalg.norm(local, axis=1)
    lost = np.clip((distance - MIST_START) / MIST_DEPTH, 0, 1)
    expected = alpha[seen] * lost + (1 - alpha[seen])
    np.testing.assert_allclose(planes["Mist"][seen][:, 0], expected, atol=2e-3)
    assert (planes["Mist"][alpha == 0] == 1).all()

    index = planes[told["index_pass"]][..., 0]
    assert set(np.unique(index)) == {0, INDEX}
    assert ((index == INDEX) == (alpha >= 0.5)).mean() > 0.999
    parts = sum(plane[..., 0] for name, plane in planes.items() if name.startswith("Part."))
    np.testing.assert_allclose(parts, alpha, atol=0.03)


def test_cryptomatte_is_as_its_specification_says(rendered):
    told, planes, engine = rendered
    alpha = engine["colour"][..., 3]
    manifests = {
        told["metadata"][key.replace("/name", "/manifest")]: name
        for key, name in told["metadata"].items()
        if key.endswith("/name")
    }
    found = {name.split(".")[-1]: json.loads(text) for text, name in manifests.items()}
    assert set(found) == {"CryptoObject", "CryptoMaterial", "CryptoAsset"}
    assert list(found["CryptoObject"]) == ["Änne"]
    assert list(found["CryptoAsset"]) == ["Stand"]
    assert "Änne.mouth" in found["CryptoMaterial"]
    assert set(told["metadata"].values()) >= {"MurmurHash3_32", "uint32_to_float32"}

    def coverage(layer, name):
        number = np.array(int(found[layer][name], 16), np.uint32).view(np.float32)
        pairs = np.concatenate([planes[f"{layer}{i:02d}"] for i in range(2)], -1)
        return sum(np.where(pairs[..., i] == number, pairs[..., i + 1], 0) for i in (0, 2, 4, 6))

    np.testing.assert_allclose(coverage("CryptoObject", "Änne"), alpha, atol=2e-3)
    np.testing.assert_allclose(coverage("CryptoAsset", "Stand"), alpha, atol=2e-3)
    mouth, mask = coverage("CryptoMaterial", "Änne.mouth"), planes["Part.mouth"][..., 0]
    assert mask.max() > 0.3
    assert np.abs(mouth - mask)[mask > 0.3].max() < 2e-3  # among the pixel's four strongest names
    ranks = planes["CryptoMaterial00"]
    assert (ranks[..., 1] >= ranks[..., 3]).all()
