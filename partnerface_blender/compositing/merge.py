# SPDX-License-Identifier: GPL-3.0-or-later
"""Avatars among ordinary objects: a scene of their own, and a merge by depth in the compositor.

The artist's scene keeps its engine (Cycles or EEVEE). Beside it stands an avatar scene that shares
rig and camera and renders with PARTNERFACE. The artist's compositor gets the avatar scene's picture
and one group node between its own Render Layers and whatever they led to, so that one F12 renders
both. Where the final picture comes from elsewhere (node groups, passes put together, images), the
merge stands before the output instead. Removing it puts everything back.
"""

import bpy

from .. import blender_versions as versions
from . import avatar_scenes, merge_group
from .avatar_scenes import SceneError

ROLE = "partnerface_role"  # custom property on the nodes that are ours
LAYERS = "CompositorNodeRLayers"


def set_up(scene: bpy.types.Scene) -> bpy.types.Scene:
    """Make, or bring up to date, the avatar scene and the merge; the avatar scene.

    Raises:
        SceneError: no avatar, no camera, a scene that renders with PARTNERFACE itself, or nodes
            that are not the scene's alone.
    """
    check(scene)
    avatar_scene = avatar_scenes.make(scene)
    tree = versions.find_compositor_tree(scene)
    merge = find_node(tree, "merge")
    if merge is None:
        clear_leftovers(tree)
        insert_merge(scene, avatar_scene)
    else:
        merge.node_tree = merge_group.provide_group()
        connect_avatar(tree, merge, avatar_scene)
    scene.render.use_compositing = True
    return avatar_scene


def check(scene: bpy.types.Scene) -> None:
    """Whether the set-up can be made here.

    Raises:
        SceneError: it cannot, and why.
    """
    if scene.render.engine == avatar_scenes.ENGINE:
        raise SceneError("This scene renders with PartNerFace itself.",
                              "Choose Cycles or EEVEE in its render properties first.")  # fmt: skip
    holding_out = [rig.name for rig in avatar_scenes.find_rigs(scene) if rig.partnerface.holds_out]
    if holding_out:
        raise SceneError(
            f"The avatar {holding_out[0]} holds out the scene, so that nothing is left to merge.",
            "Switch its Hold Out off; the merge needs none.",
        )
    if scene.library is not None:
        raise SceneError("This scene is linked from another file.", "Make it local first.")
    tree = versions.find_compositor_tree(scene)
    if tree is not None and tree.library is not None:
        raise SceneError(
            f"The compositing nodes “{tree.name}” are linked from another file.",
            "Make them local first.",
        )
    sharing = [
        other.name
        for other in bpy.data.scenes
        if other != scene and tree is not None and versions.find_compositor_tree(other) == tree
    ]
    if sharing:
        raise SceneError(
            f"The compositing nodes “{tree.name}” are shared with the scene “{sharing[0]}”.",
            "Give this scene a copy of its own first (the number beside their name).",
        )


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
    clear_leftovers(versions.find_compositor_tree(scene))
    avatar_scenes.remove(scene)
    group = bpy.data.node_groups.get((merge_group.NAME, None))
    if group is not None and group.users == 0:
        bpy.data.node_groups.remove(group)


def find_node(tree: bpy.types.NodeTree | None, role: str) -> bpy.types.Node | None:
    """Our node with this role."""
    return next((node for node in (tree.nodes if tree else ()) if node.get(ROLE) == role), None)


