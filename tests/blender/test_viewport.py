# SPDX-License-Identifier: GPL-3.0-or-later
"""Where viewports draw avatars, and which of them they show."""

import pytest


def seen_by_engine(sight, points):
    """Points [N, 3] of rig space in metres → the engine camera's pixels [N, 2] and depths [N]."""
    import numpy as np
    from blender_side import addon

    camera = sight.camera
    camera_from_head = np.array(camera["camera_from_world"])
    seen = addon("axes").to_head(points) @ camera_from_head[:3, :3].T + camera_from_head[:3, 3]
    focal, middle = (camera["fx"], camera["fy"]), (camera["cx"], camera["cy"])
    reach = 1 if camera.get("orthographic") else seen[:, 2:]
    return seen[:, :2] / reach * focal + middle, seen[:, 2]


def blender_looks(orthographic):
    """How far the engine's camera and Blender's matrices are apart, in pixels and in depth."""
    import numpy as np
    from blender_side import addon, eye_of
    from mathutils import Euler, Matrix

    lenses = addon("viewport.lenses")
    eye = eye_of(lenses, orthographic=orthographic)
    turn = Matrix.Translation((0.05, 0.1, -0.02)) @ Euler((0.1, 0.2, 0.4)).to_matrix().to_4x4()
    world_from_rig = np.array(turn @ Matrix.Scale(1.5, 4), np.float64)
    ball = lenses.Ball(np.array([0.0, 0.0, 0.02]), 0.12)
    sight = lenses.look_at(eye, "head", world_from_rig, ball)
    points = ball.centre + np.random.default_rng(1).uniform(-0.06, 0.06, (50, 3))
    pixels, depths = seen_by_engine(sight, points)

    # where the quad's picture is drawn: (u, v) on it, then Blender's own matrices
    size = np.array([sight.camera["width"], sight.camera["height"]])
    u, v = pixels[:, 0] / size[0], 1 - pixels[:, 1] / size[1]
    quad = np.stack([u, v, 0 * u, 0 * u + 1], 1) @ sight.placing.rig_from_quad.T
    clip_from_rig = eye.projection @ eye.view_from_world @ world_from_rig
    drawn = quad @ clip_from_rig.T
    truth = np.concatenate([points, np.ones((50, 1))], 1)
    view = truth @ (eye.view_from_world @ world_from_rig).T
    clip = truth @ clip_from_rig.T
    reach = depths * sight.placing.depth_scale + sight.placing.depth_shift
    gap = (drawn[:, :2] / drawn[:, 3:] - clip[:, :2] / clip[:, 3:]) * (eye.width / 2)
    return {
        "pixels": float(np.abs(gap).max()),
        "depth": float(np.abs(reach + view[:, 2]).max()),
        "size": size.tolist(),
        "inside": bool(((pixels > 0) & (pixels < size)).all()),
    }


@pytest.mark.parametrize("orthographic", [False, True])
def test_pictures_are_drawn_where_blender_sees_the_head(in_new_blender, orthographic):
    found = in_new_blender(blender_looks, orthographic)
    assert found["inside"]
    assert found["size"] != [320, 240], "the head's window should be smaller than the region"
    assert found["pixels"] < 0.01
    assert found["depth"] < 1e-6


def blender_out_of_view():
    import numpy as np
    from blender_side import addon, eye_of

    lenses = addon("viewport.lenses")
    eye = eye_of(lenses)
    ball = lenses.Ball(np.zeros(3), 0.15)
    places = {
        "before": (0, 0, 0),
        "behind": (0, -9, 0),
        "aside": (9, 3, 0),
        "around": (0.2, -1, 0.15),
    }
    found = {}
    for name, place in places.items():
        rig = np.eye(4)
        rig[:3, 3] = place
        sight = lenses.look_at(eye, "head", rig, ball)
        found[name] = sight and [sight.camera["width"], sight.camera["height"]]
    return found


def test_heads_out_of_view_are_not_asked_for(in_new_blender):
    found = in_new_blender(blender_out_of_view)
    assert found["behind"] is None
    assert found["aside"] is None
    assert found["around"] == [320, 240]
    assert 0 < found["before"][0] < 320


def blender_shows(avatar):
    import bpy
    from blender_side import addon, load_avatar

    scene, rig, head = load_avatar(avatar)
    places, view = addon("viewport.placements"), addon("viewport.view")
    layer = bpy.context.view_layer

    def names():
        depsgraph = bpy.context.evaluated_depsgraph_get()
        found = places.visible_avatars(depsgraph, None, view._views.changes)
        return sorted([p.key[0], round(p.world_from_rig[0][3], 3)] for p in found)

    found = {"plain": names()}
    rig.hide_set(True)
    found["eye"] = names()
    rig.hide_set(False)
    rig.hide_viewport = True
    found["monitor"] = names()
    rig.hide_viewport = False
    rig.partnerface.live = False
    found["off"] = names()
    rig.partnerface.live = True
    collection = rig.users_collection[0]
    child = next(c for c in layer.layer_collection.children if c.collection == collection)
    empty = bpy.data.objects.new("instance", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", collection
    empty.location.x = 2.0
    scene.collection.objects.link(empty)
    layer.update()
    found["instance"] = names()
    child.exclude = True
    layer.update()
    found["instance of excluded"] = names()
    empty.hide_set(True)
    found["hidden instance"] = names()
    child.exclude = False
    empty.hide_set(False)
    other, mesh = rig.copy(), head.copy()
    other.partnerface.head, mesh.parent, other.location.x = mesh, other, 1.0
    for item in (other, mesh):
        scene.collection.objects.link(item)
    layer.update()
    found["two and an instance"] = names()
    return found


def test_hidden_avatars_are_not_shown_and_instances_are(in_new_blender, avatar):
    found = in_new_blender(blender_shows, str(avatar))
    name = found["plain"][0][0]
    assert found["plain"] == [[name, 0.0]]
    assert found["eye"] == found["monitor"] == found["off"] == []
    assert found["instance"] == [[name, 0.0], [name, 2.0]]
    assert found["instance of excluded"] == [[name, 2.0]]
    assert found["hidden instance"] == []
    assert sorted(x for _, x in found["two and an instance"]) == [0.0, 1.0, 2.0]


def blender_covers(avatar):
    from blender_side import addon, load_avatar

    _, rig, head = load_avatar(avatar)
    cover = addon("viewport.cover")
    seen = []
    for was in (False, True):
        rig.partnerface.live = False
        head.hide_viewport = was
        rig.partnerface.live = True
        hidden = head.hide_viewport
        rig.partnerface.live = False
        seen.append([was, hidden, head.hide_viewport])
    rig.partnerface.live = True
    cover.give_back()
    seen.append([head.hide_viewport, len(cover.unsettled())])
    return seen


def test_head_mesh_makes_way_and_comes_back_as_it_was(in_new_blender, avatar):
    shown, hidden, at_last = in_new_blender(blender_covers, str(avatar))
    assert shown == [False, True, False]
    assert hidden == [True, True, True]
    assert at_last == [True, 1]


def blender_grows():
    import numpy as np
    from blender_side import addon

    depth = np.full((9, 9), 1e10, np.float32)
    depth[4, 4], depth[4, 5] = 2.0, 1.0
    grown = addon("viewport.pictures").grow(depth)
    return [float(grown[4, 4]), float(grown[4, 3]), float(grown[4, 8]), bool(grown[0, 0] > 1e9)]


def test_depths_reach_a_little_beyond_the_head(in_new_blender):
    assert in_new_blender(blender_grows) == [2.0, 2.0, 1.0, True]
