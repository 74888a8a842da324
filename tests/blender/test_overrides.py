# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts that do something of their own: in the engine's ear, on the mesh, in the picture."""

import pytest

PARTS = ("brows", "eye_left", "eye_right", "nose", "cheek_left", "cheek_right", "mouth", "rest")


def values(rig, names):
    """psi as the engine would get it."""
    import bpy
    from blender_side import addon

    bpy.context.view_layer.update()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    return addon("rig.parameters").read_parameters(rig, depsgraph, names).psi


def opened(avatar):
    from pathlib import Path

    from blender_side import addon

    link = addon("connection.engine_link")
    return link.open_avatar(link.read_settings(), Path(avatar))


def smiling(avatar):
    """A neutral head that smiles, puffs and raises its brows: scene, rig, head, header, arrays."""
    import bpy
    from blender_side import addon, load_avatar

    scene, rig, head = load_avatar(avatar)
    rig.animation_data.action = None  # its drivers stay
    for bone in rig.pose.bones:
        bone.location, bone.rotation_euler = (0, 0, 0), (0, 0, 0)
    sliders = addon("rig.sliders")
    face = {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.6, "mouthFunnel": 0.3, "browInnerUp": 0.7,
            "browOuterUpLeft": 0.5, "eyeBlinkLeft": 0.2, "eyeBlinkRight": 0.4}  # fmt: skip
    for name in sliders.all_slider_names(rig):
        sliders.set_slider(rig, name, face.get(name, 0.0))
    bpy.context.view_layer.update()
    found = opened(avatar)
    return scene, rig, head, found.header["expression_names"], found.arrays


def blender_values(avatar):
    import bpy
    from blender_side import addon

    scene, rig, _, names, _ = smiling(avatar)
    parts = addon("rig.parts")
    every, out = rig.partnerface_parts, {"plain": list(values(rig, names).shape)}
    face = values(rig, names)
    every.mouth.gain = 0.5
    half = values(rig, names)
    mouth = parts.PARTS.index("mouth")
    out["half"] = float(abs(half[mouth] - 0.5 * face).max())
    out["others"] = float(abs(half[[p for p in range(8) if p != mouth]] - face).max())
    every.mouth.gain = 1.0
    assert bpy.ops.partnerface.override_part(part="eye_left") == {"FINISHED"}
    assert bpy.ops.partnerface.add_part_slider(part="eye_left", expression="eyeBlinkLeft") == {
        "FINISHED"
    }
    out["same"] = list(values(rig, names).shape)  # the new slider begins where the face is
    blink, left = names.index("eyeBlinkLeft"), parts.PARTS.index("eye_left")
    own = parts.own_name("eye_left", "eyeBlinkLeft")
    rig[own] = 1.0
    rig.update_tag()
    wink = values(rig, names)
    out["wink"] = [float(wink[left, blink]), float(wink[left + 1, blink])]
    every.eye_left.influence = 0.25
    out["quarter"] = float(values(rig, names)[left, blink])
    every.eye_left.mode = "ADD"
    out["added"] = float(values(rig, names)[left, blink])
    # Keys, a driver and a strip are heard, for they are read from the evaluated rig.
    every.eye_left.influence = 1.0
    rig[own] = 0.0
    rig.keyframe_insert(f'["{own}"]', frame=1)
    rig.keyframe_insert("partnerface_parts.mouth.gain", frame=1)
    rig[own], every.mouth.gain = 0.5, 0.0
    rig.keyframe_insert(f'["{own}"]', frame=11)
    rig.keyframe_insert("partnerface_parts.mouth.gain", frame=11)
    driver = rig.driver_add("partnerface_parts.nose.gain").driver
    driver.expression = "2 * 1.5"
    scene.frame_set(11)
    keyed = values(rig, names)
    out["keyed"] = [float(keyed[left, blink]), float(abs(keyed[mouth]).max())]
    out["driven"] = float(abs(keyed[parts.PARTS.index("nose")] - 3 * face).max())
    rig.driver_remove("partnerface_parts.nose.gain")
    every.nose.gain = 1.0
    data = rig.animation_data
    action, track = data.action, data.nla_tracks.new()
    strip = track.strips.new("later", 101, action)
    addon("blender_versions").use_slot_of(strip, data)
    data.action = None
    scene.frame_set(111)
    out["strip"] = [float(values(rig, names)[left, blink]), float(every.mouth.gain)]
    scene.frame_set(101)
    out["before"] = list(values(rig, names).shape)
    return out


