# SPDX-License-Identifier: GPL-3.0-or-later
"""What `depth_merge` and `colours` have Blender render. Runs in the Python of a bpy wheel.

    BPY_PYTHON benchmarks/blender_renders.py TASK.json

The packaged extension is installed as a user would, into a folder that is thrown away. Pictures are
written as .npz files beside the task.
"""

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np


def merge(task: dict, out: Path) -> None:
    """Objects through the head: the merge's decision, and the same with the true head's mesh."""
    import bpy

    scene = load(task)
    scene.render.film_transparent = True
    choose_engine(scene, task["engine"])
    shapes = np.load(task["shapes"])
    truth = bpy.data.scenes.new("truth")
    truth.camera, truth.render.film_transparent = scene.camera, True
    choose_engine(truth, task["engine"])
    truth.render.resolution_x, truth.render.resolution_y = task["size"], task["size"]
    for frame in task["frames"]:
        scene.frame_set(frame + 1)
        truth.frame_set(frame + 1)
        head = add_mesh(truth, "head", shapes[f"head{frame}"], shapes["head_faces"], 0.0)
        kept = {}
        for name in task["objects"]:
            mesh = add_mesh(scene, name, shapes[name], shapes[f"{name}_faces"], 1.0)
            truth.collection.objects.link(mesh)
            bpy.ops.partnerface.set_up_compositor()
            if not kept:
                kept["alpha"] = composited(scene, out, "merge", "Avatar Alpha")
                kept["depth"] = composited(scene, out, "avatar", "Depth")
            kept[f"{name}_visible"] = composited(scene, out, "merge", "Avatar Visible")
            kept[f"{name}_truth"] = rendered(truth, out)[..., 0]
            bpy.ops.partnerface.remove_compositor()
            bpy.data.objects.remove(mesh)
            say(f"frame {frame}, {name}")
        bpy.data.objects.remove(head)
        np.savez(out / f"merge{frame}.npz", **kept)


def colours(task: dict, out: Path) -> None:
    """The avatar as PNG under each view transform, as F12 writes it."""
    import bpy

    scene = load(task)
    scene.render.engine, scene.render.film_transparent = "PARTNERFACE", True
    for frame in task["frames"]:
        scene.frame_set(frame + 1)
        for number, (view, look) in enumerate(task["views"]):
            try:
                scene.view_settings.view_transform = view
            except TypeError:
                continue  # this Blender has none
            scene.view_settings.look = look
            for colour in ("AS_FILMED", "SCENE_REFERRED"):
                scene.partnerface.colour = colour
                set_format(scene, "PNG", "8")
                scene.render.filepath = str(out / f"{frame}_{number}_{colour}.png")
                bpy.ops.render.render(write_still=True)
            say(f"frame {frame}, {view}")


def load(task: dict) -> object:
    """An empty scene with the avatar, its tracked motion and its camera."""
    import bpy

    bpy.ops.extensions.package_install_files(
        filepath=task["zip"], repo="user_default", enable_on_install=True
    )
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    bpy.ops.partnerface.load_avatar(filepath=task["avatar"])
    scene = bpy.context.scene
    scene.render.resolution_x = scene.render.resolution_y = task["size"]
    return scene


def choose_engine(scene: object, name: str) -> None:
    """Cycles or EEVEE."""
    import bpy

    eevee = "BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"
    scene.render.engine = eevee if name == "EEVEE" else name
    if name == "CYCLES":
        scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.max_bounces = 64, False, 0
    else:
        scene.eevee.taa_render_samples = 16


def add_mesh(scene: object, name: str, vertices: object, faces: object, shine: float) -> object:
    """A mesh that shines with this strength and does nothing else."""
    import bpy

    data = bpy.data.meshes.new(name)
    data.from_pydata(np.asarray(vertices).tolist(), [], np.asarray(faces).tolist())
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes = material.node_tree.nodes
    nodes.clear()
    light, output = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
    light.inputs["Strength"].default_value = shine
    material.node_tree.links.new(light.outputs[0], output.inputs[0])
    data.materials.append(material)
    item = bpy.data.objects.new(name, data)
    scene.collection.objects.link(item)
    return item


def composited(scene: object, out: Path, role: str, output: str) -> np.ndarray:
    """One output of our node as the picture [H, W]."""
    tree = getattr(scene, "compositing_node_group", None) or scene.node_tree
    node = next(node for node in tree.nodes if node.get("partnerface_role") == role)
    kinds = ("NodeGroupOutput", "CompositorNodeComposite")
    end = next(node for node in tree.nodes if node.bl_idname in kinds)
    before = end.inputs[0].links[0].from_socket
    tree.links.new(node.outputs[output], end.inputs[0])
    picture = rendered(scene, out)[..., 0]
    tree.links.new(before, end.inputs[0])
    return picture


def rendered(scene: object, out: Path) -> np.ndarray:
    """F12; the picture [H, W, 4], scene-linear, first row on top."""
    import bpy

    set_format(scene, "OPEN_EXR", "32")
    scene.render.filepath = str(out / "picture.exr")
    bpy.ops.render.render(write_still=True, scene=scene.name)
    image = bpy.data.images.load(scene.render.filepath)
    image.colorspace_settings.name = "Non-Color"
    pixels = np.array(image.pixels[:], np.float32).reshape(*reversed(image.size), 4)[::-1]
    bpy.data.images.remove(image)
    return pixels


def set_format(scene: object, name: str, depth: str) -> None:
    """Pictures with alpha in this format."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_mode, settings.color_depth = name, "RGBA", depth


def say(text: str) -> None:
    """Progress, on standard error."""
    print(f"blender: {text}", file=sys.stderr, flush=True)


def run(path: Path) -> int:
    """Do the task; the exit status."""
    task = json.loads(path.read_text())
    try:
        {"merge": merge, "colours": colours}[task["task"]](task, path.parent)
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        import bpy

        package = "bl_ext.user_default.partnerface"
        if package in bpy.context.preferences.addons:
            bpy.ops.preferences.addon_disable(module=package)  # ends the engine
    return 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="partnerface-benchmark-") as folder:
        os.environ["BLENDER_USER_RESOURCES"] = folder  # before Blender looks for it
        status = run(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # bpy may crash or hang while the interpreter is taken down
