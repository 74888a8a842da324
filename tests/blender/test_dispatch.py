# SPDX-License-Identifier: GPL-3.0-or-later
"""The render thread never waits in vain: Esc is heard while the engine starts and renders."""

import pytest

pytestmark = pytest.mark.newest

PATIENCE_S = 1.0  # an artist's, from Esc to the end of the render


def blender_stops(avatar, folder):
    """Seconds from a stop to the end, while the engine starts, and in the midst of a big frame."""
    import time

    import bpy
    import numpy as np
    from blender_side import addon, load_avatar, neutral, render

    scene, rig, head = load_avatar(avatar)
    neutral(scene, rig, head)
    link, dispatch = addon("connection.engine_link"), addon("rendering.dispatch")
    frames, avatars = addon("rendering.frames"), addon("avatars")
    settings = link.read_settings()
    before = render(scene, folder, "before")
    waits = {}

    def stopped(name, work):
        asked = []

        def should_stop():
            if time.monotonic() - began > 0.5:
                asked.append(time.monotonic())
            return bool(asked)

        began = time.monotonic()
        try:
            work(dispatch.Dispatcher(settings, should_stop))
            waits[name] = "never stopped"
        except Exception as error:
            waits[name] = [type(error).__name__, time.monotonic() - asked[0]]

    link.stop_engine()
    stopped("starting", lambda it: it.header(avatars.avatar_path(rig)))
    for _ in range(2):  # the engine that was started then is used, and is well
        after = render(scene, folder, "after")

    class Engine:
        """What `read_moments` asks of Blender's render engine."""

        camera_override, resolution_x, resolution_y = None, 2048, 2048

    depsgraph = bpy.context.evaluated_depsgraph_get()

    def big(it):
        moments = frames.read_moments(Engine, depsgraph, it)
        requests = [shot.request for moment in moments for shot in moment.shots] * 3
        list(it.planes(requests, lambda done: None))

    stopped("rendering", big)
    again = render(scene, folder, "again")
    return {
        "waits": waits,
        "same": float(np.abs(after - before).max()),
        "again": float(np.abs(again - before).max()),
    }


def test_a_stop_is_heard_at_once(in_new_blender, avatar, tmp_path):
    found = in_new_blender(blender_stops, str(avatar), str(tmp_path))
    for name, (error, seconds) in found["waits"].items():
        assert error == "Cancelled", name
        assert seconds < PATIENCE_S, name
    assert found["same"] < 1e-6
    assert found["again"] < 1e-6
