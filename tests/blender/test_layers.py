# SPDX-License-Identifier: GPL-3.0-or-later
"""Which avatars a view layer shows: several, instanced, hidden, left out, held out."""

import numpy as np
import pytest


def blender_layers(avatar, folder):
    """Renders of one avatar, then of two, shown and hidden in every way there is."""
    import bpy
    from blender_side import load_avatar, neutral, render, render_layers
    from exr_layers import read_layers

    scene, rig, head = load_avatar(avatar)
    neutral(scene, rig, head)
    home = rig.users_collection[0]
    pictures = {"one": render(scene, folder, "one")}

    def again(name):
        pictures[name] = render(scene, folder, name)

    rig.hide_render = True
    again("hidden")
    rig.hide_render = False
    layer_home = bpy.context.view_layer.layer_collection.children[home.name]
    layer_home.exclude = True
    again("excluded")
    layer_home.exclude = False
    layer_home.holdout = True
    again("held_out")
    layer_home.holdout = False
    layer_home.indirect_only = True
    again("indirect")
    layer_home.indirect_only = False

    # A second view layer that leaves the avatar's collection out.
    other = scene.view_layers.new("Other")
    other.layer_collection.children[home.name].exclude = True
    scene.view_layers[0].use = False
    again("other_layer")
    scene.view_layers[0].use = True
    scene.view_layers.remove(other)

    # An instance of the collection, to the side: two heads; at the first one's place: as one.
    instance = bpy.data.objects.new("Twin", None)
    instance.instance_type, instance.instance_collection = "COLLECTION", home
    scene.collection.objects.link(instance)
    instance.location.x = 0.12
    again("twin")
    instance.location = (0.1, 0.4, 0)  # behind, and to the side
    bpy.context.view_layer.use_pass_cryptomatte_object = True
    again("behind")
    rig.is_holdout = True  # also of its instances: nothing is left
    again("all_held_out")
    rig.is_holdout = False
    bpy.data.objects.remove(instance)

    # A second avatar, loaded again: its own rig, in front and smaller.
    camera = scene.camera
    assert bpy.ops.partnerface.load_avatar(filepath=avatar, camera=False) == {"FINISHED"}
    second = bpy.context.view_layer.objects.active
    neutral(scene, second, second.partnerface.head)
    scene.camera = camera
    towards = (camera.matrix_world.translation - rig.matrix_world.translation).normalized()
    second.location = tuple(towards * 0.15)
    second.scale = (0.6,) * 3
    rig.pass_index, second.pass_index = 1, 2
    for name in ("z", "object_index", "cryptomatte_object"):
        setattr(bpy.context.view_layer, f"use_pass_{name}", True)
    planes, _ = read_layers(render_layers(scene, folder, "two"))
    second.is_holdout = True
    pictures["cut"] = render(scene, folder, "cut")
    second.is_holdout, rig.hide_render = False, True
    pictures["second"] = render(scene, folder, "second")
    np.savez(f"{folder}/pictures.npz", **pictures)
    np.savez(f"{folder}/two.npz", **planes)


@pytest.mark.ends
def test_view_layers_show_the_avatars_that_they_hold(in_blender, avatar, tmp_path):
    in_blender(blender_layers, str(avatar), str(tmp_path))
    pictures, two = np.load(tmp_path / "pictures.npz"), np.load(tmp_path / "two.npz")
    one = pictures["one"]
    assert one[..., 3].max() > 0.9
    for name in ("hidden", "excluded", "held_out", "indirect", "other_layer", "all_held_out"):
        assert pictures[name].max() == 0, name
    twin = pictures["twin"]
    assert twin[..., 3].sum() > 1.3 * one[..., 3].sum()
    behind = pictures["behind"]
    solid = one[..., 3] > 0.99
    assert np.abs(behind - one)[solid].max() < 0.02
    assert behind[..., 3].sum() > 1.02 * one[..., 3].sum()  # seen past the first one's edges

    # Two avatars: over and under, no fringe, indices and coverages as the picture says. A pixel
    # with less than 0.02 of an avatar has no depth, and lies behind the others.
    front, cut = pictures["second"], pictures["cut"]
    alpha = front[..., 3:]
    np.testing.assert_allclose(two["Combined"], front + one * (1 - alpha), atol=0.02)
    np.testing.assert_allclose(cut, one * (1 - alpha), atol=0.02)
    index = two[next(name for name in two if "Index" in name)][..., 0]
    assert (index[front[..., 3] > 0.6] == 2).all()
    assert (index[(one[..., 3] > 0.6) & (front[..., 3] < 0.01)] == 1).all()
    covered = two["CryptoObject00"][..., 1] + two["CryptoObject00"][..., 3]
    np.testing.assert_allclose(covered, two["Combined"][..., 3], atol=5e-3)
