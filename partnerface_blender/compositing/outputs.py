# SPDX-License-Identifier: GPL-3.0-or-later
"""The outputs of nodes that show a scene's passes."""

import bpy

from .. import blender_versions as versions


def look_up_passes(shown: bpy.types.Scene) -> None:
    """Let every node that shows the scene have an output for each of its passes.

    Blender looks passes up when a node is given its scene, and else not before the next render.
    """
    for scene in bpy.data.scenes:
        tree = versions.find_compositor_tree(scene)
        for node in tree.nodes if tree is not None else ():
            if node.type == "R_LAYERS" and node.scene == shown:
                node.scene = shown
