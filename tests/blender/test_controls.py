# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones as controls: limits with a switch, the gaze target, shapes; heads of other names."""

import subprocess
from pathlib import Path

import pytest

RENAME = """
import sys
from dataclasses import replace
from pathlib import Path
from engine.avatar.file import AvatarFile
source, target = map(Path, sys.argv[1:])
file = AvatarFile.read(source)
names = tuple(f"expression{i:03d}" for i in range(len(file.head.expression_names)))
replace(file, head=replace(file.head, expression_names=names)).write(target)
"""


def theta_of(rig):
    import bpy
    from blender_side import addon

    bpy.context.view_layer.update()
    evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return addon("rig.parameters").read_pose(evaluated)[0]


def blender_limits(avatar):
    from blender_side import load_avatar

    _, rig, _ = load_avatar(avatar, motion=False)
    found = {}
    for bone, axis, turn in (("jaw", 0, 2.0), ("neck", 1, 2.0), ("eye.L", 0, -1.5)):
        rig.pose.bones[bone].rotation_euler[axis] = turn
    found["on"] = abs(theta_of(rig)).max(1).tolist()
    rig.pose.bones["face"]["limits"] = False
    rig.update_tag()
    found["off"] = abs(theta_of(rig)).max(1).tolist()
    shapes = {bone.name: bone.custom_shape and bone.custom_shape.name for bone in rig.pose.bones}
    hidden = rig.data.collections["Mechanism"]
    return found | {
        "shapes": shapes, "mechanism": [hidden.is_visible, sorted(b.name for b in hidden.bones)],
        "scenes": [s for name in shapes.values() if name
                   for s in __import__("bpy").data.objects[name].users_scene],
        "locked": list(rig.pose.bones["jaw"].lock_location)
        + list(rig.pose.bones["face"].lock_rotation),
    }  # fmt: skip


def test_limits_hold_until_they_are_switched_off(in_blender, avatar):
    found = in_blender(blender_limits, str(avatar))
    assert found["on"][1:4] == pytest.approx([1.396, 0.698, 0.698], abs=0.01)  # 80, 40, 40 degrees
    assert found["off"][1:4] == pytest.approx([2.0, 2.0, 1.5], abs=1e-3)
    assert found["mechanism"] == [False, ["drive_eye.L", "drive_eye.R", "drive_jaw"]]
    assert [name for name, shape in found["shapes"].items() if not shape] == ["drive_jaw",
           "drive_eye.L", "drive_eye.R"]  # fmt: skip
    assert found["scenes"] == []
    assert all(found["locked"])


def blender_gaze(avatar):
    import bpy
    import numpy as np
    from blender_side import addon, load_avatar

    scene, rig, head = load_avatar(avatar, motion=False)
    names = [block.name for block in head.data.shape_keys.key_blocks[1:]]
    gaze = rig.pose.bones["gaze"]
    found = {"off": float(abs(theta_of(rig)).max())}
    gaze["follow"] = 1.0
    rig.update_tag()
    found["ahead"] = float(abs(theta_of(rig)).max())
    rig.rotation_euler.z, rig.location = 0.4, (0.3, -0.2, 0.1)  # it follows in the rig's space
    rig.pose.bones["neck"].rotation_euler = (0.1, 0.2, 0.05)
    gaze.location = (0.05, -0.1, 0.08)  # of its own axes: left, ahead, down
    bpy.context.view_layer.update()
    evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    angles = []
    for side in ("L", "R"):
        eye, target = (evaluated.pose.bones[f"{kind}.{side}"] for kind in ("eye", "gaze"))
        towards = (target.head - eye.head).normalized()
        angles.append(float(eye.y_axis.angle(towards)))
    found["angles"] = angles
    read = lambda: addon("rig.parameters").read_parameters(  # noqa: E731
        rig, bpy.context.evaluated_depsgraph_get(), names)  # fmt: skip
    found["lids"] = [
        float(read().psi[names.index(f"eyeBlink{side}")]) for side in ("Left", "Right")
    ]
    found["others"] = float(
        np.abs(
            np.delete(read().psi, [names.index("eyeBlinkLeft"), names.index("eyeBlinkRight")])
        ).max()
    )
    found["theta"] = theta_of(rig).tolist()
    # Keyed: it fades from the eyes' own pose to the target.
    gaze["follow"] = 0.0
    gaze.keyframe_insert('["follow"]', frame=1)
    gaze["follow"] = 1.0
    gaze.keyframe_insert('["follow"]', frame=11)
    turns = []
    for frame in (1, 6, 11):
        scene.frame_set(frame)
        turns.append(float(np.linalg.norm(theta_of(rig)[3])))
    # A constraint on the target counts: it is put on an empty.
    empty = bpy.data.objects.new("seen", None)
    scene.collection.objects.link(empty)
    empty.location = (2.0, -2.0, 0.0)
    gaze.constraints.new("COPY_LOCATION").target = empty
    bpy.context.view_layer.update()
    found["constrained"] = float(np.linalg.norm(theta_of(rig)[3] - found["theta"][3]))
    return found | {"turns": turns}


