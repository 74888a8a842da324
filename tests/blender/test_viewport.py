# SPDX-License-Identifier: GPL-3.0-or-later
"""What viewports ask for, when it is given up, and which avatars they show."""

import os
import time

import pytest


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
    from blender_side import addon
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
    from blender_side import addon

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


class Wishing:
    """A feed with the real engine, and wishes for it."""

    def __init__(self, avatar):
        from pathlib import Path

        import blender_side as side

        self.path = Path(avatar)
        self.feed = side.addon("viewport.feed").Feed()
        self.wishes, self.link = side.addon("viewport.wishes"), side.addon("connection.engine_link")
        self.settings = self.link.read_settings()
        lenses = side.addon("viewport.lenses")
        ball = lenses.Ball(__import__("numpy").zeros(3), 0.25)
        self.sight = lenses.look_at(eye_of(lenses), "head", __import__("numpy").eye(4), ball)

    def wish(self, value=0.0, rungs=(("preview", 32), ("preview", 64))):
        import numpy as np

        header = self.link.find_open(self.path)
        psi = np.zeros(len(header["expression_names"]), np.float32)
        psi[0] = value
        steps = tuple(self.wishes.Rung(side, quality) for quality, side in rungs)
        return self.wishes.Wish(self.path, self.sight.camera, psi, np.zeros((5, 3), np.float32),
                                np.zeros(3, np.float32), steps, self.sight.placing)  # fmt: skip

    def want(self, wish, moment, key="slot"):
        self.feed.want(key, self.path, wish, moment, self.settings)

    def wait(self, true, seconds=60):
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.01)


def blender_feeds(avatar):
    wishing = Wishing(avatar)
    feed = wishing.feed
    before = time.monotonic()
    wishing.want(None, 0)  # starts the engine and opens the file
    returned = time.monotonic() - before
    said = set()
    wishing.wait(lambda: said.add(feed.saying()) or not feed.busy())
    wishing.want(wishing.wish(), 1)
    sizes = set()

    def grown():
        picture = feed.picture("slot")
        if picture is not None:
            sizes.add((picture.rung, max(picture.colour.shape[:2])))
        return not feed.busy()

    wishing.wait(grown)
    version = feed.version
    wishing.want(wishing.wish(), 2)  # the same once more
    time.sleep(0.3)
    return {
        "returned": returned, "said": sorted(said), "sizes": sorted(sizes),
        "again": feed.version != version, "alpha": float(feed.picture("slot").colour[..., 3].max()),
    }  # fmt: skip


def test_engine_is_started_and_asked_without_a_wait(in_new_blender, avatar):
    found = in_new_blender(blender_feeds, str(avatar))
    assert found["returned"] < 0.05
    assert "starting the engine …" in found["said"]
    assert found["sizes"][-1] == [1, 64]
    assert not found["again"]
    assert found["alpha"] > 0.9


def blender_outdates(avatar):
    import numpy as np

    wishing = Wishing(avatar)
    feed = wishing.feed
    wishing.want(None, 0)
    wishing.wait(lambda: not feed.busy())
    slow = (("preview", 32), ("exact", 1024))
    wishing.want(wishing.wish(0.0, slow), 1)
    wishing.wait(lambda: feed.picture("slot") is not None)
    time.sleep(0.5)  # the slow one is under way
    began = time.monotonic()
    new = wishing.wish(1.0, (("preview", 32),))
    wishing.want(new, 2)
    wishing.wait(lambda: feed.picture("slot").key == new.key)
    took = time.monotonic() - began
    colours = feed.picture("slot").colour.copy()
    feed.forget("slot")
    feed.stop()
    alone = Wishing(avatar)
    alone.want(alone.wish(1.0, (("preview", 32),)), 1)
    alone.wait(lambda: not alone.feed.busy())
    same = np.allclose(colours, alone.feed.picture("slot").colour, atol=0.01)
    return {"seconds": took, "same": bool(same)}


