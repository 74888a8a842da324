# SPDX-License-Identifier: GPL-3.0-or-later
"""The manual's rendered pictures: compositing, shadows and reflections, colour.

    BPY_PYTHON showcase/manual_renders.py AVATAR OUT --zip ZIP [--topics …] [--size PX]

AVATAR is the demo's, of the synthetic subject. Each picture is a row of renders, OUT/manual-*.jpg.
"""

import argparse
import math
import os
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np

PACKAGE = "bl_ext.user_default.partnerface"
TOPICS = ("compositing", "colour", "shadows")
FRAME = 24  # of the demo's animation: a smile, head turned


def main(options: argparse.Namespace) -> None:
    """Make the scene once, and every picture from it."""
    import bpy

    bpy.ops.extensions.package_install_files(
        filepath=str(options.zip), repo="user_default", enable_on_install=True
    )
    import scene as demo
    import scene_content

    scene, rig = demo.load(bpy, options.avatar)
    scene_content.key(rig)
    scene_content.build_set(scene, rig)
    rig.partnerface.casts_shadow = False
    set_rendering(scene, options.size)
    scene.frame_set(FRAME)
    if "compositing" in options.topics or "colour" in options.topics:
        compositing(scene, options)
    if "colour" in options.topics:
        colour(scene, options)
    if "shadows" in options.topics:
        shadows(scene, rig, options)


def set_rendering(scene: object, size: int) -> None:
    """Cycles on the processor, quick."""
    scene.render.engine = "CYCLES"
    scene.cycles.device, scene.cycles.samples, scene.cycles.use_denoising = "CPU", 32, False
    scene.cycles.sample_clamp_indirect = 2.0
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.render.resolution_percentage = 100


def compositing(scene: object, options: argparse.Namespace) -> None:
    """The scene by itself, the avatar by itself, both merged, and the avatar's visible part."""
    import bpy

    alone = rendered(scene)
    bpy.ops.partnerface.set_up_compositor()
    both = rendered(scene)
    visible = through(scene, "merge", "Avatar Visible")
    avatar = through(scene, "avatar", "Image")
    write(options.out / "manual-compositing.jpg", [alone, avatar, both, visible])


def colour(scene: object, options: argparse.Namespace) -> None:
    """As filmed under Standard, Filmic and AgX; then scene-referred under AgX."""
    row = []
    for view in ("Standard", "Filmic", "AgX"):
        scene.view_settings.view_transform = view
        row.append(rendered(scene))
    scene.partnerface.colour = "SCENE_REFERRED"
    row.append(rendered(scene))
    scene.partnerface.colour = "AS_FILMED"
    scene.view_settings.view_transform = "Standard"
    write(options.out / "manual-colour.jpg", row)


def shadows(scene: object, rig: object, options: argparse.Namespace) -> None:
    """No switch, shadows, and reflections as well, before a wall with a mirror."""
    import bpy
    from mathutils import Vector

    if scene.partnerface.avatar_scene is None:
        bpy.ops.partnerface.set_up_compositor()
    scene.cycles.use_denoising = True
    for item in list(scene.objects):
        if item.type == "LIGHT" or item.name in ("ring", "backdrop"):
            bpy.data.objects.remove(item)
    head = rig.partnerface.head
    corners = [head.matrix_world @ Vector(corner) for corner in head.bound_box]
    centre = sum(corners, Vector()) / 8
    towards = (scene.camera.matrix_world.translation - centre).normalized()
    aside = towards.cross(Vector((0, 0, 1))).normalized()
    material(stand(centre - towards * 0.22, towards, 6.0), "wall", 0.55, 0.0, 0.9)
    mirror_place = centre + towards * 0.02 - aside * 0.185 + Vector((0, 0, 0.04))
    facing = (towards + aside * 1.3).normalized()
    material(stand(mirror_place, facing, 0.2), "mirror", 0.9, 1.0, 0.02)
    bpy.ops.object.light_add(
        type="AREA", location=centre + towards * 0.9 - aside * 0.75 + Vector((0, 0, 0.5))
    )
    lamp = bpy.context.object
    lamp.data.energy, lamp.data.size = 22.0, 0.15
    lamp.rotation_euler = (lamp.location - centre).to_track_quat("Z", "Y").to_euler()
    row = [rendered(scene)]
    rig.partnerface.casts_shadow = True
    row.append(rendered(scene))
    rig.partnerface.shows_in_reflections = True
    row.append(rendered(scene))
    write(options.out / "manual-shadows.jpg", row)


