# SPDX-License-Identifier: GPL-3.0-or-later
"""A window opens with the add-on in it, and what is on it can be seen."""


def window_sidebar():
    import bpy
    import window_side as side

    yield from side.show_sidebar("PartNerFace")
    pressed = len(bpy.data.objects)
    side.press("A")  # select all
    yield 0.3
    return {
        "version": list(bpy.app.version),
        "picture": side.screenshot("sidebar"),
        "selected": len(bpy.context.selected_objects) == pressed,
    }


def test_sidebar_shows_and_keys_arrive(in_window, read_picture):
    found = in_window(window_sidebar)
    assert found["version"][0] >= 4
    assert found["selected"], "a simulated key did not reach the 3D view"
    picture = read_picture(found["picture"])
    assert picture.shape == (800, 1280, 3)
    assert len({tuple(pixel) for pixel in picture.reshape(-1, 3)[::7]}) > 50, "the window is empty"


def window_engine(avatar):
    import blender_side
    import window_side as side

    yield 0.1
    blender_side.load_avatar(avatar)
    link = blender_side.addon("connection.engine_link")
    yield from side.until(lambda: link.running_engine() is not None)
    return dict(link.running_engine().about)


def test_engine_runs_beside_the_window(in_window, avatar):
    assert in_window(window_engine, str(avatar), binds=[avatar.parent])["device"] in (
        "cpu",
        "cuda:0",
    )
