# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between Blender 4.2 and 5.x: actions, bones and the compositor.

No other module asks for a version.
"""

import bpy

# Options of a StringProperty that may begin with `//`; Blender 5.0 wants to be told.
RELATIVE_PATH = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (5, 0, 0) else set()

# The name of the pass that says which object is seen, as Blender's own engines spell it.
OBJECT_INDEX_PASS = "Object Index" if bpy.app.version >= (5, 0, 0) else "IndexOB"

# ------------------------------------------------------------------------------ actions


def new_fcurve(
    owner: bpy.types.ID, action: bpy.types.Action, path: str, index: int, group: str
) -> bpy.types.FCurve:
    """The F-curve of the owner's property in its assigned action; made if need be."""
    if bpy.app.version >= (5, 0, 0):
        return action.fcurve_ensure_for_datablock(owner, path, index=index, group_name=group)
    if hasattr(action, "fcurve_ensure_for_datablock"):  # 4.5 has slots, but names no group there
        curve = action.fcurve_ensure_for_datablock(owner, path, index=index)
        groups = action.layers[0].strips[0].channelbag(owner.animation_data.action_slot).groups
        curve.group = groups.get(group) or groups.new(group)
        return curve
    return action.fcurves.find(path, index=index) or action.fcurves.new(
        path, index=index, action_group=group
    )


def remove_fcurve(owner: bpy.types.ID, action: bpy.types.Action, path: str, index: int) -> None:
    """Take the F-curve of the owner's property out of its assigned action, if it is there."""
    curves = find_fcurves(owner, action)
    curve = curves.find(path, index=index) if curves is not None else None
    if curve is not None:
        curves.remove(curve)


def find_fcurves(
    owner: bpy.types.ID, action: bpy.types.Action
) -> bpy.types.bpy_prop_collection | None:
    """The F-curves of the owner in its assigned action; None where there are none yet."""
    if not hasattr(action, "fcurve_ensure_for_datablock"):
        return action.fcurves
    slot = owner.animation_data.action_slot
    bags = [
        bag
        for layer in action.layers
        for strip in layer.strips
        for bag in strip.channelbags
        if slot is not None and bag.slot_handle == slot.handle
    ]
    return bags[0].fcurves if bags else None


def use_slot_of(strip: bpy.types.NlaStrip, data: bpy.types.AnimData) -> None:
    """Let a strip of the assigned action play the slot that plays now; Blender 4.2 has no slots."""
    if hasattr(strip, "action_slot") and data.action_slot is not None:
        strip.action_slot = data.action_slot


def curves_of_new(action: bpy.types.Action, slot: str) -> bpy.types.bpy_prop_collection:
    """The F-curves of an object in an action that has none yet."""
    if not hasattr(action, "layers"):
        return action.fcurves
    made = action.slots.new(id_type="OBJECT", name=slot)
    strip = action.layers.new("Layer").strips.new(type="KEYFRAME")
    return strip.channelbag(made, ensure=True).fcurves


# ------------------------------------------------------------------------------ bones


def is_bone_shown(bone: bpy.types.PoseBone) -> bool:
    """Whether neither its own switch nor its collections hide a pose bone."""
    hidden = getattr(bone, "hide", False) or getattr(bone.bone, "hide", False)
    collections = bone.bone.collections
    return not hidden and (not collections or any(c.is_visible_effectively for c in collections))


def is_bone_selected(bone: bpy.types.PoseBone) -> bool:
    """Whether the bone is selected; Blender 5.0 keeps that on the pose."""
    return bone.select if hasattr(bone, "select") else bone.bone.select


def select_bone(bone: bpy.types.PoseBone, selected: bool) -> None:
    """Select the bone, or not."""
    (bone if hasattr(bone, "select") else bone.bone).select = selected


# ------------------------------------------------------------------------------ colour


def working_space() -> str:
    """The colour space that Blender computes in; empty where it is the configuration's only one."""
    chosen = getattr(bpy.data, "colorspace", None)
    return chosen.working_space if chosen is not None else ""


def choose_still_format(settings: bpy.types.ImageFormatSettings, name: str) -> None:
    """Pictures are written in this format, whatever they were before (a movie, …)."""
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = name


# ------------------------------------------------------------------------------ shaders


def write_depth(info: object) -> None:
    """Announce that a shader's fragments write their depth; older Blenders need not be told."""
    if hasattr(info, "depth_write"):
        info.depth_write("ANY")


# ------------------------------------------------------------------------------ compositor

_SHARED_NODES = hasattr(bpy.types, "ShaderNodeMath") and bpy.app.version >= (5, 0, 0)
# Its first input is the rendered picture.
OUTPUT_NODE = "NodeGroupOutput" if _SHARED_NODES else "CompositorNodeComposite"


