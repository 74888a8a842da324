# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests do in Blender, in the child: install, load, render, read pictures back."""

import importlib
import sys
import threading
import time
from pathlib import Path

import bpy
import numpy as np

PACKAGE = "bl_ext.user_default.partnerface"


def install(zip_path):
    """Install the packaged extension as a user would."""
    bpy.ops.extensions.package_install_files(
        filepath=zip_path, repo="user_default", enable_on_install=True
    )


def start_anew():
    """The start-up file as it comes with Blender; the preferences and our engine stay."""
    bpy.ops.wm.read_homefile(use_factory_startup=True)


def addon(name):
    """A module of the installed add-on."""
    return importlib.import_module(f"{PACKAGE}.partnerface_blender.{name}")


def stop_engine():
    """Let no engine outlive the test."""
    if f"{PACKAGE}.partnerface_blender.connection.engine_link" in sys.modules:
        addon("connection.engine_link").stop_engine()


def empty_scene():
    """A scene without the start-up file's objects."""
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    scene = bpy.context.scene
    scene.render.engine = "PARTNERFACE"
    scene.render.film_transparent = True
    return scene


def load_avatar(path, quality="frame-baked", **options):
    """An empty scene with the avatar in it: scene, rig, head. The view transform is Standard.

    Frames are baked, which takes less time on a CPU than exact ones.
    """
    scene = empty_scene()
    options = {"match_colour": True} | options
    assert bpy.ops.partnerface.load_avatar(filepath=path, **options) == {"FINISHED"}
    rig = bpy.context.view_layer.objects.active
    rig.partnerface.quality = quality
    return scene, rig, rig.partnerface.head


def neutral(scene, rig, head):
    """Forget the tracked motion and put every parameter to zero."""
    for owner in (rig, head.data.shape_keys):
        owner.animation_data_clear()
    for block in head.data.shape_keys.key_blocks:
        block.value = 0.0
    for bone in rig.pose.bones:
        bone.location, bone.rotation_euler = (0, 0, 0), (0, 0, 0)
    scene.frame_set(scene.frame_current)


def eye_of(module, width=320, height=240, orthographic=False):
    """A view from 1 m in front of the head, a little to the side and above."""
    import bpy
    import numpy as np
    from mathutils import Matrix

    data = bpy.data.cameras.new("eye")
    if orthographic:
        data.type, data.ortho_scale = "ORTHO", 0.6
    camera = bpy.data.objects.new("eye", data)
    bpy.context.scene.collection.objects.link(camera)
    camera.matrix_world = Matrix.Translation((0.2, -1.0, 0.15)) @ Matrix.Rotation(1.4, 4, "X")
    bpy.context.view_layer.update()
    projection = camera.calc_matrix_camera(bpy.context.evaluated_depsgraph_get(), x=width, y=height)
    view = np.array(camera.matrix_world.inverted(), np.float64)
    return module.Eye(np.array(projection, np.float64), view, width, height)


def render(scene, folder, name):
    """Render as F12 does; the picture [H, W, 4] float32, scene-linear, first row on top."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_mode, settings.color_depth = "OPEN_EXR", "RGBA", "32"
    scene.render.filepath = str(Path(folder) / f"{name}.exr")
    bpy.ops.render.render(write_still=True)
    return read_picture(scene.render.filepath)


def read_picture(path):
    """A picture file's pixels [H, W, 4] float32 as they are, first row on top."""
    image = bpy.data.images.load(path)
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[::-1].copy()


def sentence_of(operator, *arguments, **options):
    """The one sentence that an operator refuses with; empty where it does not refuse."""
    try:
        operator(*arguments, **options)
    except RuntimeError as error:
        return str(error).removeprefix("Error: ").strip()
    return ""


def projected(scene, rig, points):
    """Rig-local points [N, 3] → pixels [N, 2] and depths [N] in the scene's camera."""
    width, height = picture_size(scene)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    view = addon("rendering.cameras").see(
        scene.camera.evaluated_get(depsgraph),
        rig.evaluated_get(depsgraph),
        depsgraph,
        width,
        height,
    )
    camera_from_head = np.array(view.camera["camera_from_world"])
    seen = addon("axes").to_head(points) @ camera_from_head[:3, :3].T + camera_from_head[:3, 3]
    focal = (view.camera["fx"], view.camera["fy"])
    pixels = seen[:, :2] / seen[:, 2:] * focal + (view.camera["cx"], view.camera["cy"])
    return pixels, seen[:, 2] * view.depth_scale


def picture_size(scene):
    """Width and height of a final render."""
    scale = scene.render.resolution_percentage / 100
    return int(scene.render.resolution_x * scale), int(scene.render.resolution_y * scale)


def deformed_vertices(head):
    """The head's vertices [V, 3] as shape keys and bones move them, rig space."""
    mesh = head.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    points = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", points)
    return points.reshape(-1, 3).astype(np.float64)


