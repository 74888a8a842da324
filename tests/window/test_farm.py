# SPDX-License-Identifier: GPL-3.0-or-later
"""A farm node: `blender -b file.blend -a` in a real Blender, which starts the engine by itself."""

import shlex
import shutil
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from tooling import window as window_tool

FRAMES = 3
PREPARE = f"""
import sys, bpy
zip_path, avatar, folder = sys.argv[sys.argv.index("--") + 1:]
bpy.ops.extensions.package_install_files(
    filepath=zip_path, repo="user_default", enable_on_install=True)
for item in list(bpy.data.objects):
    bpy.data.objects.remove(item)
bpy.ops.partnerface.load_avatar(filepath=avatar)
scene = bpy.context.scene
scene.render.engine = "PARTNERFACE"
scene.render.film_transparent = True
scene.frame_end = {FRAMES}
scene.render.filepath = "//frames/"
bpy.ops.wm.save_userpref()
bpy.ops.wm.save_as_mainfile(filepath=folder + "/farm.blend")
"""


@pytest.fixture
def node(room, extension_zip, engine_python, cache_folder, avatar, tmp_path):
    """Runs Blender in the background in the room: `node(words…)` → exit status and what it said."""
    short = Path(tempfile.mkdtemp(prefix="pnff-"))  # a socket's address must be short
    script = short / "engine-python"
    script.write_text(
        window_tool.ENGINE_SCRIPT.format(
            host=window_tool.HOST, python=shlex.quote(str(engine_python))
        )
    )
    script.chmod(0o755)
    variables = {
        "BLENDER_USER_RESOURCES": str(tmp_path / "blender"),
        "PARTNERFACE_PYTHON": str(script),
        "PARTNERFACE_CACHE": str(cache_folder),
        "TMPDIR": str(short),
    }
    (tmp_path / "blender").mkdir()
    seen = [window_tool.ROOT, short, tmp_path, cache_folder, avatar.parent, extension_zip.parent]

    def run(*words):
        log = tmp_path / "log"
        done = window_tool.enter(
            room, ["blender", "-b", *map(str, words)], seen, variables, log=log, limit_s=240
        )
        return done.returncode, log.read_text(errors="replace")

    prepare = tmp_path / "prepare.py"
    prepare.write_text(PREPARE)
    told = (extension_zip, avatar, tmp_path)
    status, said = run("--factory-startup", "--python-exit-code", 1, "-P", prepare, "--", *told)
    assert status == 0, said[-3000:]
    yield run
    shutil.rmtree(short, ignore_errors=True)


def test_a_farm_node_renders_and_says_when_it_cannot(node, tmp_path):
    blend, frames = tmp_path / "farm.blend", tmp_path / "frames"
    status, said = node(blend, "-a")
    assert status == 0, said[-3000:]
    found = sorted(frames.iterdir())
    assert len(found) == FRAMES, said[-3000:]
    for file in found:
        picture = Image.open(file)
        assert picture.getchannel("A").getextrema()[1] > 200

    # One frame of its own, as farms hand them out; then a node that lacks the avatar file.
    found[1].unlink()
    assert node(blend, "-f", 2)[0] == 0
    assert found[1].is_file()
    gone = "bpy.data.scenes[0].objects"
    lose = (
        f"import bpy; rig = next(o for o in {gone} if o.type == 'ARMATURE'); "
        "rig.partnerface.path = '/gone.safetensors'"
    )
    for file in found:
        file.unlink()
    status, said = node(blend, "--python-expr", lose, "-a")
    assert status == 1, said[-3000:]
    assert "There is no avatar file /gone.safetensors" in said
    assert not list(frames.iterdir())
