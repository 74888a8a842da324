# SPDX-License-Identifier: GPL-3.0-or-later
"""The compositor's set-up comes and goes without harm to what the artist has built."""

KINDS = ("none", "plain", "graded", "empty", "file output", "muted source", "group", "image",
         "two layers", "switched off")  # fmt: skip


def tree_of(scene):
    """Nodes, links and flags, as far as the artist could tell; None without a tree."""
    from blender_side import addon

    tree = addon("blender_versions").find_compositor_tree(scene)
    if tree is None:
        return None
    nodes = sorted(
        (node.bl_idname, node.name, tuple(node.location), node.mute) for node in tree.nodes
    )
    links = sorted((a.from_node.name, a.from_socket.name, a.to_node.name, a.to_socket.name)
                   for a in tree.links)  # fmt: skip
    flags = [layer.use_pass_z for layer in scene.view_layers] + [scene.render.use_compositing]
    return [nodes, links, flags]


def build(scene, kind):
    """What an artist may have built before."""
    import bpy
    from blender_side import addon

    versions = addon("blender_versions")
    if kind == "none":
        return
    tree = versions.make_compositor_tree(scene)
    source = addon("compositing.merge").find_source(tree, scene)
    output = versions.find_output(tree)
    if kind == "graded":
        blur = tree.nodes.new("CompositorNodeBlur")
        tree.links.new(source.outputs["Image"], blur.inputs[0])
        tree.links.new(blur.outputs[0], output.inputs[0])
    elif kind == "empty":
        tree.nodes.clear()
    elif kind == "file output":
        writer = tree.nodes.new("CompositorNodeOutputFile")
        if hasattr(writer, "file_output_items"):
            writer.file_output_items.new("RGBA", "beauty")
        tree.links.new(source.outputs["Image"], writer.inputs[0])
    elif kind == "muted source":
        source.mute = True
    elif kind == "group":
        group = bpy.data.node_groups.new("inner", "CompositorNodeTree")
        group.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        inner, end = group.nodes.new("CompositorNodeRGB"), group.nodes.new("NodeGroupOutput")
        group.links.new(inner.outputs[0], end.inputs[0])
        node = tree.nodes.new("CompositorNodeGroup")
        node.node_tree = group
        tree.nodes.remove(source)
        tree.links.new(node.outputs[0], output.inputs[0])
    elif kind == "image":
        image = tree.nodes.new("CompositorNodeImage")
        image.image = bpy.data.images.new("plate", 8, 8)
        tree.nodes.remove(source)
        tree.links.new(image.outputs[0], output.inputs[0])
    elif kind == "two layers":
        scene.view_layers.new("second")
        other = tree.nodes.new("CompositorNodeRLayers")
        other.scene, other.layer = scene, "second"
        over = tree.nodes.new("CompositorNodeAlphaOver")
        inputs = [socket for socket in over.inputs if socket.bl_idname == "NodeSocketColor"]
        tree.links.new(source.outputs["Image"], inputs[0])
        tree.links.new(other.outputs["Image"], inputs[1])
        tree.links.new(over.outputs[0], output.inputs[0])
    elif kind == "switched off":
        scene.render.use_compositing = False


