# SPDX-License-Identifier: GPL-3.0-or-later
"""The avatar live in real viewports: shading modes, depth, colour, a killed engine, many views."""

import os

EEVEE_PATIENCE_S = 90  # its shaders are compiled first


def stage(avatar):
    """The avatar in a 3D view that fills the window; `yield from` it: view module, rig, space."""
    import bpy
    import window_side as side
    from blender_side import addon, load_avatar, neutral

    yield from side.only_area()
    scene, rig, head = load_avatar(avatar)
    neutral(scene, rig, head)
    bpy.ops.object.select_all(action="DESELECT")
    addon("preferences").preferences().viewport.largest_side = 160
    space = side.area().spaces.active
    space.overlay.show_floor = space.overlay.show_axis_x = space.overlay.show_axis_y = False
    space.overlay.show_extras = space.overlay.show_bones = space.overlay.show_cursor = False
    face(space.region_3d)
    return addon("viewport.view"), rig, space


def face(region_3d, degrees=0.0):
    """Look at the face from the front, or from a side."""
    import math

    from mathutils import Euler

    region_3d.view_perspective = "PERSP"
    region_3d.view_rotation = Euler((math.radians(88), 0, math.radians(degrees))).to_quaternion()
    region_3d.view_location, region_3d.view_distance = (0, -0.03, 0), 0.9


def at_rest(view, seconds=90):
    """Wait until every view has what it wishes for; `yield from` it."""
    import window_side as side

    side.redraw()
    yield 0.3
    feed = view._views.feed
    yield from side.until(lambda: feed._slots and not feed.busy(), seconds, "the views at rest")
    side.redraw()
    yield 0.4


def pixel_of(region, region_3d, point):
    """Column and row (first row on top) of a point of the scene in a picture of the region."""
    from bpy_extras.view3d_utils import location_3d_to_region_2d

    x, y = location_3d_to_region_2d(region, region_3d, point)
    return [round(x), region.height - 1 - round(y)]


def add_ball(name, place, size, colour):
    """A ball of one colour that gives light, whatever the shading."""
    import bpy

    bpy.ops.mesh.primitive_uv_sphere_add(radius=size, location=place)
    ball = bpy.context.object
    ball.name, ball.color = name, colour
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    material.diffuse_color = colour
    nodes = material.node_tree.nodes
    nodes.clear()
    light, output = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
    light.inputs["Color"].default_value = colour
    material.node_tree.links.new(light.outputs[0], output.inputs["Surface"])
    ball.data.materials.append(material)
    ball.select_set(False)
    return ball


def window_shadings(avatar):
    import bpy
    import numpy as np
    import window_side as side
    from blender_side import read_picture

    view, _, space = yield from stage(avatar)
    scene, region = bpy.context.scene, side.region(side.area())
    near, far = (-0.05, -0.25, 0.0), (0.05, 0.35, 0.0)
    yield from at_rest(view)
    at = {
        "near": pixel_of(region, space.region_3d, near),
        "far": pixel_of(region, space.region_3d, far),
        "cheek": pixel_of(region, space.region_3d, (0.03, -0.12, -0.02)),
    }
    eevee = "BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"
    modes = {
        "solid": ("SOLID", eevee), "cycles": ("RENDERED", "CYCLES"),
        "workbench": ("RENDERED", "BLENDER_WORKBENCH"), "material": ("MATERIAL", eevee),
        "eevee": ("RENDERED", eevee),
    }  # fmt: skip
    found = {"at": at, "alone": side.screenshot("alone", region)}
    green = (0.0, 1.0, 0.0, 1.0)
    add_ball("near", near, 0.04, green)
    add_ball("far", far, 0.05, green)
    scene.cycles.preview_samples = 1
    for name, (shading, engine) in modes.items():
        scene.render.engine, space.shading.type = engine, shading
        space.shading.color_type = "MATERIAL"
        yield from at_rest(view)

        def ball_is_there(name=name):
            side.redraw()
            column, row = at["near"]
            picture = read_picture(side.screenshot(name, region))
            return np.argmax(picture[row, column, :3]) == 1

        yield from side.until(ball_is_there, EEVEE_PATIENCE_S, f"the ball in {name}")
        found[name] = side.screenshot(name, region)
    return found