def test_a_part_hears_gain_and_own_sliders(in_blender, avatar):
    found = in_blender(blender_values, str(avatar))
    assert len(found["plain"]) == len(found["same"]) == len(found["before"]) == 1
    assert found["half"] < 1e-6
    assert found["others"] < 1e-6
    assert found["wink"] == pytest.approx([1.0, 0.2])
    assert found["quarter"] == pytest.approx(0.75 * 0.2 + 0.25)
    assert found["added"] == pytest.approx(0.2 + 0.25)
    assert found["keyed"] == pytest.approx([0.7, 0.0], abs=1e-5)
    assert found["driven"] < 1e-5
    assert found["strip"] == pytest.approx([0.7, 0.0], abs=1e-5)


def blender_mesh(avatar):
    import bpy
    import numpy as np
    from blender_side import addon, deformed_vertices

    _, rig, head, names, arrays = smiling(avatar)
    parts, every = addon("rig.parts"), rig.partnerface_parts
    weights = arrays["part_weights"].astype(np.float64)
    moves = addon("axes").to_rig(arrays["expressions"].astype(np.float64))  # [E, V, 3]
    rest = addon("axes").to_rig(arrays["vertices"].astype(np.float64))
    out = {"heard": {}, "shapes": len(head.data.shape_keys.key_blocks)}
    for part in ("mouth", "brows", "eye_left"):
        assert bpy.ops.partnerface.override_part(part=part) == {"FINISHED"}
        out["heard"][part] = parts.heard_by(rig, part)

    def error(psi):
        """How far the mesh is from the engine's blend, and how far that moved from the face's."""
        rows = np.broadcast_to(psi, (8, len(names))) if psi.ndim == 1 else psi
        wanted = rest + np.einsum("pe,evc,vp->vc", rows, moves, weights)
        face = rest + np.einsum("e,evc->vc", plain, moves)
        off = np.abs(deformed_vertices(head) - wanted).max()
        return [float(off), float(np.abs(wanted - face).max())]

    plain = values(rig, names)
    out["plain"] = error(plain)
    every.mouth.gain = 0.25
    every.brows.gain = 1.5
    out["gain"] = error(values(rig, names))
    bpy.ops.partnerface.add_part_slider(part="mouth", expression="jawLeft")
    bpy.ops.partnerface.add_part_slider(part="brows", expression="browInnerUpLeft")
    rig[parts.own_name("mouth", "jawLeft")] = 0.9
    rig[parts.own_name("brows", "browInnerUpLeft")] = 0.1
    rig.update_tag()
    out["own"] = error(values(rig, names))
    every.mouth.mode, every.brows.influence = "ADD", 0.4
    out["added"] = error(values(rig, names))
    bpy.ops.partnerface.remove_part_slider(part="mouth", expression="jawLeft")
    out["removed"] = error(values(rig, names))
    for part in ("mouth", "brows", "eye_left"):
        bpy.ops.partnerface.free_part(part=part)
    out["free"] = error(values(rig, names))
    out["left"] = [len(head.data.shape_keys.key_blocks) - out["shapes"],
                   [g.name for g in head.vertex_groups if g.name.startswith("part ")],
                   [k for k in rig.keys() if ": " in k]]  # fmt: skip
    return out


def test_the_mesh_follows_and_nothing_stays_when_a_part_is_freed(in_blender, avatar):
    found = in_blender(blender_mesh, str(avatar))
    assert "mouthSmileLeft" in found["heard"]["mouth"]
    assert "browOuterUpLeft" in found["heard"]["brows"]
    assert "browOuterUpLeft" not in found["heard"]["mouth"]
    assert "eyeBlinkRight" not in found["heard"]["eye_left"]
    assert found["plain"][0] < 1e-5
    for name in ("gain", "own", "added", "removed"):
        off, moved = found[name]
        assert moved > 2e-3, name
        assert off < 4e-4, name  # weights in 64 steps, and what hardly moves a part is left out
    assert found["free"][0] < 1e-5
    assert found["left"] == [0, [], []]