def blender_sets_up(avatar, kinds):
    import bpy
    from blender_side import addon, load_avatar

    told = {}
    for kind in kinds:
        bpy.ops.wm.read_homefile(use_empty=True)
        scene, _rig, _head = load_avatar(avatar)
        scene.render.engine = "CYCLES"
        build(scene, kind)
        before, flag = tree_of(scene), scene.render.use_compositing
        scenes = len(bpy.data.scenes)
        assert bpy.ops.partnerface.set_up_compositor() == {"FINISHED"}
        once = tree_of(scene)
        scene.render.resolution_x = 77
        assert bpy.ops.partnerface.set_up_compositor() == {"FINISHED"}  # brings it up to date
        avatar_scene = scene.partnerface.avatar_scene
        merge = addon("compositing.merge").find_node(
            addon("blender_versions").find_compositor_tree(scene), "merge"
        )
        found = {
            "same after twice": tree_of(scene) == once,
            "inputs": [socket.is_linked for socket in merge.inputs],
            "size": avatar_scene.render.resolution_x,
            "engine": avatar_scene.render.engine,
            "objects": sorted(item.type for item in avatar_scene.objects),
            "scenes": len(bpy.data.scenes) - scenes,
            "into": sorted(link.to_node.bl_idname for link in merge.outputs["Image"].links),
            "compositing": scene.render.use_compositing,
        }
        assert bpy.ops.partnerface.remove_compositor() == {"FINISHED"}
        found["restored"] = tree_of(scene) == before and scene.render.use_compositing == flag
        found["left"] = [len(bpy.data.scenes) - scenes,
                         "PartNerFace Depth Merge" in bpy.data.node_groups]  # fmt: skip
        told[kind] = found
    return told


def test_it_comes_and_goes(in_blender, avatar):
    told = in_blender(blender_sets_up, str(avatar), KINDS)
    for kind, found in told.items():
        print(kind, found)
        assert found["same after twice"], kind
        assert found["inputs"] == [True] * 4, kind
        assert found["size"] == 77, kind
        assert found["engine"] == "PARTNERFACE", kind
        assert found["objects"] == ["ARMATURE", "CAMERA", "MESH"], kind
        assert found["scenes"] == 1, kind
        assert found["compositing"], kind
        assert found["restored"], kind
        assert found["left"] == [0, False], kind
        assert len(found["into"]) == (2 if kind == "file output" else 1), kind
    assert told["graded"]["into"] == ["CompositorNodeBlur"]  # it gets the merged picture
    assert told["two layers"]["into"] == ["CompositorNodeAlphaOver"]
    assert "CompositorNodeOutputFile" in told["file output"]["into"]


def blender_keeps_in_step(avatar, folder):
    """What changes after the set-up reaches the avatar scene when a render starts."""
    import bpy
    from blender_side import addon, load_avatar, render

    scene, rig, _ = load_avatar(avatar)
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    assert bpy.ops.partnerface.set_up_compositor() == {"FINISHED"}
    avatar_scene = scene.partnerface.avatar_scene
    merge, versions = addon("compositing.merge"), addon("blender_versions")

    scene.render.resolution_x = scene.render.resolution_y = 32
    scene.frame_end = 7
    scene.view_settings.exposure = 0.5
    scene.partnerface.colour = "SCENE_REFERRED"
    avatar_scene.partnerface.part_passes = True
    avatar_scene.partnerface_render.motion_samples = 3
    second = bpy.data.objects.new("second camera", scene.camera.data.copy())
    second.matrix_world = scene.camera.matrix_world
    second.data.shift_x = 0.3
    scene.collection.objects.link(second)
    scene.timeline_markers.new("wide", frame=1).camera = scene.camera
    scene.timeline_markers.new("cut", frame=3).camera = second
    tree = versions.find_compositor_tree(scene)
    outputs = {output.name for output in merge.find_node(tree, "avatar").outputs if output.enabled}
    tree.nodes.remove(merge.find_node(tree, "avatar"))  # by mistake
    scene.frame_set(2)
    first = render(scene, folder, "first")[..., 3]
    found = {
        "size": avatar_scene.render.resolution_x,
        "end": avatar_scene.frame_end,
        "exposure": avatar_scene.view_settings.exposure,
        "colour": avatar_scene.partnerface.colour,
        "markers": [(m.name, m.frame) for m in avatar_scene.timeline_markers],
        "its own": [
            avatar_scene.partnerface.part_passes,
            avatar_scene.partnerface_render.motion_samples,
        ],
        "seen": float(first.mean()),
        "outputs": sorted(outputs),
    }
    scene.frame_set(3)  # the cut: both scenes look through the other camera
    scene.frame_start = scene.frame_end = 3
    scene.render.filepath = f"{folder}/cut_####"
    bpy.ops.render.render(animation=True)
    from blender_side import read_picture

    cut = read_picture(f"{folder}/cut_0003.exr")[..., 3]
    columns = [float((a.sum(0) * range(32)).sum() / a.sum()) for a in (first, cut)]
    found["moved"] = columns[1] - columns[0]

    bpy.ops.partnerface.load_avatar(filepath=avatar, camera=False, motion=False)
    other = bpy.context.view_layer.objects.active
    render(scene, folder, "two")
    found["two"] = sorted(item.type for item in avatar_scene.objects)
    for item in (other.partnerface.head, other, rig.partnerface.head, rig):
        bpy.data.objects.remove(item)
    nobody = render(scene, folder, "nobody")
    found["nobody"] = [
        sorted(item.type for item in avatar_scene.objects),
        float(nobody[..., 3].max()),
    ]
    return found


