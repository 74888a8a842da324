# SPDX-License-Identifier: GPL-3.0-or-later
"""The compositor's set-up comes and goes without harm to what the artist has built."""


def tree_of(scene):
    """Nodes, links and the depth pass, as far as the artist could tell; None without a tree."""
    from blender_side import addon

    tree = addon("blender_versions").find_compositor_tree(scene)
    if tree is None:
        return None
    nodes = sorted((node.bl_idname, node.name) for node in tree.nodes)
    links = sorted((a.from_node.name, a.from_socket.name, a.to_node.name, a.to_socket.name)
                   for a in tree.links)  # fmt: skip
    return [nodes, links, scene.view_layers[0].use_pass_z]


def blender_sets_up(avatar, tree_kind):
    import bpy
    from blender_side import addon, load_avatar

    scene, _rig, _head = load_avatar(avatar)
    scene.render.engine = "CYCLES"
    versions = addon("blender_versions")
    if tree_kind != "none":
        tree = versions.make_compositor_tree(scene)
        source = addon("compositing.merge").find_source(tree, scene)
        output = versions.find_output(tree)
        if tree_kind == "graded":
            blur = tree.nodes.new("CompositorNodeBlur")
            tree.links.new(source.outputs["Image"], blur.inputs[0])
            tree.links.new(blur.outputs[0], output.inputs[0])
        if tree_kind == "empty":
            tree.nodes.clear()
    before = tree_of(scene)
    assert bpy.ops.partnerface.set_up_compositor() == {"FINISHED"}
    once = tree_of(scene)
    scene.render.resolution_x = 77
    assert bpy.ops.partnerface.set_up_compositor() == {"FINISHED"}  # brings it up to date
    avatar_scene = scene.partnerface.avatar_scene
    found = {
        "same after twice": tree_of(scene) == once,
        "depth": once[2],
        "size": avatar_scene.render.resolution_x,
        "engine": avatar_scene.render.engine,
        "objects": sorted(item.type for item in avatar_scene.objects),
        "scenes": len(bpy.data.scenes),
        "into": [link[2] for link in once[1] if link[:2] == ("Group", "Image")],
    }
    assert bpy.ops.partnerface.remove_compositor() == {"FINISHED"}
    found["restored"] = tree_of(scene) == before
    found["left"] = [len(bpy.data.scenes) - 1, "PartNerFace Depth Merge" in bpy.data.node_groups]
    return found


def check(found):
    assert found["same after twice"]
    assert found["depth"]
    assert found["size"] == 77
    assert found["engine"] == "PARTNERFACE"
    assert found["objects"] == ["ARMATURE", "CAMERA", "MESH"]
    assert found["scenes"] == 2
    assert found["restored"]
    assert found["left"] == [0, False]


def test_without_a_tree(in_blender, avatar):
    check(in_blender(blender_sets_up, str(avatar), "none"))


def test_with_the_artist_s_own_nodes(in_blender, avatar):
    found = in_blender(blender_sets_up, str(avatar), "graded")
    check(found)
    assert found["into"] == ["Blur"]  # the grading now gets the merged picture


def test_with_an_empty_tree(in_blender, avatar):
    check(in_blender(blender_sets_up, str(avatar), "empty"))