def avatar_planes(scene, rig):
    """What the engine itself gives for the scene's frame: colour [H, W, 4] and depth [H, W]."""
    link, avatars = addon("connection.engine_link"), addon("avatars")
    settings, depsgraph = link.read_settings(), bpy.context.evaluated_depsgraph_get()
    header = link.describe_avatar(settings, avatars.avatar_path(rig))
    view = addon("rendering.cameras").see(
        scene.camera.evaluated_get(depsgraph), rig.evaluated_get(depsgraph), depsgraph,
        *picture_size(scene),
    )  # fmt: skip
    values = addon("rig.parameters").read_parameters(rig, depsgraph, header["expression_names"])
    request = addon("connection.engine_process").RenderRequest(
        header["avatar"], view.camera, values.psi, values.theta, values.translation,
        quality=rig.partnerface.quality,
    )  # fmt: skip
    planes = link.render(settings, request, lambda: False, lambda done: None)
    depth = planes["depth"]
    scaled = np.where(depth < 1e9, depth * view.depth_scale, depth)
    return planes["combined"].astype(np.float32), scaled


def eevee():
    """What this Blender calls EEVEE."""
    return "BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"


def traces():
    """Everything of ours that Blender knows of."""
    found = [name for name in dir(bpy.types) if "PARTNERFACE" in name.upper()]
    found += [f"{owner}.{name}" for owner in ("Object", "Scene", "WindowManager")
              for name in dir(getattr(bpy.types, owner)) if "partnerface" in name]  # fmt: skip
    groups = bpy.types.PropertyGroup.__subclasses__()
    found += [
        kind.__name__ for kind in groups if "partnerface" in kind.__module__ and kind.is_registered
    ]
    found += [f"operator {name}" for name in dir(bpy.ops.partnerface)]
    found += [f"thread {thread.name}" for thread in threading.enumerate()
              if "partnerface" in thread.name]  # fmt: skip
    for name in dir(bpy.app.handlers):
        handlers = getattr(bpy.app.handlers, name)
        if isinstance(handlers, list):
            found += [f"{name}: {h}" for h in handlers if "partnerface" in str(h.__module__)]
    for name in dir(bpy.types):
        kind = getattr(bpy.types, name)
        if "PARTNERFACE" in getattr(kind, "COMPAT_ENGINES", ()):
            found.append(f"engine of {name}")
        drawn = getattr(getattr(kind, "draw", None), "_draw_funcs", ())
        found += [f"{f.__name__} in {name}" for f in drawn if "partnerface" in f.__module__]
    if "bl_ext.user_default.partnerface" in bpy.context.preferences.addons:
        found.append("preferences")
    return found


def uninstall():
    """Uninstall the extension as a user would; what is left of it. A generator of waits, s."""
    folders = [addon("preferences").EXTENSION_FOLDER, addon("preferences").user_folder("logs")]
    assert all(folder.is_dir() for folder in folders)
    repositories = bpy.context.preferences.extensions.repos
    index = next(i for i, repo in enumerate(repositories) if repo.module == "user_default")
    bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="partnerface")
    for _ in range(50):
        left = traces() + [str(folder) for folder in folders if folder.exists()]
        if not left:
            break
        yield 0.1
    return left


def finish(waits):
    """What a generator of waits returns, waiting here."""
    while True:
        try:
            time.sleep(next(waits))
        except StopIteration as end:
            return end.value


def render_layers(scene, folder, name):
    """Render as F12 does into a multilayer EXR; its path."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format, settings.color_depth = "OPEN_EXR_MULTILAYER", "32"
    settings.exr_codec = "NONE"
    scene.render.filepath = str(Path(folder) / f"{name}.exr")
    bpy.ops.render.render(write_still=True)
    return scene.render.filepath


def kill_engine(times, when=lambda: True):
    """Kill so many engines, one after the other, each as it works; the thread that does it."""
    import os
    import signal
    import threading
    import time

    link, killed = addon("connection.engine_link"), set()

    def work():
        while len(killed) < times:
            time.sleep(0.01)
            engine = link.running_engine()
            if engine is None or engine.process.pid in killed or not engine.ready.is_set():
                continue
            if engine._pending and when():
                killed.add(engine.process.pid)
                os.kill(engine.process.pid, signal.SIGKILL)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


class Printed:
    """What is printed in the block, by Blender's own code too, is in `text` afterwards."""

    def __init__(self, path):
        self.path, self.text = Path(path), ""

    def __enter__(self):
        """Lead standard output and error into the file."""
        import os

        sys.stdout.flush()
        self._kept = [os.dup(1), os.dup(2)]
        with open(self.path, "wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        return self

    def __exit__(self, *_):
        """Lead them back, and read the file."""
        import os

        sys.stdout.flush()
        for kept, number in zip(self._kept, (1, 2), strict=True):
            os.dup2(kept, number)
            os.close(kept)
        self.text = self.path.read_text(errors="replace")