def test_both_scenes_stay_in_step(in_blender, avatar, tmp_path):
    found = in_blender(blender_keeps_in_step, str(avatar), str(tmp_path))
    print(found)
    assert found["size"] == 32
    assert found["end"] == 7
    assert found["exposure"] == 0.5
    assert found["colour"] == "SCENE_REFERRED"
    assert found["markers"] == [["wide", 1], ["cut", 3]]
    assert found["its own"] == [True, 3]
    assert any("mouth" in name.lower() for name in found["outputs"])
    assert found["seen"] > 0.05
    assert found["moved"] < -5  # the lens is shifted to the right
    assert found["two"] == ["ARMATURE", "ARMATURE", "CAMERA", "CAMERA", "MESH", "MESH"]
    assert found["nobody"] == [["CAMERA", "CAMERA"], 0.0]


def blender_refuses(avatar, folder):
    """What cannot be set up is said; a copied scene gets an avatar scene of its own."""
    import bpy
    from blender_side import addon, load_avatar, sentence_of

    set_up, versions = bpy.ops.partnerface.set_up_compositor, addon("blender_versions")
    scene, rig, _ = load_avatar(avatar)
    scene.render.engine = "CYCLES"
    found = {}
    rig.partnerface.holds_out = True
    found["holding out"] = sentence_of(set_up)
    rig.partnerface.holds_out = False
    found["nothing there"] = sentence_of(bpy.ops.partnerface.remove_compositor)
    if hasattr(scene, "compositing_node_group"):
        other = bpy.data.scenes.new("other")
        other.compositing_node_group = versions.make_compositor_tree(scene)
        found["shared"] = sentence_of(set_up)
        bpy.data.scenes.remove(other)
    set_up()
    copied = scene.copy()
    if hasattr(copied, "compositing_node_group"):
        copied.compositing_node_group = copied.compositing_node_group.copy()
    addon("compositing.merge").set_up(copied)
    tree = versions.find_compositor_tree(copied)
    node = addon("compositing.merge").find_node(tree, "avatar")
    found["own"] = [copied.partnerface.avatar_scene != scene.partnerface.avatar_scene,
                    node.scene == copied.partnerface.avatar_scene]  # fmt: skip
    bpy.ops.wm.save_as_mainfile(filepath=f"{folder}/scene.blend")
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(f"{folder}/scene.blend", link=True) as (source, target):
        target.scenes = [name for name in source.scenes if "avatars" not in name][:1]
    linked = next(scene for scene in bpy.data.scenes if scene.library)
    try:
        addon("compositing.merge").set_up(linked)
    except Exception as error:
        found["linked"] = str(error)
    return found


def test_what_cannot_be_is_said(in_blender, avatar, tmp_path):
    found = in_blender(blender_refuses, str(avatar), str(tmp_path))
    assert found.pop("own") == [True, True]
    assert "linked from another file" in found["linked"]
    assert "shared" in found.get("shared", "shared")
    for what, sentence in found.items():
        assert sentence.endswith("."), what
        assert "\n" not in sentence, what
