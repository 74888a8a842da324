# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of the rig, its sliders, the gaze target and the pose library."""

import math
import sys
from collections.abc import Iterator

GROUPS = ("pose", "sliders_brows", "sliders_eyes", "sliders_mouth", "gaze")


def _load(demo: str) -> tuple:
    """The demo's avatar without its clip, alone in the scene."""
    import blender_side
    import bpy

    scene, rig, head = blender_side.load_avatar(
        f"{demo}/avatar/avatar.safetensors", motion=False, camera=False
    )
    scene.render.engine = "BLENDER_WORKBENCH"
    head.select_set(False)
    bpy.context.view_layer.objects.active = rig
    return rig, head


def _look(rig: object, turn: float, distance: float, up: float = 0.0) -> None:
    """See the head from the front, turned by some degrees."""
    import bpy
    import window_side as side
    from mathutils import Euler

    view = side.area().spaces.active
    region = view.region_3d
    eye = rig.matrix_world @ rig.data.bones["eye.L"].head_local
    region.view_perspective = "PERSP"
    region.view_location = (0.0, eye.y + 0.06, eye.z - 0.02 + up)
    region.view_rotation = Euler((math.radians(86), 0, math.radians(turn))).to_quaternion()
    region.view_distance = distance
    view.lens, view.overlay.show_floor, view.overlay.show_axis_x = 70, False, False
    view.overlay.show_axis_y = view.overlay.show_cursor = view.overlay.show_object_origins = False
    view.overlay.show_relationship_lines = False
    bpy.context.view_layer.update()


def _open_panels() -> None:
    """Have the rig's panels on top, and open but for the long ones."""
    import blender_side
    import bpy

    package = blender_side.PACKAGE
    panels = (sys.modules[f"{package}.panels.{name}"] for name in ("rig", "sidebar"))
    for kind in [kind for module in panels for kind in module.CLASSES]:
        wanted = kind.bl_idname.removeprefix("PARTNERFACE_PT_") in GROUPS
        bpy.utils.unregister_class(kind)
        kind.bl_options = set() if wanted else {"DEFAULT_CLOSED"}
        bpy.utils.register_class(kind)


def window_rig(demo: str) -> Iterator[float]:
    """The rig, posed, with the sidebar's sliders beside it."""
    import blender_side
    import bpy
    import window_side as side

    rig, _ = _load(demo)
    _open_panels()
    yield from side.only_area()
    yield from side.show_sidebar("PartNerFace")
    with side.override():
        bpy.ops.partnerface.apply_expression(expression="Smile")
        bpy.ops.partnerface.select_controls(which="FACE")
    sliders = blender_side.addon("rig.sliders")
    for name, value in (("browOuterUpLeft", 0.9), ("browInnerUp", 0.5), ("eyeSquintRight", 0.6)):
        sliders.set_slider(rig, name, value)
    with side.override():
        bpy.ops.partnerface.key_pose(scope="FACE")
    _look(rig, -14, 0.85)
    side.redraw()
    yield 1.5
    pictures = {"keyframing-sliders": side.screenshot("sliders", side.area())}
    with side.override():
        bpy.ops.partnerface.reset_pose(scope="ALL")
        bpy.ops.partnerface.select_controls(which="GAZE")
        bpy.ops.partnerface.aim_gaze(where="AHEAD")
        rig.pose.bones["gaze"].location = (0.12, -0.05, -0.05)
        bpy.ops.partnerface.key_pose(scope="ALL")
    side.area().spaces.active.show_region_ui = False
    _look(rig, 25, 0.95, 0.03)
    side.redraw()
    yield 1.5
    return pictures | {"keyframing-gaze": side.screenshot("gaze", side.area())}


def window_assets(demo: str) -> Iterator[float]:
    """The standard expressions in the asset browser."""
    import bpy
    import window_side as side

    _load(demo)
    bpy.ops.partnerface.add_pose_assets("EXEC_DEFAULT")
    yield from side.only_area()
    area = side.area()
    area.ui_type = "ASSETS"
    yield 1.0
    area.spaces.active.params.asset_library_reference = "LOCAL"
    area.spaces.active.params.display_size_discrete = "LARGE"
    side.redraw()
    yield 1.5
    return {"keyframing-poses": side.screenshot("poses", area)}
