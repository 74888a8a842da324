# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of docs/manual/first-avatar.md and jobs.md: the set-up, and a training at work."""

import os

PATIENCE_S = 150  # until the training has something to show


def window_set_up(demo):
    """The Engine panel where there is no engine yet."""
    import bpy
    import window_side as side

    os.environ.pop("PARTNERFACE_PYTHON")  # a Blender that has no engine yet
    bpy.context.preferences.system.use_online_access = True
    yield from side.show_sidebar("PartNerFace")
    panel = side.region(side.area(), "UI")
    yield 0.5
    return {"set-up": side.screenshot("set-up", panel)}


def lay_out():
    """The screen in three: the picture and the log on the left, the 3D view with its tab."""
    import bpy
    import window_side as side

    for kind in ("DOPESHEET_EDITOR", "OUTLINER", "PROPERTIES"):
        with side.override(side.area(kind)):
            bpy.ops.screen.area_close()
        yield 0.3
    with side.override(side.area("VIEW_3D")):
        bpy.ops.screen.area_split(direction="VERTICAL", factor=0.55)
    yield 0.3
    left = min(side.window().screen.areas, key=lambda area: area.x)
    with side.override(left):
        bpy.ops.screen.area_split(direction="HORIZONTAL", factor=0.35)
    yield 0.3
    column = [area for area in side.window().screen.areas if area.x == left.x]
    lower, upper = sorted(column, key=lambda area: area.y)
    lower.type, upper.type = "TEXT_EDITOR", "IMAGE_EDITOR"
    yield 0.3


def window_jobs(demo):
    """A training at work, another one behind it: panel, status bar, picture, log."""
    import time

    import blender_side
    import bpy
    import window_side as side

    watch = blender_side.addon("jobs.watch")
    scene = bpy.context.scene
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    chosen = scene.partnerface
    chosen.capture, chosen.avatar_folder = f"{demo}/capture", str(side.FOLDER / "mara")
    chosen.preset, chosen.device = "draft", "cpu"
    yield from lay_out()
    view = side.area("VIEW_3D")
    yield from side.show_sidebar("PartNerFace", view)
    panels = side.region(view, "UI")
    with side.override(view):
        assert bpy.ops.partnerface.train() == {"FINISHED"}
        first = chosen.job
        chosen.avatar_folder = str(side.FOLDER / "mara-high")
        chosen.preset = "high"
        assert bpy.ops.partnerface.train() == {"FINISHED"}
        blender_side.addon("jobs.listing").choose(first)
        bpy.ops.partnerface.show_job_log()
        for name in ("engine", "capture", "train", "avatar"):  # the Jobs panel alone
            panel = getattr(bpy.types, f"PARTNERFACE_PT_{name}")
            bpy.utils.unregister_class(panel)
    end = time.monotonic() + PATIENCE_S
    yield from side.until(lambda: watch.last_seen(first).step > 20, 90, "the first steps")
    while time.monotonic() < end and watch.last_seen(first).at_work:
        yield 0.5
    for area in side.window().screen.areas:
        if area.type == "IMAGE_EDITOR":
            with bpy.context.temp_override(
                window=side.window(), area=area, region=side.region(area)
            ):
                bpy.ops.image.view_all(fit_view=True)
    panels.tag_redraw()
    yield 0.7
    return {"jobs": side.screenshot("jobs")}
