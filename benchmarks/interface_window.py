# SPDX-License-Identifier: GPL-3.0-or-later
"""What `interface` does in Blender's window: scrub the timeline, tick, watch the add-on."""

from collections.abc import Iterator

TICK_S = 0.005
NEVER = float("inf")
PAUSE_S = (0.4, 1.6)  # between two frames that are scrubbed to


def window_scrubs(avatar: str, seconds: float, capture: str, folder: str) -> Iterator[float]:
    """In the window: scrub with avatars off, then on, then beside a training on `capture`."""
    import bpy
    import window_side as side
    from blender_side import addon, load_avatar

    bpy.context.preferences.system.viewport_aa = "OFF"  # drawn by the processor
    yield from side.only_area()
    load_avatar(avatar)
    chosen = addon("preferences").preferences().viewport
    view = addon("viewport.view")
    slices = watch_slices(view, addon("jobs.watch"))
    side.area().spaces.active.region_3d.view_perspective = "CAMERA"
    chosen.enabled = True
    yield from side.until(lambda: any(map(view._views.feed.picture, view._views.feed.keys())), 120)
    found = {}
    for name in ("off", "on", *(["on, training"] if capture else [])):
        chosen.enabled = name != "off"
        if name == "on, training":
            yield from start_training(addon("jobs.watch"), capture, folder)
        yield 1.0
        slices.clear()
        found[name] = yield from scrub(view, seconds)
        wall, computed = zip(*slices, strict=True) if slices else ((0.0,), (0.0,))
        found[name]["longest own slice, ms"] = round(max(wall) * 1000, 1)
        found[name]["most computed in a slice, ms"] = round(max(computed) * 1000, 1)
    if capture:
        found["training went on"] = addon("jobs.watch").at_work() is not None
        bpy.ops.partnerface.cancel_job(folder=bpy.context.scene.partnerface.job)
    bpy.context.scene.frame_set(1)
    return found


def start_training(watch: object, capture: str, folder: str) -> Iterator[float]:
    """Train as an artist does, and wait until steps are made; `yield from` it."""
    import bpy
    import window_side as side

    chosen = bpy.context.scene.partnerface
    chosen.capture, chosen.avatar_folder = capture, folder
    chosen.preset, chosen.steps, chosen.device = "draft", 1_000_000, "cpu"
    with side.override():
        bpy.ops.partnerface.train()
    yield from side.until(lambda: watch.last_seen(chosen.job).step > 8, 180, "the training")


def scrub(view: object, seconds: float) -> Iterator[float]:
    """Change frames and tick; gaps and waits in ms. `yield from` it."""
    import random
    import time

    import bpy

    feed = view._views.feed
    scene, pauses = bpy.context.scene, random.Random(7)
    end, last, next_change = time.monotonic() + seconds, time.monotonic(), 0.0
    gaps, drawn, there, asked, before, scrubbed = [], [], [], 0.0, {}, 0
    while time.monotonic() < end:
        now = time.monotonic()
        gaps.append(now - last - TICK_S)
        if asked and len(there) < scrubbed:
            arrived = newer(feed, feed.picture, before)
            there += [now - slot.since for slot in arrived[:1]]
        if asked and newer(feed, drawn_picture(view._views), before):
            drawn.append(now - asked)
            asked = 0.0
        if now > next_change:
            next_change = now + pauses.uniform(*PAUSE_S)
            before = {key: slot.turn for key, slot in feed._slots.items()}
            drawn += [NEVER] if asked else []  # the next change came first
            there += [NEVER] if len(there) < scrubbed else []
            scene.frame_set(scene.frame_start + (scene.frame_current + 7) % scene.frame_end)
            scrubbed += 1
            asked = time.monotonic()
            last = asked  # Blender's own evaluation of the frame is not held against anybody
        else:
            last = now
        yield TICK_S
    found = {
        "longest gap, ms": milliseconds(max(gaps)),
        "99 % of gaps below, ms": milliseconds(sorted(gaps)[int(0.99 * len(gaps))]),
        "scrubbed": scrubbed,
    }
    for name, waits in (("picture there", there), ("picture drawn", drawn)):
        waits = sorted(waits) if before else []
        found[f"{name}, median ms"] = milliseconds(waits[len(waits) // 2]) if waits else None
        found[f"{name}, 90 % below, ms"] = (
            milliseconds(waits[int(0.9 * len(waits))]) if waits else None
        )
    return found


def drawn_picture(views: object) -> object:
    """Which picture of a slot has been drawn."""
    return lambda key: views.textures[key].picture if key in views.textures else None


def newer(feed: object, picture: object, before: dict) -> list:
    """The slots that have a picture of what was wished for since then."""
    slots = [(key, slot) for key, slot in feed._slots.items() if slot.turn > before.get(key, 0)]
    return [
        slot
        for key, slot in slots
        if slot.wish and picture(key) and picture(key).key == slot.wish.key
    ]


def milliseconds(seconds: float) -> float | None:
    """Rounded to tenths; None for what never came."""
    return round(seconds * 1000, 1) if seconds < 1e6 else None


def watch_slices(view: object, watch: object) -> list[tuple[float, float]]:
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
    if bpy.app.timers.is_registered(watch._look_again):
        bpy.app.timers.unregister(watch._look_again)
    watch._look_again = timed(watch._look_again)
    return slices
