# SPDX-License-Identifier: GPL-3.0-or-later
"""Cryptomatte: numbers and ranks by themselves, and Blender's own node picks avatars and parts."""

import numpy as np

KNOWN = {"": 0, "a": 0x3C2569B2, "hello": 0x248BFA47, "Hello, world!": 0xC0363E43}  # seed 0


def blender_numbers():
    from blender_side import addon

    crypto = addon("rendering.cryptomatte")
    hashes = {name: crypto.hash_name(name) for name in KNOWN}
    floats = [float(crypto.number_of(f"name {i}")) for i in range(3000)]
    coverage = np.zeros((4, 1, 2), np.float32)
    coverage[:, 0, 1] = 0.1, 0.3, 0.2, 0.25
    ranks = crypto.ranked(["a", "b", "a", "c"], coverage, 3)
    numbers = {name: float(crypto.number_of(name)) for name in "abc"}
    return {
        "hashes": hashes,
        "finite": bool(np.isfinite(floats).all()),
        "normal": bool((np.abs(floats) >= np.finfo(np.float32).tiny).all()),
        "shape": ranks.shape,
        "empty": float(np.abs(ranks[:, 0, 0]).max()),
        "ranks": ranks[:, 0, 1].ravel().tolist(),
        "numbers": numbers,
        "keys": sorted(crypto.metadata("Layer", "CryptoObject", ["b", "a", "a"])),
        "none": crypto.ranked([], np.zeros((0, 2, 2), np.float32), 6).shape,
    }


def test_names_become_numbers_and_pixels_rank_them(in_blender):
    found = in_blender(blender_numbers)
    assert found["hashes"] == KNOWN
    assert found["finite"]
    assert found["normal"]
    assert found["shape"] == [2, 1, 2, 4]
    assert found["empty"] == 0
    a, b, c = (found["numbers"][name] for name in "abc")
    # "a" is there twice, 0.1 + 0.2; equal coverages stay in the names' order.
    np.testing.assert_allclose(found["ranks"], [a, 0.3, b, 0.3, c, 0.25, 0, 0], rtol=1e-6)
    assert [key.rsplit("/", 1)[1] for key in found["keys"]] == [
        "conversion", "hash", "manifest", "name",
    ]  # fmt: skip
    assert found["none"] == [3, 2, 2, 4]


def blender_picks(avatar, folder):
    """What Blender's Cryptomatte node makes of the avatar's name and of a part's."""
    import bpy
    from blender_side import addon, avatar_planes, load_avatar, neutral, render

    scene, rig, head = load_avatar(avatar)
    neutral(scene, rig, head)
    rig.name = "Anna"
    layer = bpy.context.view_layer
    layer.use_pass_cryptomatte_object = layer.use_pass_cryptomatte_material = True
    layer.pass_cryptomatte_depth = 8  # a pixel may hold a little of each of the eight parts
    scene.partnerface.part_passes = True
    versions = addon("blender_versions")
    alone = avatar_planes(scene, rig)[0]
    tree = versions.make_compositor_tree(scene)
    output = versions.find_output(tree)
    source = next(node for node in tree.nodes if node.bl_idname == "CompositorNodeRLayers")
    matte = tree.nodes.new("CompositorNodeCryptomatteV2")
    matte.source, matte.scene = "RENDER", scene
    found = {"alpha": alone[..., 3]}

    def shown(name, socket):
        tree.links.new(socket, output.inputs[0])
        return render(scene, folder, name)[..., 0]

    found["mask"] = shown("mask", source.outputs["Part.mouth"])
    for name, layer_name, picked in (
        ("object", "CryptoObject", "Anna"),
        ("mouth", "CryptoMaterial", "Anna.mouth"),
        ("nobody", "CryptoObject", "Berta"),
    ):
        matte.layer_name = f"{layer.name}.{layer_name}"
        matte.matte_id = picked
        found[name] = shown(name, matte.outputs["Matte"])
    # And from a file, as another compositor reads it.
    from blender_side import render_layers

    scene.render.use_compositing = False
    image = bpy.data.images.load(render_layers(scene, folder, "file"))
    scene.render.use_compositing = True
    matte.source, matte.image = "IMAGE", image
    matte.layer_name = f"{layer.name}.CryptoMaterial"
    matte.matte_id = "Anna.mouth"
    found["from_file"] = shown("from_file", matte.outputs["Matte"])
    np.savez(f"{folder}/found.npz", **found)
    return matte.matte_id


def test_blender_s_cryptomatte_node_picks_them(in_blender, avatar, tmp_path):
    assert in_blender(blender_picks, str(avatar), str(tmp_path)) == "Anna.mouth"
    found = np.load(tmp_path / "found.npz")
    assert found["mask"].max() > 0.3
    np.testing.assert_allclose(found["object"], found["alpha"], atol=2e-3)
    np.testing.assert_allclose(found["mouth"], found["mask"], atol=2e-3)
    np.testing.assert_allclose(found["from_file"], found["mask"], atol=2e-3)
    assert found["nobody"].max() == 0