def find_compositor_tree(scene: bpy.types.Scene) -> bpy.types.NodeTree | None:
    """The scene's compositor tree if it is there and used."""
    if hasattr(scene, "compositing_node_group"):
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def make_compositor_tree(scene: bpy.types.Scene) -> bpy.types.NodeTree:
    """The scene's compositor tree; a new one shows the scene's own picture."""
    tree = find_compositor_tree(scene)
    if tree is not None:
        return tree
    if hasattr(scene, "compositing_node_group"):
        tree = bpy.data.node_groups.new(f"{scene.name} Compositor", "CompositorNodeTree")
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        scene.compositing_node_group = tree
    else:
        existed = scene.node_tree is not None
        scene.use_nodes = True  # Blender makes Render Layers → Composite the first time
        tree = scene.node_tree
        if existed:  # switched off by the artist, who gets it back as it was
            return tree
        tree.nodes.clear()
    layers = tree.nodes.new("CompositorNodeRLayers")
    layers.scene = scene
    output = tree.nodes.new(OUTPUT_NODE)
    output.location.x = 500
    tree.links.new(layers.outputs["Image"], output.inputs[0])
    return tree


def find_output(tree: bpy.types.NodeTree) -> bpy.types.Node | None:
    """The node whose first input is the rendered picture, if there is one; of several, the used."""
    outputs = [node for node in tree.nodes if node.bl_idname == OUTPUT_NODE]
    outputs.sort(key=lambda node: not getattr(node, "is_active_output", node == tree.nodes.active))
    return outputs[0] if outputs else None


def new_math(tree: bpy.types.NodeTree, operation: str) -> bpy.types.Node:
    """A node whose output 0 is the operation's result on inputs 0 and 1."""
    node = tree.nodes.new("ShaderNodeMath" if _SHARED_NODES else "CompositorNodeMath")
    node.operation = operation
    return node


def new_mix(
    tree: bpy.types.NodeTree, blend: str = "MIX"
) -> tuple[bpy.types.Node, list, bpy.types.NodeSocket]:
    """A colour mix: the node, its inputs (factor, at 0, at 1), and its output; alpha is at 0's."""
    if not _SHARED_NODES:
        node = tree.nodes.new("CompositorNodeMixRGB")
        node.blend_type = blend
        return node, list(node.inputs), node.outputs[0]
    node = tree.nodes.new("ShaderNodeMix")
    node.data_type, node.blend_type = "RGBA", blend
    inputs = {socket.identifier: socket for socket in node.inputs}
    output = next(socket for socket in node.outputs if socket.identifier == "Result_Color")
    return node, [inputs["Factor_Float"], inputs["A_Color"], inputs["B_Color"]], output


def new_growth(tree: bpy.types.NodeTree, pixels: int) -> bpy.types.Node:
    """The largest value within so many pixels; the smallest where the number is negative."""
    node = tree.nodes.new("CompositorNodeDilateErode")  # by steps, unless told otherwise
    _set(node, "Size", "distance", pixels)
    return node


def new_blur(tree: bpy.types.NodeTree, pixels: int) -> bpy.types.Node:
    """A Gaussian that reaches so many pixels far."""
    node = tree.nodes.new("CompositorNodeBlur")
    if node.inputs["Size"].bl_idname == "NodeSocketFloat":  # 4.2: a factor
        node.size_x = node.size_y = pixels
        node.filter_type = "GAUSS"
    else:
        node.inputs["Size"].default_value = (pixels, pixels)
    return node


def new_replace_alpha(tree: bpy.types.NodeTree) -> bpy.types.Node:
    """The colour of input 0 as it is, with input 1 as its alpha."""
    node = tree.nodes.new("CompositorNodeSetAlpha")
    if "Type" in node.inputs:
        node.inputs["Type"].default_value = "Replace Alpha"
    else:
        node.mode = "REPLACE_ALPHA"
    return node


def _set(node: bpy.types.Node, socket: str, attribute: str, value: int) -> None:
    if socket in node.inputs:
        node.inputs[socket].default_value = value
    else:
        setattr(node, attribute, value)


def drop_compositor_tree(scene: bpy.types.Scene) -> None:
    """Undo `make_compositor_tree`: delete what it made, or switch off again what it switched on."""
    if hasattr(scene, "compositing_node_group"):
        tree, scene.compositing_node_group = scene.compositing_node_group, None
        if tree is not None and tree.users == 0:
            bpy.data.node_groups.remove(tree)
    else:
        scene.use_nodes = False