@pytest.mark.ends
def test_newer_wish_ends_the_refinement_of_an_older_one(in_new_blender, avatar):
    found = in_new_blender(blender_outdates, str(avatar))
    assert found["same"]
    assert found["seconds"] < 30, "the outdated picture was waited for"


def blender_holds(avatar):
    wishing = Wishing(avatar)
    feed = wishing.feed
    wishing.want(None, 0)
    wishing.wait(lambda: not feed.busy())
    feed.hold(True)
    wishing.want(wishing.wish(), 1)
    time.sleep(1.0)
    held = feed.picture("slot") is None and feed.busy()
    feed.hold(False)
    wishing.wait(lambda: not feed.busy())
    return {"held": held, "rung": feed.picture("slot").rung}


def test_views_leave_the_engine_to_a_final_render(in_new_blender, avatar):
    assert in_new_blender(blender_holds, str(avatar)) == {"held": True, "rung": 1}


def blender_fails(avatar, folder):
    from pathlib import Path

    wishing = Wishing(avatar)
    feed, lost = wishing.feed, Path(folder) / "lost.safetensors"
    feed.want("slot", lost, None, 1, wishing.settings)
    wishing.wait(lambda: not feed.busy())
    sentence, version = feed.failure("slot"), feed.version
    feed.want("slot", lost, None, 1, wishing.settings)  # nothing has changed
    time.sleep(0.3)
    again_at_once = feed.version != version
    lost.write_bytes(Path(avatar).read_bytes())
    feed.want("slot", lost, None, 2, wishing.settings)
    wishing.wait(lambda: not feed.busy())
    return [sentence, again_at_once, feed.failure("slot")]


def test_failure_is_a_sentence_and_the_next_change_tries_again(in_new_blender, avatar, tmp_path):
    sentence, again_at_once, afterwards = in_new_blender(blender_fails, str(avatar), str(tmp_path))
    assert sentence.startswith("There is no avatar file")
    assert not again_at_once
    assert afterwards == ""


def blender_refuses(avatar, folder):
    from dataclasses import replace
    from pathlib import Path

    wishing = Wishing(avatar)
    feed, good = wishing.feed, wishing.settings
    broken, starts = Path(folder) / "python", Path(folder) / "starts"
    broken.write_text(f"#!/bin/sh\necho >> '{starts}'\nexit 7\n")
    broken.chmod(0o755)
    wishing.settings = replace(good, python=broken)
    sentences = set()
    for moment in range(6):  # a scene that never rests
        wishing.want(None, moment)
        wishing.wait(lambda: not feed.busy())
        sentences.add(feed.failure("slot"))
    wishing.settings = good
    wishing.want(None, 6)
    wishing.wait(lambda: not feed.busy())
    return [starts.read_text().count("\n"), sorted(sentences), feed.failure("slot")]


def test_an_engine_that_does_not_start_is_not_started_at_every_change(
    in_new_blender, avatar, tmp_path
):
    starts, sentences, mended = in_new_blender(blender_refuses, str(avatar), str(tmp_path))
    assert starts == 1
    assert len(sentences) == 1
    assert sentences[0]
    assert mended == "", "another Python was not tried at once"


def blender_dies(avatar):
    wishing = Wishing(avatar)
    feed = wishing.feed
    wishing.want(None, 0)
    wishing.wait(lambda: not feed.busy())
    first = wishing.link.running_engine().process.pid
    wishing.want(wishing.wish(0.0, (("exact", 1500),)), 1)
    time.sleep(0.5)
    os.kill(first, 9)
    wishing.wait(lambda: not feed.busy())
    sentence = feed.failure("slot")
    wishing.want(None, 2)
    wishing.wait(lambda: not feed.busy())
    wishing.want(wishing.wish(), 3)
    wishing.wait(lambda: not feed.busy())
    second = wishing.link.running_engine().process.pid
    return [sentence, first != second, feed.picture("slot") is not None]


@pytest.mark.ends
def test_killed_engine_is_told_and_started_again(in_new_blender, avatar):
    sentence, another, picture = in_new_blender(blender_dies, str(avatar))
    assert "killed by signal 9" in sentence
    assert another
    assert picture


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