def insert_merge(scene: bpy.types.Scene, avatar_scene: bpy.types.Scene) -> None:
    """Put the merge between the scene's picture and all that it went to."""
    was_used = versions.find_compositor_tree(scene) is not None
    tree = versions.make_compositor_tree(scene)
    nodes_before = len(tree.nodes)
    source, output = find_source(tree, scene), versions.find_output(tree)
    picture = source.outputs["Image"] if source else None
    at_end = output is not None and output.inputs[0].is_linked
    if at_end and (picture is None or not picture.is_linked):
        picture = output.inputs[0].links[0].from_socket
        targets = [output.inputs[0]]
    else:
        targets = [link.to_socket for link in picture.links] if picture else []
    if source is None:
        source = add_own(tree, LAYERS, "source")
        source.scene = scene
        if picture is not None:
            source.location = picture.node.location.x, picture.node.location.y - 420
    picture = picture or source.outputs["Image"]
    layer = scene.view_layers[source.layer]

    merge = add_own(tree, "CompositorNodeGroup", "merge")
    merge.node_tree = merge_group.provide_group()
    merge.label, merge.width = "Avatars by Depth", 190
    merge["had_depth"], merge["was_used"], merge["nodes_before"] = (
        layer.use_pass_z, was_used, nodes_before,
    )  # fmt: skip
    merge["used_compositing"], merge["layer"] = scene.render.use_compositing, layer.name
    layer.use_pass_z = True
    merge.location = picture.node.location.x + 280, picture.node.location.y - 80
    for target in targets:
        tree.links.new(merge.outputs["Image"], target)
    if output is None:
        output = add_own(tree, versions.OUTPUT_NODE, "output")
        output.location = merge.location.x + 300, merge.location.y
    if not output.inputs[0].is_linked:
        merge["fed_output"] = True
        tree.links.new(merge.outputs["Image"], output.inputs[0])
    tree.links.new(picture, merge.inputs["Scene Image"])
    tree.links.new(source.outputs["Depth"], merge.inputs["Scene Depth"])
    connect_avatar(tree, merge, avatar_scene)


def connect_avatar(
    tree: bpy.types.NodeTree, merge: bpy.types.Node, avatar_scene: bpy.types.Scene
) -> None:
    """The avatar scene's Render Layers feed the merge, be they there already or not."""
    avatar = find_node(tree, "avatar")
    if avatar is None:
        avatar = add_own(tree, LAYERS, "avatar")
        avatar.label = "Avatars"
        avatar.location = merge.location.x - 280, merge.location.y - 340
    if avatar.scene != avatar_scene:
        avatar.scene = avatar_scene
    for name in ("Image", "Depth"):
        if not merge.inputs[f"Avatar {name}"].is_linked:
            tree.links.new(avatar.outputs[name], merge.inputs[f"Avatar {name}"])


def add_own(tree: bpy.types.NodeTree, kind: str, role: str) -> bpy.types.Node:
    """A new node that is ours; the artist's selection stays as it was."""
    node = tree.nodes.new(kind)
    node[ROLE], node.select = role, False
    return node


def find_source(tree: bpy.types.NodeTree, scene: bpy.types.Scene) -> bpy.types.Node | None:
    """The node that brings the scene's own picture, or None.

    Of several, one whose picture is used, of a view layer in which there is an avatar.
    """
    nodes = [
        node
        for node in tree.nodes
        if node.bl_idname == LAYERS and node.scene == scene and not node.mute
        if node.layer in scene.view_layers
    ]

    def rank(node: bpy.types.Node) -> tuple:
        rigs = avatar_scenes.find_rigs(scene, scene.view_layers[node.layer])
        return not node.outputs["Image"].is_linked, not rigs

    return min(nodes, key=rank, default=None)


def take_out_merge(scene: bpy.types.Scene, tree: bpy.types.NodeTree, merge: bpy.types.Node) -> None:
    """Lead the scene's picture again where the merge's went; delete our nodes."""
    was_used, nodes_before = merge["was_used"], merge["nodes_before"]
    incoming = merge.inputs["Scene Image"].links
    output = versions.find_output(tree)
    for target in [link.to_socket for link in merge.outputs["Image"].links]:
        ours = merge.get("fed_output") and output is not None and target == output.inputs[0]
        if incoming and not ours:
            tree.links.new(incoming[0].from_socket, target)
    layer = scene.view_layers.get(merge.get("layer", ""))
    if layer is not None and not merge["had_depth"]:
        layer.use_pass_z = False
    scene.render.use_compositing = merge.get("used_compositing", True)
    tree.nodes.remove(merge)
    clear_leftovers(tree)
    if not was_used and len(tree.nodes) == nodes_before:  # nobody has built on it since
        versions.drop_compositor_tree(scene)


def clear_leftovers(tree: bpy.types.NodeTree | None) -> None:
    """Delete the nodes that stood around the merge."""
    for role in ("avatar", "source", "output"):
        node = find_node(tree, role)
        if node is not None:
            tree.nodes.remove(node)
