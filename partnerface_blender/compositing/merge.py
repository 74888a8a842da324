# SPDX-License-Identifier: GPL-3.0-or-later
"""Avatars among ordinary objects: a scene of their own, and a merge by depth in the compositor.

The artist's scene keeps its engine (Cycles or EEVEE). Beside it stands an avatar scene that shares
rig and camera and renders with PARTNERFACE. The artist's compositor gets the avatar scene's picture
and one group node between its own Render Layers and whatever they led to, so that one F12 renders
both. Removing it puts everything back.

Why no plain Z Combine: it takes each pixel from one side or the other, so that soft edges (hair)
bring a fringe. Here both orders of "over" are made, and the depths choose between them.
"""

import bpy

from .. import blender_versions as versions
from . import avatar_scenes
from .avatar_scenes import SceneError

ROLE = "partnerface_role"  # custom property on the nodes that are ours
MERGE_GROUP = "PartNerFace Depth Merge"


def set_up(scene: bpy.types.Scene) -> bpy.types.Scene:
    """Make, or bring up to date, the avatar scene and the merge; the avatar scene.

    Raises:
        SceneError: no avatar, no camera, or a scene that renders with PARTNERFACE itself.
    """
    if scene.render.engine == avatar_scenes.ENGINE:
        raise SceneError("This scene renders with PartNerFace itself.",
                              "Choose Cycles or EEVEE in its render properties first.")  # fmt: skip
    avatar_scene = avatar_scenes.make(scene)
    if find_node(versions.find_compositor_tree(scene), "merge") is None:
        insert_merge(scene, avatar_scene)
    scene.render.use_compositing = True
    return avatar_scene


def remove(scene: bpy.types.Scene) -> None:
    """Take the merge out of the artist's tree and delete the avatar scene.

    Raises:
        SceneError: there is nothing to remove.
    """
    tree, avatar_scene = versions.find_compositor_tree(scene), scene.partnerface.avatar_scene
    merge = find_node(tree, "merge")
    if merge is None and avatar_scene is None:
        raise SceneError(
            "The compositor is not set up in this scene.", "There is nothing to remove."
        )
    if merge is not None:
        take_out_merge(scene, tree, merge)
    avatar_scenes.remove(scene)
    group = bpy.data.node_groups.get(MERGE_GROUP)
    if group is not None and group.users == 0:
        bpy.data.node_groups.remove(group)


def find_node(tree: bpy.types.NodeTree | None, role: str) -> bpy.types.Node | None:
    """Our node with this role."""
    return next((node for node in (tree.nodes if tree else ()) if node.get(ROLE) == role), None)


def insert_merge(scene: bpy.types.Scene, avatar_scene: bpy.types.Scene) -> None:
    """Put the merge between the scene's Render Layers node and all that its picture went to."""
    was_used = versions.find_compositor_tree(scene) is not None
    tree = versions.make_compositor_tree(scene)
    nodes_before = len(tree.nodes)
    source = find_source(tree, scene)
    if source is None:
        source = tree.nodes.new("CompositorNodeRLayers")
        source.scene = scene
        source[ROLE] = "source"
    layer = scene.view_layers[source.layer]
    avatar = tree.nodes.new("CompositorNodeRLayers")
    avatar.scene, avatar.label = avatar_scene, "Avatars"
    avatar[ROLE] = "avatar"
    merge = tree.nodes.new("CompositorNodeGroup")
    merge.node_tree = merge_group()
    merge.label = "Avatars by Depth"
    merge[ROLE], merge["had_depth"] = "merge", layer.use_pass_z
    merge["was_used"], merge["nodes_before"] = was_used, nodes_before
    layer.use_pass_z = True
    avatar.location = source.location.x, source.location.y - 420
    merge.location = source.location.x + 280, source.location.y - 80

    targets = [link.to_socket for link in source.outputs["Image"].links]
    for target in targets:
        tree.links.new(merge.outputs["Image"], target)
    output = versions.find_output(tree)
    if output is None:
        output = versions.new_output(tree)
        output[ROLE] = "output"
        output.location = merge.location.x + 300, merge.location.y
    if not output.inputs[0].is_linked:
        tree.links.new(merge.outputs["Image"], output.inputs[0])
    for node, name in ((source, "Scene"), (avatar, "Avatar")):
        tree.links.new(node.outputs["Image"], merge.inputs[f"{name} Image"])
        tree.links.new(node.outputs["Depth"], merge.inputs[f"{name} Depth"])


