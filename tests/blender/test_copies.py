# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigs copied, appended, linked, overridden, animated in every way, and undone."""

import pytest

SMILE, OTHER = "mouthSmileLeft", "browInnerUp"


def read(rig):
    """Smile, brow (its left half), the neck's turn about y, as the engine would get them."""
    import bpy
    from blender_side import addon

    bpy.context.view_layer.update()
    names = [SMILE, "browInnerUpLeft"]
    depsgraph = bpy.context.evaluated_depsgraph_get()
    values = addon("rig.parameters").read_parameters(rig, depsgraph, names)
    return [round(float(v), 5) for v in (*values.psi, values.theta[1, 1])]


def pose(rig, smile=0.0, other=0.0, neck=0.0):
    from blender_side import addon

    addon("rig.sliders").set_slider(rig, SMILE, smile)
    addon("rig.sliders").set_slider(rig, OTHER, other)
    rig.pose.bones["neck"].rotation_euler = (0, neck, 0)


def rigs():
    import bpy
    from blender_side import addon

    return [item for item in bpy.context.scene.objects if addon("properties").is_avatar(item)]


def sound(rig):
    """Whether the rig is an avatar whose head is its own child, and driven by it."""
    from blender_side import addon

    head = rig.partnerface.head
    drivers = head.data.shape_keys.animation_data.drivers
    targets = {v.targets[0].id for curve in drivers for v in curve.driver.variables}
    modifier = next(m for m in head.modifiers if m.type == "ARMATURE")
    gaze = rig.pose.bones["eye.L"].constraints["PartNerFace gaze"]
    own = {v.targets[0].id for c in rig.animation_data.drivers for v in c.driver.variables}
    return [addon("properties").is_avatar(rig), head.parent == rig, modifier.object == rig,
            targets == {rig}, gaze.target == rig, own == {rig}]  # fmt: skip


def copy(rig, linked, with_head):
    import bpy

    for item in bpy.context.scene.objects:
        item.select_set(item == rig or (with_head and item == rig.partnerface.head))
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.duplicate(linked=linked)
    return next(item for item in bpy.context.selected_objects if item.type == "ARMATURE")


def blender_copies(avatar, linked, with_head):
    import bpy
    from blender_side import load_avatar

    _, rig, head = load_avatar(avatar, motion=False)
    pose(rig, 0.5, 0.25, 0.1)
    other = copy(rig, linked, with_head)
    found = {"like": read(other)}
    pose(other, 0.9, 0.0, -0.2)
    found |= {"copy": read(other), "original": read(rig), "count": len(rigs())}
    found["sound"] = [sound(rig), sound(other) if with_head and not linked else None]
    found["head"] = other.partnerface.head == head
    bpy.data.objects.remove(rig)
    return found | {"alone": read(other)}


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("with_head", [False, True])
def test_a_copy_has_a_face_of_its_own(in_blender, avatar, linked, with_head):
    found = in_blender(blender_copies, str(avatar), linked, with_head)
    assert found["like"] == found["original"] == pytest.approx([0.5, 0.25, 0.1], abs=1e-4)
    assert found["copy"] == found["alone"] == pytest.approx([0.9, 0.0, -0.2], abs=1e-4)
    assert found["count"] == 2
    assert found["head"] == (not with_head)
    assert all(found["sound"][0])
    assert found["sound"][1] is None or all(found["sound"][1])


def blender_saves(avatar, folder):
    import bpy
    from blender_side import addon, load_avatar

    _, rig, _ = load_avatar(avatar, camera=False)
    bpy.context.scene.frame_set(9)
    tracked = read(rig)
    collection = rig.users_collection[0]
    bpy.ops.wm.save_as_mainfile(filepath=f"{folder}/library.blend")
    addon("relinking.links").set_relative(True)  # as Blender makes paths unless told otherwise
    assert rig.partnerface.path.startswith("//")
    bpy.ops.wm.save_mainfile()
    return {"collection": collection.name, "rig": rig.name, "tracked": tracked}


def blender_brings_in(folder, how, names):
    from pathlib import Path

    import bpy
    from blender_side import addon, empty_scene

    scene = empty_scene()
    kind = "objects" if how == "append object" else "collections"
    name = names["rig"] if kind == "objects" else names["collection"]
    with bpy.data.libraries.load(f"{folder}/library.blend", link=not how.startswith("append")) as (
        _, wanted):  # fmt: skip
        setattr(wanted, kind, [name])
    item = getattr(wanted, kind)[0]
    if kind == "objects":
        scene.collection.objects.link(item)
        scene.collection.objects.link(item.partnerface.head)
    else:
        scene.collection.children.link(item)
    if how == "override":
        item.override_hierarchy_create(scene, bpy.context.view_layer, do_fully_editable=True)
        scene.collection.children.unlink(item)  # the linked one, as Blender's own operator does
    scene.frame_set(9)
    rig = rigs()[0]
    found = {"tracked": read(rig), "sound": sound(rig), "count": len(rigs())}
    found["file"] = addon("avatars").avatar_path(rig).is_file()
    if how == "link":
        return found
    rig.animation_data.action = None
    pose(rig, 0.7, 0.2, 0.15)
    found["posed"] = read(rig)
    path = addon("rig.sliders").slider_path(rig, SMILE)
    for frame, value in ((1, 0.0), (11, 1.0)):
        addon("rig.sliders").set_slider(rig, SMILE, value)
        path[0].keyframe_insert(path[1], frame=frame)
    rig.partnerface.quality = "preview"
    addon("rig.sliders").set_slider(rig, OTHER, 0.35)
    place = Path(folder) / "a" / "b" / "c" / f"{how}.blend"
    place.parent.mkdir(parents=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(place))
    bpy.ops.wm.open_mainfile(filepath=str(place))
    bpy.context.scene.frame_set(6)
    rig = rigs()[0]
    there = addon("avatars").avatar_path(rig).is_file()
    return found | {"again": read(rig), "sound again": sound(rig), "file again": there,
                    "quality": rig.partnerface.quality}  # fmt: skip