def blender_freeze(avatar):
    import bpy
    from blender_side import addon, load_avatar

    scene, rig, _ = load_avatar(avatar)
    names = opened(avatar).header["expression_names"]
    brows = addon("rig.parts").PARTS.index("brows")
    refused = ""
    try:
        bpy.ops.partnerface.freeze_part(part="brows")
    except RuntimeError as error:
        refused = str(error)
    bpy.ops.partnerface.override_part(part="brows")
    heard = [names.index(name) for name in addon("rig.parts").heard_by(rig, "brows")]
    scene.frame_set(12)
    at_12 = values(rig, names)
    before = {}
    for frame in (5, 11, 20):
        scene.frame_set(frame)
        before[frame] = values(rig, names)
    scene.frame_set(12)
    bpy.ops.partnerface.freeze_part(part="brows", from_here=True)
    out = {"refused": refused, "moves": float(abs(before[20] - at_12)[heard].max())}
    for frame in (5, 11):
        scene.frame_set(frame)
        out[str(frame)] = [
            values(rig, names).ndim,
            float(abs(values(rig, names) - before[frame]).max()),
        ]
    scene.frame_set(20)
    frozen = values(rig, names)
    out["held"] = float(abs(frozen[brows] - at_12)[heard].max())
    out["others"] = float(abs(frozen[brows + 1] - before[20]).max())
    # Frames with and without a difference, as one array for a sequence.
    stacked = addon("rig.parts").stacked
    mixed = stacked([before[5], frozen])
    error = max(float(abs(mixed[0] - before[5]).max()), float(abs(mixed[1] - frozen).max()))
    out["mixed"] = [list(mixed.shape), error, stacked([before[5], before[20]]).ndim]
    out["names"] = len(names)
    return out


def test_brows_are_frozen_from_a_frame_on(in_blender, avatar):
    found = in_blender(blender_freeze, str(avatar))
    assert "Press Override Part first" in found["refused"]
    assert found["moves"] > 0.01
    assert found["5"] == found["11"] == [1, 0.0]
    assert found["held"] < 1e-6
    assert found["others"] < 1e-6
    assert found["mixed"] == [[2, 8, found["names"]], 0.0, 2]


def blender_pixels(avatar, folder):
    import bpy
    import numpy as np
    from blender_side import addon, render

    scene, rig, _, names, _ = smiling(avatar)
    scene.render.resolution_x = scene.render.resolution_y = 64
    scene.render.resolution_percentage = 100
    whole = render(scene, folder, "whole")
    bpy.ops.partnerface.override_part(part="mouth")
    rig.partnerface_parts.mouth.gain = 0.0
    without = render(scene, folder, "without")
    link, avatars = addon("connection.engine_link"), addon("avatars")
    settings, depsgraph = link.read_settings(), bpy.context.evaluated_depsgraph_get()
    header = link.describe_avatar(settings, avatars.avatar_path(rig))
    view = addon("rendering.cameras").see(
        scene.camera.evaluated_get(depsgraph), rig.evaluated_get(depsgraph), depsgraph, 64, 64
    )
    read = addon("rig.parameters").read_parameters(rig, depsgraph, names)
    request = addon("connection.engine_process").RenderRequest(
        header["avatar"], view.camera, read.psi, read.theta, read.translation,
        quality=rig.partnerface.quality, planes=["parts"],
    )  # fmt: skip
    planes = link.render(settings, request, lambda: False, lambda done: None)
    mask = planes["parts"][..., header["part_names"].index("mouth")].astype(np.float32)
    change = np.abs(whole - without).max(-1)
    inside = change[mask > 0.3]
    far = change[mask < 0.02]
    # The file remembers it: saved, loaded, rendered, it is the same picture.
    bpy.ops.wm.save_as_mainfile(filepath=f"{folder}/parts.blend")
    bpy.ops.wm.open_mainfile(filepath=f"{folder}/parts.blend")
    again = render(bpy.context.scene, folder, "again")
    return {"inside": float(inside.max()), "mean": float(inside.mean()), "far": float(far.mean()),
            "share": float(change[mask > 0.02].sum() / change.sum()),
            "pixels": int((mask > 0.3).sum()),
            "again": float(np.abs(again - without).max())}  # fmt: skip


def test_a_silent_mouth_changes_the_mouth_s_pixels_and_hardly_others(in_blender, avatar, tmp_path):
    found = in_blender(blender_pixels, str(avatar), str(tmp_path))
    assert found["pixels"] > 20
    assert found["inside"] > 0.05
    assert found["share"] > 0.95
    assert found["far"] < 0.01 * found["mean"]
    assert found["again"] == 0.0


