# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures for docs/manual/motion.md: parts of a face, the panels, the options of an import."""

from types import SimpleNamespace

import blender_side as blender
import bpy
import numpy as np
import window_side as side

SIZE = 288  # px, of each picture …
HEAD = (slice(12, 244), slice(36, 252))  # … and the rows and columns that show the head
OPTIONS = 375  # px, the height of the options
FACE = {
    "mouthSmileLeft": 1.0, "mouthSmileRight": 1.0, "mouthUpperUpLeft": 0.3,
    "mouthUpperUpRight": 0.3, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5,
    "browInnerUp": 0.6, "browOuterUpLeft": 0.5, "browOuterUpRight": 0.5,
}  # fmt: skip


def smiling(demo):
    """The demo's avatar, at rest but for a smile: scene and rig."""
    scene, rig, _ = blender.load_avatar(f"{demo}/avatar/avatar.safetensors")
    rig.animation_data.action = None
    sliders = blender.addon("rig.sliders")
    for name in sliders.all_slider_names(rig):
        sliders.set_slider(rig, name, FACE.get(name, 0.0))
    for name in ("root", "neck", "jaw", "eye.L", "eye.R"):
        bone = rig.pose.bones[name]
        bone.location, bone.rotation_euler = (0, 0, 0), (0, 0, 0)
    bpy.context.view_layer.update()
    return scene, rig


def override(rig, part, expression="", value=0.0):
    """Override a part, perhaps with an own slider."""
    bpy.ops.partnerface.override_part("EXEC_DEFAULT", part=part)
    if expression:
        bpy.ops.partnerface.add_part_slider("EXEC_DEFAULT", part=part, expression=expression)
        rig[f"{part}: {expression}"] = value
        rig.update_tag()


def open_only(*names):
    """Have the named panels of the tab open and all others closed, as an artist clicks them."""
    kinds = [
        kind
        for kind in bpy.types.Panel.__subclasses__()
        if getattr(kind, "bl_category", "") == "PartNerFace" and kind.is_registered
    ]
    for kind in kinds:
        bpy.utils.unregister_class(kind)
    for kind in kinds:
        shut = set() if kind.__name__ in names else {"DEFAULT_CLOSED"}
        kind.bl_options = (set(getattr(kind, "bl_options", set())) - {"DEFAULT_CLOSED"}) | shut
        bpy.utils.register_class(kind)


def window_parts(demo):
    """The same smile three times: whole, with one eye shut, and with a silent mouth."""
    scene, rig = smiling(demo)
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    rig.partnerface.quality = "frame-baked"
    yield 0.2
    shots = [blender.render(scene, side.FOLDER, "whole")]
    override(rig, "eye_left", "eyeBlinkLeft", 1.0)
    shots.append(blender.render(scene, side.FOLDER, "wink"))
    bpy.ops.partnerface.free_part(part="eye_left")
    override(rig, "mouth")
    rig.partnerface_parts.mouth.gain = 0.0
    shots.append(blender.render(scene, side.FOLDER, "silent"))
    yield 0.1
    linear = np.concatenate([shot[HEAD] for shot in shots], 1)
    linear = linear[..., :3] + (1 - linear[..., 3:]) * 0.045  # on dark grey
    seen = np.where(linear < 0.0031308, 12.92 * linear,
                    1.055 * np.maximum(linear, 1e-6) ** (1 / 2.4) - 0.055)  # fmt: skip
    return {"motion-parts": write(np.clip(seen, 0, 1), "motion-parts")}


def write(pixels, name):
    """A picture [H, W, 3], sRGB from 0 to 1, first row on top, as PNG; its path."""
    height, width = pixels.shape[:2]
    image = bpy.data.images.new(name, width, height)
    rgba = np.concatenate([pixels[::-1], np.ones((height, width, 1))], -1)
    image.pixels.foreach_set(rgba.astype(np.float32).ravel())
    image.filepath_raw, image.file_format = str(side.FOLDER / f"{name}.png"), "PNG"
    image.save()
    return image.filepath_raw


def window_panels(demo):
    """Motion and Parts in the sidebar, beside the head."""
    _, rig = smiling(demo)
    override(rig, "eye_left", "eyeBlinkLeft", 1.0)
    override(rig, "mouth")
    rig.partnerface_parts.mouth.gain = 0.5
    rig.partnerface_parts.shown = "eye_left"
    yield from side.only_area()
    open_only("PARTNERFACE_PT_motion", "PARTNERFACE_PT_parts")
    yield from side.show_sidebar("PartNerFace")
    area = side.area()
    with side.override(area):
        bpy.ops.view3d.view_axis(type="FRONT")
    view = area.spaces.active.region_3d
    view.view_perspective, view.view_distance = "PERSP", 0.75
    view.view_location = (0.04, 0.0, 0.0)
    area.spaces.active.overlay.show_overlays = False
    feed = blender.addon("viewport.view")._views.feed
    side.redraw()
    yield 0.5
    yield from side.until(lambda: feed.keys() and not feed.busy(), 240, "the view at rest")
    side.redraw()
    yield 0.5
    return {"motion-panels": side.screenshot("motion-panels")}


def window_import(demo):
    """The options beside the file browser."""
    smiling(demo)
    bpy.context.preferences.view.filebrowser_display_type = "SCREEN"
    yield 0.2
    with side.override():
        bpy.ops.partnerface.import_motion("INVOKE_DEFAULT")

    def browser():
        for window in bpy.context.window_manager.windows:
            for area in window.screen.areas:
                if area.type == "FILE_BROWSER" and area.spaces.active.params is not None:
                    return area
        return None

    area = yield from side.until(browser)
    params = area.spaces.active.params
    params.directory, params.filename = f"{demo}/capture".encode(), "capture.json"
    area.spaces.active.show_region_tool_props = True
    area.tag_redraw()
    yield 1.0
    whole = side.region(area, "TOOL_PROPS")
    options = SimpleNamespace(
        x=whole.x, width=whole.width, y=whole.y + whole.height - OPTIONS, height=OPTIONS
    )
    return {"motion-import": side.screenshot("motion-import", options)}
