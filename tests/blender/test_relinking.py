# SPDX-License-Identifier: GPL-3.0-or-later
"""Avatar files and .blend files move, and find each other again."""

import shutil


def blender_saves(avatar, blend):
    import bpy
    from blender_side import load_avatar

    _scene, rig, _head = load_avatar(avatar)
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    assert bpy.ops.partnerface.set_paths(relative=True) == {"FINISHED"}
    bpy.ops.wm.save_mainfile()
    return {"path": rig.partnerface.path, "print": rig.partnerface.fingerprint}


def blender_opens(blend, folder):
    """What is found at once, what the panel would say, and what the search finds."""
    import bpy
    from blender_side import addon, sentence_of

    bpy.ops.wm.open_mainfile(filepath=blend)
    links = addon("relinking.links")
    (rig,) = links.rigs()
    told = {"missing": [item.name for item in links.missing_rigs()]}
    if folder:
        wrong = addon("connection.engine_link").AvatarFileError
        try:
            addon("connection.engine_link")._stamp(links.absolute(rig))
        except wrong as error:
            told["at use"] = str(error)
        empty = sentence_of(bpy.ops.partnerface.find_avatar, directory=str(folder) + "/nothing")
        told["in vain"] = empty
        told["no avatar"] = sentence_of(bpy.ops.partnerface.find_avatar, filepath=__file__)
        told["search"] = sorted(bpy.ops.partnerface.find_avatar(directory=folder))
    return told | {"path": rig.partnerface.path, "file": str(links.absolute(rig))}


def test_a_blend_moved_with_its_avatar_works(in_blender, in_new_blender, avatar, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here / "avatars", there):
        folder.mkdir(parents=True)
    shutil.copy(avatar, here / "avatars" / "kim.safetensors")
    saved = in_blender(
        blender_saves, str(here / "avatars" / "kim.safetensors"), str(here / "a.blend")
    )
    assert saved["path"] == "//avatars/kim.safetensors"
    assert saved["print"].startswith(f"{avatar.stat().st_size}-")
    shutil.copy(here / "a.blend", there / "a.blend")
    # Beside the .blend, under another name: known by what it is.
    (here / "avatars" / "kim.safetensors").rename(there / "someone.safetensors")
    shutil.copy(avatar.parents[1] / "capture" / "head.safetensors", there / "kim.safetensors")
    found = in_new_blender(blender_opens, str(there / "a.blend"), "")
    assert found["missing"] == []
    assert found["file"] == str(there / "someone.safetensors")
    assert found["path"] == "//someone.safetensors"


def test_an_avatar_that_is_gone_is_searched_for(in_blender, in_new_blender, avatar, tmp_path):
    here, far = tmp_path / "here", tmp_path / "far" / "below" / "deeper"
    for folder in (here, far, tmp_path / "far" / "nothing"):
        folder.mkdir(parents=True)
    shutil.copy(avatar, here / "kim.safetensors")
    in_blender(blender_saves, str(here / "kim.safetensors"), str(tmp_path / "a.blend"))
    (here / "kim.safetensors").rename(far / "lee.safetensors")
    found = in_new_blender(blender_opens, str(tmp_path / "a.blend"), str(tmp_path / "far"))
    assert len(found["missing"]) == 1
    for sentence in (found["at use"], found["in vain"], found["no avatar"]):
        assert sentence.endswith(".")
        assert "\n" not in sentence
    assert "Find Missing Avatar" in found["at use"]
    assert found["search"] == ["FINISHED"]
    assert found["file"] == str(far / "lee.safetensors")


def blender_saves_elsewhere(avatar, first, second, third):
    import bpy
    from blender_side import addon, load_avatar

    _scene, rig, _head = load_avatar(avatar)
    bpy.ops.wm.save_as_mainfile(filepath=first)
    bpy.ops.partnerface.set_paths(relative=True)
    here = rig.partnerface.path
    bpy.ops.wm.save_as_mainfile(filepath=third, copy=True)
    after_copy = rig.partnerface.path
    bpy.ops.wm.save_as_mainfile(filepath=second)
    there = rig.partnerface.path
    missing = addon("relinking.links").is_missing
    told = {"here": here, "copy": after_copy, "there": there, "gone": [missing(rig)]}
    for path in (first, second, third):
        bpy.ops.wm.open_mainfile(filepath=path)
        (rig,) = addon("relinking.links").rigs()
        told["gone"].append(missing(rig))
    bpy.ops.partnerface.set_paths(relative=False)
    told["absolute"] = rig.partnerface.path
    return told


def test_relative_paths_stay_right_when_the_blend_is_saved_elsewhere(in_blender, avatar, tmp_path):
    for name in ("one", "two/deep", "three"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(avatar, tmp_path / "one" / "kim.safetensors")
    blends = [str(tmp_path / name / "a.blend") for name in ("one", "two/deep", "three")]
    found = in_blender(blender_saves_elsewhere, str(tmp_path / "one" / "kim.safetensors"), *blends)
    assert found["here"] == found["copy"] == "//kim.safetensors"
    assert found["there"] == "//../../one/kim.safetensors"
    assert found["gone"] == [False] * 4
    assert found["absolute"] == str(tmp_path / "one" / "kim.safetensors")