def test_avatar_stands_among_the_objects_in_every_shading(in_window, avatar, read_picture):
    found = in_window(window_shadings, str(avatar), binds=[avatar.parent], limit_s=400)
    at = found.pop("at")
    pictures = {name: read_picture(path).astype(int) for name, path in found.items()}
    alone = pictures.pop("alone")

    def around(picture, name):
        column, row = at[name]
        return picture[row - 3 : row + 4, column - 3 : column + 4].reshape(-1, 3).mean(0)

    skin = around(alone, "cheek")
    assert skin[0] > skin[2] + 10, "no skin where the cheek should be"
    for name, picture in pictures.items():
        green = around(picture, "near")
        assert green[1] > green[0] + 40, f"{name}: the near ball does not cover the face"
        for place in ("cheek", "far"):
            gap = abs(around(picture, place) - around(alone, place)).max()
            assert gap < 6, f"{name}: another colour at the {place} spot"


def window_camera(avatar, folder):
    import bpy
    import window_side as side

    view, rig, space = yield from stage(avatar)
    scene, region = bpy.context.scene, side.region(side.area())
    from blender_side import addon

    chosen = addon("preferences").preferences().viewport
    chosen.largest_side, chosen.quality = 320, "preview"
    rig.partnerface.quality = "preview"
    scene.render.engine, scene.render.film_transparent = "PARTNERFACE", False
    space.overlay.show_overlays = False
    space.region_3d.view_perspective = "CAMERA"
    yield 0.5
    frame = [pixel_of(region, space.region_3d, scene.camera.matrix_world @ corner)
             for corner in scene.camera.data.view_frame(scene=scene)]  # fmt: skip
    columns, rows = zip(*frame, strict=True)
    scene.render.resolution_x = max(columns) - min(columns)
    scene.render.resolution_y = max(rows) - min(rows)
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_mode = "PNG", "RGBA"
    scene.render.film_transparent = True
    found = {"frame": [min(columns), min(rows), max(columns), max(rows)], "pairs": {}}
    looks = {"standard": ("Standard", "AS_FILMED"), "agx": ("AgX", "AS_FILMED"),
             "light": ("AgX", "SCENE_REFERRED")}  # fmt: skip
    for name, (transform, colour) in looks.items():
        scene.view_settings.view_transform, scene.partnerface.colour = transform, colour
        yield from at_rest(view, 200)
        shot = side.screenshot(name, region)
        scene.render.filepath = f"{folder}/{name}-render.png"
        bpy.ops.render.render(write_still=True)
        found["pairs"][name] = [shot, scene.render.filepath]
        yield 0.2
    return found


def test_camera_view_shows_what_the_render_shows(in_window, avatar, tmp_path):
    import numpy as np
    from PIL import Image

    found = in_window(window_camera, str(avatar), str(tmp_path), binds=[avatar.parent], limit_s=600)
    left, top, right, bottom = found["frame"]
    for name, (shot, render) in found["pairs"].items():
        seen = np.asarray(Image.open(shot).convert("RGB")).astype(float)[top:bottom, left:right]
        made = np.asarray(Image.open(render)).astype(float)
        assert seen.shape[:2] == made.shape[:2]
        solid = made[..., 3] > 250
        assert solid.mean() > 0.05, "there is no head in the render"
        gap = np.abs(seen - made[..., :3])[solid]
        assert gap.mean() < 4, f"{name}: {gap.mean():.1f} of 255 apart"