def test_eyes_look_at_the_target_and_the_lids_go_along(in_blender, avatar):
    found = in_blender(blender_gaze, str(avatar))
    assert found["off"] == 0
    assert found["ahead"] < 1e-3
    assert max(found["angles"]) < 1e-3
    assert found["theta"][3][0] > 0.05  # it looks down
    assert all(0.02 < value < 0.6 for value in found["lids"])
    assert found["others"] == 0
    assert found["turns"][0] < 1e-4
    assert 0 < found["turns"][1] < found["turns"][2]
    assert found["constrained"] > 0.05


@pytest.fixture(scope="module")
def nameless(engine_python, avatar, tmp_path_factory):
    """The same avatar, its coefficients without names that mean anything."""
    path = tmp_path_factory.mktemp("nameless") / "nameless.safetensors"
    subprocess.run(
        [str(engine_python), "-c", RENAME, str(avatar), str(path)],
        cwd=Path(__file__).parents[2],
        check=True,
    )
    return path


def blender_smiles(avatar, folder):
    import bpy
    import numpy as np
    from blender_side import addon, deformed_vertices, load_avatar, render

    scene, rig, head = load_avatar(avatar, motion=False)
    sliders = addon("rig.sliders")
    rest = deformed_vertices(head)
    pictures = [render(scene, folder, "rest")]
    for name in ("mouthSmileLeft", "browInnerUp", "jawOpen"):
        sliders.set_slider(rig, name, 0.8)
    bpy.context.view_layer.update()
    pictures.append(render(scene, folder, "smile"))
    np.save(f"{folder}/pictures.npy", np.stack(pictures))
    np.save(f"{folder}/vertices.npy", deformed_vertices(head) - rest)
    return {"names": sliders.slider_names(rig), "all": len(sliders.all_slider_names(rig))}


@pytest.mark.ends
def test_a_head_of_other_names_has_arkit_s_sliders_too(in_blender, avatar, nameless, tmp_path):
    import numpy as np

    found, pictures, vertices = {}, {}, {}
    for which, path in (("named", avatar), ("nameless", nameless)):
        (tmp_path / which).mkdir()
        found[which] = in_blender(blender_smiles, str(path), str(tmp_path / which))
        pictures[which] = np.load(tmp_path / which / "pictures.npy")
        vertices[which] = np.load(tmp_path / which / "vertices.npy")
    assert len(found["named"]["names"]) == 52
    assert set(found["named"]["names"]) - set(found["nameless"]["names"]) == {"tongueOut"}
    assert found["nameless"]["all"] == 51 + 45
    assert np.abs(pictures["named"][0] - pictures["nameless"][0]).max() < 1e-3
    moved = pictures["named"][1] - pictures["named"][0]
    assert np.abs(moved).max() > 0.05
    lost = pictures["nameless"][1] - pictures["named"][1]
    assert np.sqrt((lost**2).sum() / (moved**2).sum()) < 0.5
    left = np.linalg.norm(vertices["nameless"] - vertices["named"])
    assert left / np.linalg.norm(vertices["named"]) < 0.3