@pytest.mark.parametrize("how", ["append object", "append", "link", "override"])
def test_a_rig_works_in_another_file(in_blender, avatar, tmp_path, how):
    names = in_blender(blender_saves, str(avatar), str(tmp_path))
    found = in_blender(blender_brings_in, str(tmp_path), how, names)
    assert found["count"] == 1
    assert found["file"]
    assert all(found["sound"])
    assert any(names["tracked"])
    assert found["tracked"] == pytest.approx(names["tracked"], abs=1e-4)
    if how != "link":
        assert found["file again"]
        assert found["posed"] == pytest.approx([0.7, 0.2, 0.15], abs=1e-4)
        assert found["again"] == pytest.approx([0.5, 0.35, 0.15], abs=1e-4)
        assert all(found["sound again"])
        assert found["quality"] == "preview"


def blender_animates(avatar):
    import bpy
    from blender_side import addon, load_avatar

    scene, rig, _ = load_avatar(avatar)
    scene.frame_set(5)
    tracked = read(rig)
    captured = rig.animation_data.action
    # Another action, and the first one again.
    rig.animation_data.action = None
    pose(rig)
    path = addon("rig.sliders").slider_path(rig, SMILE)[1]
    for frame, value in ((1, 0.0), (11, 1.0)):
        addon("rig.sliders").set_slider(rig, SMILE, value)
        rig.keyframe_insert(path, frame=frame)
    own = rig.animation_data.action
    slot = getattr(rig.animation_data, "action_slot", None)
    scene.frame_set(6)
    found = {"tracked": tracked, "own": read(rig)}
    rig.animation_data.action = captured
    if slot is not None:
        rig.animation_data.action_slot = captured.slots[0]
    scene.frame_set(5)
    found["swapped"] = read(rig)
    # Two strips: the captured motion, and on top of it the keyed smile, added.
    rig.animation_data.action = None
    for action, blend in ((captured, "REPLACE"), (own, "ADD")):
        track = rig.animation_data.nla_tracks.new()
        strip = track.strips.new(action.name, 1, action)
        strip.blend_type = blend
        if slot is not None:
            strip.action_slot = action.slots[0]
    scene.frame_set(5)
    found["nla"] = read(rig)
    # A driver on a slider.
    for track in list(rig.animation_data.nla_tracks):
        rig.animation_data.nla_tracks.remove(track)
    pose(rig)
    empty = bpy.data.objects.new("control", None)
    scene.collection.objects.link(empty)
    driver = rig.driver_add(path).driver
    driver.type = "SUM"
    variable = driver.variables.new()
    variable.targets[0].id, variable.targets[0].data_path = empty, "location.x"
    empty.location.x = 0.625
    found["driven"] = read(rig)
    return found


def test_actions_strips_and_drivers_move_sliders(in_blender, avatar):
    found = in_blender(blender_animates, str(avatar))
    assert found["own"] == pytest.approx([0.5, 0, 0], abs=1e-4)
    assert any(found["tracked"])
    assert found["swapped"] == pytest.approx(found["tracked"], abs=1e-4)
    smile, *rest = found["tracked"]
    assert found["nla"][0] == pytest.approx(smile + 0.352, abs=0.01)  # eased in, at frame 5 of 11
    assert found["nla"][1:] == pytest.approx(rest, abs=1e-4)
    assert found["driven"] == pytest.approx([0.625, 0, 0], abs=1e-4)


def blender_undoes(avatar, folder):
    import bpy
    import numpy as np
    from blender_side import load_avatar, render

    scene, rig, _ = load_avatar(avatar, motion=False)
    scene.render.resolution_x = scene.render.resolution_y = 64
    name = rig.name
    bpy.ops.ed.undo_push(message="loaded")
    before, picture = read(rig), render(scene, folder, "before")
    states = []
    for step in range(20):
        rig = bpy.data.objects[name]
        pose(rig, (step + 1) / 20, 0.3 * (step % 3), 0.01 * step)
        bpy.ops.ed.undo_push(message=f"step {step}")
        states.append(read(rig))
    changed = render(scene, folder, "changed")
    back = []
    for _ in range(20):
        bpy.ops.ed.undo()
        back.append(read(bpy.data.objects[name]))
    scene = bpy.context.scene
    after = render(scene, folder, "after")
    intact = sound(bpy.data.objects[name])
    forth = []
    for _ in range(20):
        bpy.ops.ed.redo()
        forth.append(read(bpy.data.objects[name]))
    again = render(bpy.context.scene, folder, "again")
    return {"before": before, "back": back, "states": states, "forth": forth, "sound": intact,
            "changed": float(np.abs(changed - picture).max()),
            "undone": float(np.abs(after - picture).max()),
            "redone": float(np.abs(again - changed).max())}  # fmt: skip


def test_twenty_edits_are_undone_and_redone(in_blender, avatar, tmp_path):
    found = in_blender(blender_undoes, str(avatar), str(tmp_path))
    assert found["back"] == [*found["states"][-2::-1], found["before"]]
    assert found["forth"] == found["states"]
    assert all(found["sound"])
    assert found["changed"] > 0.05
    assert found["undone"] == found["redone"] == 0
