# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sequence through F12 costs over the engine's own render time.

    .venv-bpy-5.0/bin/python benchmarks/render_overhead.py AVATAR [--frames 100] [--size 512]
        [--quality exact]

The avatar's own motion is rendered in Blender to PNG files, and the same requests are then put to
the same engine by themselves, twice, before and after. `overhead` is the sequence's time over the
mean of those, less one; `overhead_in_run` compares it with what the engine says it took during the
sequence. Prints one line of JSON.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "bl_ext.user_default.partnerface"


def main(options: argparse.Namespace, folder: Path) -> dict:
    """Install, load, render; the figures."""
    import bpy

    sys.path.insert(0, str(ROOT))
    from tooling.extension import packaged_files, write_zip

    write_zip(folder / "partnerface.zip", packaged_files())
    bpy.ops.extensions.package_install_files(
        filepath=str(folder / "partnerface.zip"), repo="user_default", enable_on_install=True
    )
    scene = set_up(bpy, options, folder)
    bpy.ops.render.render()  # kernels are loaded, caches are warm
    asked = record_requests(sys.modules[f"{PACKAGE}.partnerface_blender.connection.engine_link"])
    began = time.perf_counter()
    bpy.ops.render.render(animation=True)
    wall = time.perf_counter() - began
    requests = [request for request, _ in asked]
    in_run = sum(pending.result().header["seconds"] for _, pending in asked)
    alone = [engine_alone(requests) for _ in range(2)]
    frames = scene.frame_end - scene.frame_start + 1
    return {
        "blender": bpy.app.version_string,
        "frames": frames,
        "size": options.size,
        "quality": options.quality,
        "requests": len(requests),
        "f12_seconds_per_frame": wall / frames,
        "engine_seconds_per_frame": statistics.mean(alone) / frames,
        "engine_spread": max(alone) / min(alone) - 1,
        "overhead": wall / statistics.mean(alone) - 1,
        "overhead_in_run": wall / in_run - 1,
        "load": os.getloadavg()[0],
    }


def set_up(bpy: object, options: argparse.Namespace, folder: Path) -> object:
    """The avatar with its tracked motion, to be rendered by itself; the scene."""
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    bpy.ops.partnerface.load_avatar(filepath=str(options.avatar.resolve()))
    scene, rig = bpy.context.scene, bpy.context.view_layer.objects.active
    rig.partnerface.quality = options.quality
    scene.render.engine = "PARTNERFACE"
    scene.render.resolution_x = scene.render.resolution_y = options.size
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(folder / "frame_")
    scene.frame_end = min(scene.frame_end, scene.frame_start + options.frames - 1)
    return scene


def record_requests(link: object) -> list:
    """From here on, every render request to the running engine and its answer is put in a list."""
    engine, asked = link.running_engine(), []
    submit = engine.submit_render

    def recorded(request: object) -> object:
        pending = submit(request)
        asked.append((request, pending))
        return pending

    engine.submit_render = recorded
    link_submit[:] = [submit]
    return asked


link_submit: list = []


def engine_alone(requests: list) -> float:
    """Seconds that the engine takes for the requests when nothing else is done between them."""
    return sum(link_submit[0](request).result().header["seconds"] for request in requests)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("avatar", type=Path)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--quality", default="exact")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="partnerface-overhead-") as name:
        os.environ["BLENDER_USER_RESOURCES"] = name  # before Blender looks for it
        os.environ.setdefault("PARTNERFACE_PYTHON", str(ROOT / ".venv" / "bin" / "python"))
        print(json.dumps(main(options, Path(name))), flush=True)
        link = sys.modules[f"{PACKAGE}.partnerface_blender.connection.engine_link"]
        link.stop_engine()
    os._exit(0)  # bpy may crash or hang while the interpreter is taken down