def window_killed(avatar):
    import window_side as side
    from blender_side import addon

    view, rig, _ = yield from stage(avatar)
    link, sliders = addon("connection.engine_link"), addon("rig.sliders")
    yield from at_rest(view)
    first = link.running_engine().process.pid
    addon("preferences").preferences().viewport.quality = "exact"
    addon("preferences").preferences().viewport.largest_side = 1024
    sliders.set_slider(rig, "mouthSmileLeft", 1.0)
    feed = view._views.feed

    def refining():
        climbing = any(slot.rung and not slot.done for slot in feed._slots.values())
        return climbing and link.running_engine()._pending

    yield from side.until(refining, 10, "a fine picture under way")
    os.kill(first, 9)
    said = []

    def told():
        said[:] = [text for texts in view._views.sentences.values() for text in texts]
        return any("killed" in text for text in said)

    yield from side.until(told, 30, "the sentence")
    picture = side.screenshot("killed", side.area())
    addon("preferences").preferences().viewport.largest_side = 128
    yield 1.0
    alone = link.running_engine() is None  # nothing has changed in the scene
    sliders.set_slider(rig, "mouthSmileLeft", 0.5)
    yield from side.until(lambda: link.running_engine() is not None, 60, "another engine")
    yield from at_rest(view)
    still = [text for texts in view._views.sentences.values() for text in texts]
    return {
        "said": said, "picture": picture, "alone": alone, "still": still,
        "another": link.running_engine().process.pid != first,
    }  # fmt: skip


def test_killed_engine_is_told_in_the_view_and_the_next_change_starts_another(in_window, avatar):
    found = in_window(window_killed, str(avatar), binds=[avatar.parent])
    assert "killed by signal 9" in found["said"][0]
    assert found["another"]
    assert found["still"] == []


def window_many(avatar):
    import bpy
    import window_side as side
    from blender_side import addon

    view, rig, space = yield from stage(avatar)
    addon("preferences").preferences().viewport.largest_side = 64
    addon("preferences").preferences().viewport.quality = "preview"
    head = rig.partnerface.head
    yield from at_rest(view)
    found = {"head hidden": head.hide_viewport}
    feed = view._views.feed

    def slots():
        return sorted({key[1:] for key in feed._slots})

    other, mesh = rig.copy(), head.copy()
    other.partnerface.head, mesh.parent, other.location.x = mesh, other, 0.35
    other.scale = (0.5, 0.5, 0.5)
    for item in (other, mesh):
        bpy.context.scene.collection.objects.link(item)
    yield from at_rest(view)
    found["two"] = len(slots())
    found["picture of two"] = side.screenshot("two", side.area())
    with side.override():
        bpy.ops.object.select_all(action="DESELECT")
        other.select_set(True)
        bpy.context.view_layer.objects.active = other
        bpy.ops.view3d.localview(frame_selected=False)
    yield 0.3
    drawn = addon("viewport.placements").visible_avatars
    depsgraph = bpy.context.evaluated_depsgraph_get()
    found["local"] = [p.name for p in drawn(depsgraph, space, view._views.changes)] == [other.name]
    with side.override():
        bpy.ops.view3d.localview(frame_selected=False)
        bpy.ops.screen.region_quadview()
    yield from at_rest(view)
    found["quad"] = len({key[0] for key in feed._slots})
    found["picture of quad"] = side.screenshot("quad", side.area())
    with side.override():
        bpy.ops.screen.region_quadview()
    yield 0.3
    second = bpy.data.scenes.new("second")
    second.collection.objects.link(rig)
    second.collection.objects.link(head)
    second.frame_set(7)
    with side.override():
        bpy.ops.wm.window_new()
    yield 0.5
    windows = bpy.context.window_manager.windows
    windows[1].scene = second
    yield from at_rest(view)
    found["windows"] = len(windows)
    found["sentences"] = [text for texts in view._views.sentences.values() for text in texts]
    rig.partnerface.live = False
    found["given back"] = not head.hide_viewport
    return found


def test_many_avatars_and_many_views(in_window, avatar):
    found = in_window(window_many, str(avatar), binds=[avatar.parent])
    assert found["head hidden"]
    assert found["two"] == 2
    assert found["local"]
    assert found["quad"] >= 4
    assert found["windows"] == 2
    assert found["sentences"] == []
    assert found["given back"]
