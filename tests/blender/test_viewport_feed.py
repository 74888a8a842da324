# SPDX-License-Identifier: GPL-3.0-or-later
"""What viewports ask the engine for, and when it is given up."""

import os
import time

import pytest


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
        self.sight = lenses.look_at(side.eye_of(lenses), "head", __import__("numpy").eye(4), ball)

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
