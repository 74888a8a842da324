# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo in Blender: load the avatar, key it, and render it among ordinary Cycles objects.

    .venv-bpy-4.2/bin/python showcase/scene.py AVATAR OUT [--zip ZIP] [--frames N] [--size PX]

Installs the packaged extension as a user would, into a folder that is thrown away. Leaves
OUT/demo.blend, which opens with the avatar ready to keyframe, and OUT/blender/frames/*.png. Says
on standard error how far it is, and on the last line of standard output a JSON object.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

PACKAGE = "bl_ext.user_default.partnerface"


def main(options: argparse.Namespace) -> dict:
    """Make the scene, render it, save it; the figures."""
    started = time.monotonic()
    import bpy  # takes the user folder from the environment, hence not before

    bpy.ops.extensions.package_install_files(
        filepath=str(options.zip), repo="user_default", enable_on_install=True
    )
    say("the extension is installed")
    scene, rig = load(bpy, options.avatar)
    say("the avatar is loaded")
    import scene_content  # wants Blender as well

    keyed = scene_content.key(rig)
    scene_content.build_set(scene, rig)
    set_rendering(scene, options)
    bpy.ops.partnerface.set_up_compositor()
    loaded = time.monotonic()
    seconds = render(bpy, scene)
    save(bpy, scene, rig, options.out)
    return {
        "frames": len(seconds),
        "size": options.size,
        "seconds_per_frame": round(sum(seconds) / len(seconds), 3),
        "seconds_set_up": round(loaded - started, 2),
        "seconds": round(time.monotonic() - started, 2),
        "blender": bpy.app.version_string,
        "keyed": keyed,
    }


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("avatar", type=Path, help="the avatar file")
    parser.add_argument("out", type=Path, help="the demo folder")
    parser.add_argument("--zip", type=Path, default=os.environ.get("PARTNERFACE_ZIP"),
                        help="the packaged extension")  # fmt: skip
    parser.add_argument("--frames", type=int, default=16, help="rendered frames of the two seconds")
    parser.add_argument("--size", type=int, default=192, help="width and height, px")
    options = parser.parse_args()
    packages = sorted((Path(__file__).resolve().parents[1] / "dist").glob("*.zip"))
    options.zip = Path(options.zip or (packages[-1] if packages else "dist/partnerface.zip"))
    for path, way_out in (
        (options.avatar, "Train one first."),
        (options.zip, "Run build.py package."),
    ):
        if not path.is_file():
            sys.exit(f"There is no {path}. {way_out}")
    options.avatar, options.zip, options.out = (
        path.resolve() for path in (options.avatar, options.zip, options.out)
    )
    return options


def load(bpy: object, avatar: Path) -> tuple:
    """An empty scene with the avatar in it, its tracked motion kept aside; scene and rig."""
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    bpy.ops.partnerface.load_avatar(filepath=str(avatar), match_colour=True)
    scene, rig = bpy.context.scene, bpy.context.view_layer.objects.active
    # The head stays where the clip had it on the whole; what it does there is keyed anew.
    root, places = rig.pose.bones["root"], []
    for frame in range(scene.frame_start, scene.frame_end + 1, max(1, scene.frame_end // 24)):
        scene.frame_set(frame)
        places.append([*root.location, *root.rotation_euler])
    place = [sorted(values)[len(values) // 2] for values in zip(*places, strict=True)]
    rig.animation_data.action.use_fake_user = True  # to be chosen again in the action editor
    rig.animation_data.action = None
    for bone in rig.pose.bones:
        bone.location, bone.rotation_euler = (0, 0, 0), (0, 0, 0)
    root.location, root.rotation_euler = place[:3], place[3:]
    face = rig.pose.bones["face"]
    for name, value in face.items():  # the sliders
        face[name] = 0.0 if isinstance(value, float) else value
    return scene, rig


def set_rendering(scene: object, options: argparse.Namespace) -> None:
    """Cycles on the processor, quick; PNG frames."""
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.device, cycles.samples, cycles.use_denoising = "CPU", 24, False
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 3, 1, 2
    cycles.sample_clamp_indirect, cycles.caustics_reflective = 2.0, False
    scene.render.use_persistent_data = True
    scene.render.resolution_x = scene.render.resolution_y = options.size
    scene.render.resolution_percentage = 100
    scene.frame_step = max(1, round(scene.frame_end / options.frames))
    scene.render.image_settings.file_format = "PNG"
    frames = options.out / "blender" / "frames"
    frames.mkdir(parents=True, exist_ok=True)
    for old in frames.glob("*.png"):
        old.unlink()
    scene.render.filepath = str(frames / "frame_")


def render(bpy: object, scene: object) -> list[float]:
    """Render the sequence as Ctrl-F12 does; seconds for each frame."""
    total = len(range(scene.frame_start, scene.frame_end + 1, scene.frame_step))
    times = [time.monotonic()]

    def note(rendered: object, *rest: object) -> None:
        times.append(time.monotonic())
        say(f"frame {len(times) - 1}/{total}  {times[-1] - times[-2]:.2f} s")

    bpy.app.handlers.render_write.append(note)
    try:
        bpy.ops.render.render(animation=True)
    finally:
        bpy.app.handlers.render_write.remove(note)
    return [after - before for before, after in itertools.pairwise(times)]


def save(bpy: object, scene: object, rig: object, out: Path) -> None:
    """OUT/demo.blend, with all paths relative to it and the rig selected."""
    blend = out / "demo.blend"
    rig.partnerface.path = bpy.path.relpath(rig.partnerface.path, start=str(out))
    scene.render.filepath = "//blender/frames/frame_"
    scene.frame_set(1)
    for item in bpy.context.selected_objects:
        item.select_set(False)
    bpy.context.view_layer.objects.active = rig
    rig.select_set(True)
    bpy.ops.wm.save_as_mainfile(filepath=str(blend), relative_remap=True, compress=True)


def say(text: str) -> None:
    """Progress, on standard error."""
    print(f"blender: {text}", file=sys.stderr, flush=True)


def run(user_folder: str) -> int:
    """Run, and turn Blender's failures into a line; the exit status."""
    options = read_options()
    os.environ["BLENDER_USER_RESOURCES"] = user_folder  # before Blender looks for it
    try:
        result = main(options)
    except RuntimeError as error:  # what an operator or the render engine reported
        print(str(error).strip(), file=sys.stderr)
        return 1
    except Exception:
        traceback.print_exc()
        return 3
    finally:
        import bpy

        if PACKAGE in bpy.context.preferences.addons:
            bpy.ops.preferences.addon_disable(module=PACKAGE)  # ends the engine
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="partnerface-demo-") as folder:
        status = run(folder)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # bpy may crash or hang while the interpreter is taken down