def find_source(tree: bpy.types.NodeTree, scene: bpy.types.Scene) -> bpy.types.Node | None:
    """The node that brings the scene's own picture; of several, one whose picture is used."""
    nodes = [
        node
        for node in tree.nodes
        if node.bl_idname == "CompositorNodeRLayers" and node.scene == scene
    ]
    nodes.sort(key=lambda node: not node.outputs["Image"].is_linked)
    return nodes[0] if nodes else None


def take_out_merge(scene: bpy.types.Scene, tree: bpy.types.NodeTree, merge: bpy.types.Node) -> None:
    """Lead the scene's picture again where the merge's went; delete our nodes."""
    was_used, had_depth, nodes_before = merge["was_used"], merge["had_depth"], merge["nodes_before"]
    incoming = merge.inputs["Scene Image"].links
    source = incoming[0].from_node if incoming else None
    if source is not None:
        for target in [link.to_socket for link in merge.outputs["Image"].links]:
            tree.links.new(source.outputs["Image"], target)
        if not had_depth and source.bl_idname == "CompositorNodeRLayers":
            scene.view_layers[source.layer].use_pass_z = False
    tree.nodes.remove(merge)
    for role in ("avatar", "source", "output"):
        node = find_node(tree, role)
        if node is not None:
            tree.nodes.remove(node)
    if not was_used and len(tree.nodes) == nodes_before:  # nobody has built on it since
        versions.drop_compositor_tree(scene)


def merge_group() -> bpy.types.NodeTree:
    """The node group that merges two premultiplied pictures by depth; made once for a file."""
    group = bpy.data.node_groups.get(MERGE_GROUP)
    if group is not None:
        return group
    group = bpy.data.node_groups.new(MERGE_GROUP, "CompositorNodeTree")
    for name in ("Scene", "Avatar"):
        group.interface.new_socket(f"{name} Image", in_out="INPUT", socket_type="NodeSocketColor")
        group.interface.new_socket(f"{name} Depth", in_out="INPUT", socket_type="NodeSocketFloat")
    group.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    group.interface.new_socket("Depth", in_out="OUTPUT", socket_type="NodeSocketFloat")
    start, end = group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")
    scene_image, scene_depth, avatar_image, avatar_depth = start.outputs[:4]

    in_front = versions.new_less_than(group)  # 1 where the avatar is nearer
    group.links.new(avatar_depth, in_front.inputs[0])
    group.links.new(scene_depth, in_front.inputs[1])
    smooth = group.nodes.new("CompositorNodeAntiAliasing")  # depths know no soft edges
    group.links.new(in_front.outputs[0], smooth.inputs["Image"])
    behind, (below, above) = versions.new_alpha_over(group)  # the scene over the avatar
    group.links.new(avatar_image, below)
    group.links.new(scene_image, above)
    before, (below, above) = versions.new_alpha_over(group)  # the avatar over the scene
    group.links.new(scene_image, below)
    group.links.new(avatar_image, above)
    _, (factor, at_zero, at_one), mixed = versions.new_mix(group)
    group.links.new(smooth.outputs[0], factor)
    group.links.new(behind.outputs[0], at_zero)
    group.links.new(before.outputs[0], at_one)
    nearest = versions.new_minimum(group)
    group.links.new(scene_depth, nearest.inputs[0])
    group.links.new(avatar_depth, nearest.inputs[1])
    group.links.new(mixed, end.inputs["Image"])
    group.links.new(nearest.outputs[0], end.inputs["Depth"])
    for column, node in enumerate(
        (start, in_front, smooth, behind, before, mixed.node, nearest, end)
    ):
        node.location = column * 180, -120 * (column % 3)
    return group
