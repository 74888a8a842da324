# SPDX-License-Identifier: GPL-3.0-or-later
"""What `interface` does in Blender's window: scrub the timeline, tick, watch the add-on."""

from collections.abc import Iterator

TICK_S = 0.005
SCRUB_S = 0.4  # between two frames that are scrubbed to


def window_scrubs(avatar: str, seconds: float) -> Iterator[float]:
    """In the window: scrub with avatars off, then on."""
    import bpy
    import window_side as side
    from blender_side import addon, load_avatar

    bpy.context.preferences.system.viewport_aa = "OFF"  # drawn by the processor
    yield from side.only_area()
    load_avatar(avatar)
    chosen = addon("preferences").preferences().viewport
    view = addon("viewport.view")
    slices = watch_slices(view)
    side.area().spaces.active.region_3d.view_perspective = "CAMERA"
    chosen.enabled = True
    yield from side.until(lambda: any(map(view._views.feed.picture, view._views.feed.keys())), 120)
    found = {}
    for name, enabled in (("off", False), ("on", True)):
        chosen.enabled = enabled
        yield 1.0
        slices.clear()
        found[name] = yield from scrub(view, seconds)
        wall, computed = zip(*slices, strict=True) if slices else ((0.0,), (0.0,))
        found[name]["longest own slice, ms"] = round(max(wall) * 1000, 1)
        found[name]["most computed in a slice, ms"] = round(max(computed) * 1000, 1)
    bpy.context.scene.frame_set(1)
    return found


def scrub(view: object, seconds: float) -> Iterator[float]:
    """Change frames and tick; gaps and waits in ms. `yield from` it."""
    import time

    import bpy

    scene, feed = bpy.context.scene, view._views.feed
    end, last, next_change = time.monotonic() + seconds, time.monotonic(), 0.0
    gaps, waits, asked, known = [], [], 0.0, {}
    while time.monotonic() < end:
        now = time.monotonic()
        gaps.append(now - last - TICK_S)
        if asked and any(feed.picture(key) is not known.get(key) for key in feed.keys()):
            waits.append(now - asked)
            asked = 0.0
        if now > next_change:
            next_change = now + SCRUB_S
            known = {key: feed.picture(key) for key in feed.keys()}
            scene.frame_set(scene.frame_start + (scene.frame_current + 7) % scene.frame_end)
            asked = time.monotonic()
            last = asked  # Blender's own evaluation of the frame is not held against anybody
        else:
            last = now
        yield TICK_S
    gaps.sort(), waits.sort()
    return {
        "longest gap, ms": round(gaps[-1] * 1000, 1),
        "99 % of gaps below, ms": round(gaps[int(0.99 * len(gaps))] * 1000, 1),
        "first picture, median ms": round(waits[len(waits) // 2] * 1000) if waits else None,
        "first picture, 90 % below, ms": round(waits[int(0.9 * len(waits))] * 1000)
        if waits
        else None,
        "pictures": len(waits),
    }


def watch_slices(view: object) -> list[tuple[float, float]]:
    """From now on the seconds of every call of the add-on's on the main thread: passed, computed.

    On a busy machine more passes than is computed.
    """
    import time

    import bpy

    slices = []

    def timed(work):
        def run(*arguments):
            began, busy = time.perf_counter(), time.thread_time()
            try:
                return work(*arguments)
            finally:
                slices.append((time.perf_counter() - began, time.thread_time() - busy))

        return run

    view.detach()
    for name in ("_draw_pictures", "_draw_words", "_poll"):
        setattr(view, name, timed(getattr(view, name)))
    view.HANDLERS.update({
        name: bpy.app.handlers.persistent(timed(work)) for name, work in view.HANDLERS.items()
    })  # fmt: skip
    view.attach()
    return slices
