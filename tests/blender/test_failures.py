# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong is one sentence with a way out, and the next render works."""

import pytest


def blender_refusals(avatar, folder):
    """What each wrong thing says; Blender lives through all of them."""
    from pathlib import Path

    import bpy
    from blender_side import empty_scene, kill_engine, load_avatar, sentence_of

    said = {}
    scene = empty_scene()
    load, render = bpy.ops.partnerface.load_avatar, bpy.ops.render.render
    said["missing file"] = sentence_of(load, filepath=str(Path(folder) / "nobody.safetensors"))
    broken = Path(folder) / "broken.safetensors"
    broken.write_bytes(Path(avatar).read_bytes()[:100_000])
    said["truncated file"] = sentence_of(load, filepath=str(broken))
    said["no avatar"] = sentence_of(bpy.ops.partnerface.set_up_compositor)

    scene, rig, head = load_avatar(avatar)
    path = rig.partnerface.path
    rig.partnerface.path = str(broken)
    said["render of a truncated file"] = sentence_of(render)
    rig.partnerface.path = path
    scene.camera.data.type = "PANO"
    said["panoramic"] = sentence_of(render)
    scene.camera.data.type = "PERSP"
    scene.render.use_multiview = True
    said["two eyes"] = sentence_of(render)
    scene.render.use_multiview = False
    rig.scale.x = 2.0
    said["stretched"] = sentence_of(render)
    rig.scale.x = 1.0
    said["own engine"] = sentence_of(bpy.ops.partnerface.set_up_compositor)
    scene.partnerface.clip = "/no/such/clip.mp4"
    said["missing clip"] = sentence_of(bpy.ops.partnerface.capture)

    scene.render.resolution_percentage = 400
    killer = kill_engine(2)  # the frame is tried again once
    said["killed"] = sentence_of(render)
    killer.join()
    scene.render.resolution_percentage = 50
    said["after the kill"] = sentence_of(render)
    head.shape_key_clear()
    said["sliders alone"] = sentence_of(render)  # they still say what the face does
    rig.data.bones["face"].name = "elsewhere"
    said["no shape keys"] = sentence_of(render)
    return said


@pytest.mark.ends
def test_each_failure_is_one_sentence(in_new_blender, avatar, tmp_path):
    said = in_new_blender(blender_refusals, str(avatar), str(tmp_path))
    assert said.pop("after the kill") == ""
    assert said.pop("sliders alone") == ""
    for what, sentence in said.items():
        assert sentence, what
        assert "\n" not in sentence, what
        assert "Traceback" not in sentence, what
        assert sentence.endswith((".", "!")), what
    assert "nobody.safetensors" in said["missing file"]
    assert "killed" in said["killed"]
    assert "panoramic" in said["panoramic"]
    assert "one eye" in said["two eyes"]


def blender_wrong_python():
    import bpy
    from blender_side import sentence_of

    return [
        sentence_of(bpy.ops.partnerface.check_engine),
        sentence_of(bpy.ops.partnerface.load_avatar, filepath=__file__),
    ]


@pytest.mark.parametrize("python", ["/no/such/python", "/bin/false", "the tests' own"])
def test_a_wrong_engine_python_is_said(in_new_blender, python):
    import sys

    chosen = sys.executable if python == "the tests' own" else python
    for sentence in in_new_blender(blender_wrong_python, python=chosen):
        assert sentence.endswith(".")
        assert "engine" in sentence.lower()
        assert "Traceback" not in sentence


def blender_right_python():
    import bpy

    return sorted(bpy.ops.partnerface.check_engine())


@pytest.mark.ends
def test_the_engine_s_own_python_passes_the_check(in_new_blender):
    assert in_new_blender(blender_right_python) == ["FINISHED"]