def blender_lives_on(avatar, folder):
    """Undo, copies, and a linked rig with a library override."""
    import bpy
    from blender_side import addon, stop_engine

    _, rig, _, names, _ = smiling(avatar)
    parts, name = addon("rig.parts"), rig.name
    mouth, own = parts.PARTS.index("mouth"), parts.own_name("mouth", "jawLeft")
    bpy.ops.partnerface.override_part(part="mouth")
    bpy.ops.partnerface.add_part_slider(part="mouth", expression="jawLeft")
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="begin")
    begin, out = values(bpy.data.objects[name], names), {}
    for step in range(20):
        bpy.data.objects[name].partnerface_parts.mouth.gain = step / 20
        bpy.data.objects[name][own] = step / 10
        bpy.ops.ed.undo_push(message=f"step {step}")
    bpy.data.objects[name].update_tag()
    far = values(bpy.data.objects[name], names)
    out["far"] = float(abs(far[mouth] - begin).max())
    for _ in range(20):
        bpy.ops.ed.undo()
    back = values(bpy.data.objects[name], names)
    out["undone"] = [back.ndim, float(abs(back - begin).max())]
    for _ in range(20):
        bpy.ops.ed.redo()
    out["redone"] = float(abs(values(bpy.data.objects[name], names) - far).max())

    # A copy has its own overrides, and the first one keeps its.
    rig = bpy.data.objects[name]
    for item in (rig, rig.partnerface.head):
        item.hide_set(False)
        item.select_set(True)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.duplicate()
    copy = bpy.context.view_layer.objects.active
    copy.partnerface_parts.mouth.gain = 0.1
    copy[own] = 0.9
    copy.update_tag()
    jaw = names.index("jawLeft")
    out["copy"] = [float(values(copy, names)[mouth, jaw]), float(values(rig, names)[mouth, jaw])]
    bpy.data.objects.remove(copy)

    # Linked with an override: gain and own sliders can be changed, saved and keyed.
    bpy.ops.wm.save_as_mainfile(filepath=f"{folder}/library.blend")
    collection = rig.users_collection[0].name
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(f"{folder}/library.blend", link=True) as (_, to):
        to.collections = [collection]
    linked = to.collections[0]
    made = linked.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer)
    rig = next(item for item in made.all_objects if item.type == "ARMATURE")
    out["override"] = rig.override_library is not None
    rig.partnerface_parts.mouth.gain = 0.3
    rig[own] = 0.6
    adding = addon("rig.overrides")
    try:  # Blender would forget it
        adding.add_own_slider(rig, "brows", "browDownLeft", 0.5)
        out["new slider"] = "added"
    except adding.OverrideError as error:
        out["new slider"] = str(error)
    rig.keyframe_insert("partnerface_parts.brows.gain", frame=1)
    bpy.ops.wm.save_as_mainfile(filepath=f"{folder}/shot.blend")
    bpy.ops.wm.open_mainfile(filepath=f"{folder}/shot.blend")
    rig = next(item for item in bpy.data.objects if item.type == "ARMATURE" and not item.library)
    out["kept"] = [rig.partnerface_parts.mouth.gain, rig[own]]
    out["heard"] = float(values(rig, names)[mouth, jaw])
    out["refused"] = ""
    try:
        bpy.context.view_layer.objects.active = rig
        bpy.ops.partnerface.override_part(part="brows")
    except RuntimeError as error:
        out["refused"] = str(error)
    out["brows"] = bool(parts.heard_by(rig, "brows"))
    stop_engine()
    return out


def test_overrides_live_through_undo_copies_and_libraries(in_blender, avatar, tmp_path):
    found = in_blender(blender_lives_on, str(avatar), str(tmp_path))
    assert found["far"] > 0.5
    assert found["undone"] == [1, 0.0]
    assert found["redone"] == 0.0
    assert found["copy"] == pytest.approx([0.9, 1.9])
    assert found["override"]
    assert found["kept"] == pytest.approx([0.3, 0.6])
    assert "library's file" in found["new slider"]
    assert found["heard"] == pytest.approx(0.6)
    assert found["refused"] == ""
    assert found["brows"]