def stand(place: object, facing: object, side: float) -> object:
    """A square that faces somewhere."""
    import bpy

    bpy.ops.mesh.primitive_plane_add(size=side, location=place)
    plane = bpy.context.object
    plane.rotation_euler = facing.to_track_quat("Z", "Y").to_euler()
    return plane


def material(item: object, name: str, grey: float, metallic: float, roughness: float) -> None:
    """A grey material."""
    import bpy

    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (grey, grey, grey, 1)
    shader.inputs["Metallic"].default_value = metallic
    shader.inputs["Roughness"].default_value = roughness
    item.data.materials.append(made)


def through(scene: object, role: str, output: str) -> np.ndarray:
    """A render with another socket of our nodes as the picture."""
    tree = getattr(scene, "compositing_node_group", None) or scene.node_tree
    node = next(node for node in tree.nodes if node.get("partnerface_role") == role)
    kinds = ("NodeGroupOutput", "CompositorNodeComposite")
    end = next(node for node in tree.nodes if node.bl_idname in kinds)
    before = end.inputs[0].links[0].from_socket
    tree.links.new(node.outputs[output], end.inputs[0])
    picture = rendered(scene)
    tree.links.new(before, end.inputs[0])
    return picture


def rendered(scene: object) -> np.ndarray:
    """F12 to a PNG through the view transform: [H, W, 3] in 0…1, first row on top, over grey."""
    import bpy

    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_mode, settings.color_depth = "PNG", "RGBA", "8"
    with tempfile.TemporaryDirectory() as folder:
        scene.render.filepath = str(Path(folder) / "picture.png")
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(scene.render.filepath)
        image.colorspace_settings.name = "Non-Color"
        pixels = np.array(image.pixels[:], np.float32).reshape(*reversed(image.size), 4)[::-1]
        bpy.data.images.remove(image)
    return pixels[..., :3] * pixels[..., 3:] + 0.25 * (1 - pixels[..., 3:])


def write(path: Path, row: list[np.ndarray]) -> None:
    """The renders side by side as a JPEG."""
    import bpy

    gap = np.ones((row[0].shape[0], math.ceil(row[0].shape[1] / 40), 3), np.float32)
    parts = [part for picture in row for part in (picture, gap)][:-1]
    pixels = np.concatenate(parts, axis=1)
    rgba = np.concatenate([pixels, np.ones((*pixels.shape[:2], 1), np.float32)], -1)
    image = bpy.data.images.new(path.stem, pixels.shape[1], pixels.shape[0], alpha=False)
    image.pixels.foreach_set(np.ascontiguousarray(rgba[::-1], np.float32).ravel())
    image.file_format, image.filepath_raw = "JPEG", str(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(quality=88)
    bpy.data.images.remove(image)
    print(f"wrote {path}", file=sys.stderr, flush=True)


def run(user_folder: str) -> int:
    """Read the command line and run; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("avatar", type=Path, help="the demo's avatar file")
    parser.add_argument("out", type=Path, help="where the pictures go")
    parser.add_argument("--zip", type=Path, required=True, help="the packaged extension")
    parser.add_argument("--topics", nargs="+", default=TOPICS, choices=TOPICS)
    parser.add_argument("--size", type=int, default=256, help="width and height of a render, px")
    options = parser.parse_args()
    options.avatar, options.out = options.avatar.resolve(), options.out.resolve()
    os.environ["BLENDER_USER_RESOURCES"] = user_folder  # before Blender looks for it
    try:
        main(options)
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        import bpy

        if PACKAGE in bpy.context.preferences.addons:
            bpy.ops.preferences.addon_disable(module=PACKAGE)  # ends the engine
    return 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="partnerface-manual-") as folder:
        status = run(folder)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # bpy may crash or hang while the interpreter is taken down
