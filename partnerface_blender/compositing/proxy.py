# SPDX-License-Identifier: GPL-3.0-or-later
"""The head mesh as the avatar's stand-in for light: shadows, reflections, a hole in the picture.

The neural head exists only in the engine's pictures. What other objects' light meets in Cycles and
EEVEE is the rig's mesh, posed and shaped like the avatar, and unseen by the camera.
"""

from typing import TYPE_CHECKING

import bpy
import numpy as np

if TYPE_CHECKING:
    from ..properties import PARTNERFACE_PG_avatar

SEEN_BY_LIGHT = ("diffuse", "glossy", "transmission")  # Cycles
PROBES = ("plane", "sphere", "volume")  # EEVEE


def apply_switches(avatar: "PARTNERFACE_PG_avatar") -> None:
    """The head mesh does what the avatar's switches say, and is out of renders if all are off."""
    head = avatar.head
    if head is None or not head.is_editable:
        return
    shadow, light, hole = avatar.casts_shadow, avatar.shows_in_reflections, avatar.holds_out
    head.hide_render = not (shadow or light or hole)
    head.visible_camera = head.is_holdout = hole
    head.visible_shadow = head.visible_volume_scatter = shadow
    for ray in SEEN_BY_LIGHT:
        setattr(head, f"visible_{ray}", light)
    for probe in PROBES:
        setattr(head, f"hide_probe_{probe}", not light)


def give_skin(head: bpy.types.Object, thumbnail: np.ndarray) -> None:
    """A plain skin for mirrors: the colour that is in the middle of the avatar's picture.

    Args:
        head: the head mesh.
        thumbnail: [h, w, 3] uint8 sRGB, the face in the middle.
    """
    if head.data.materials or not thumbnail.size:
        return
    height, width = thumbnail.shape[:2]
    middle = thumbnail[height * 2 // 5 : height * 3 // 5 + 1, width * 2 // 5 : width * 3 // 5 + 1]
    srgb = np.median(middle.reshape(-1, 3), axis=0) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    material = bpy.data.materials.new(f"{head.name} skin")
    material.use_nodes = True
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*linear.tolist(), 1.0)
    shader.inputs["Roughness"].default_value = 0.6
    material.diffuse_color = (*linear.tolist(), 1.0)  # in Solid shading too
    head.data.materials.append(material)
