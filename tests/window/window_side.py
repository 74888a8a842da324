# SPDX-License-Identifier: GPL-3.0-or-later
"""What scenarios do in Blender's window: find areas, wait, press keys, take pictures.

A scenario imports it by its plain name (`import window_side as side`), and what the headless tests
use as `blender_side`.
"""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bpy

FOLDER = Path()  # where the run may write; set by the driver
POLL_S = 0.05


def window() -> bpy.types.Window:
    """The first window."""
    return bpy.context.window_manager.windows[0]


def area(kind: str = "VIEW_3D") -> bpy.types.Area:
    """The largest area of a kind in the first window."""
    areas = [item for item in window().screen.areas if item.type == kind]
    return max(areas, key=lambda item: item.width * item.height)


def region(of: bpy.types.Area, kind: str = "WINDOW") -> bpy.types.Region:
    """An area's (first) region of a kind."""
    return next(item for item in of.regions if item.type == kind)


def override(of: bpy.types.Area | None = None):
    """A context in which operators run as if they had been called in the area."""
    of = of or area()
    return bpy.context.temp_override(window=window(), area=of, region=region(of))


def only_area(kind: str = "VIEW_3D") -> Iterator[float]:
    """Make one area of the first window fill it, as Ctrl-Space does; `yield from` it."""
    if len(window().screen.areas) > 1:
        with override(area(kind)):
            bpy.ops.screen.screen_full_area(use_hide_panels=False)
        yield 0.3
    area().type = kind
    yield 0.2


def show_sidebar(tab: str | None = None, of: bpy.types.Area | None = None) -> Iterator[float]:
    """Open the 3D view's sidebar, at a tab; `yield from` it."""
    of = of or area()
    of.spaces.active.show_region_ui = True
    yield 0.4
    if tab:
        region(of, "UI").active_panel_category = tab
        of.tag_redraw()
        yield 0.3


def until(true: Callable[[], object], seconds: float = 30.0, what: str = "") -> Iterator[float]:
    """Wait until the function says something true; `value = yield from until(…)`.

    Raises:
        TimeoutError: it did not in time.
    """
    end = time.monotonic() + seconds
    while not (value := true()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what or true} was not so after {seconds:.0f} s")
        yield POLL_S
    return value


def redraw() -> None:
    """Have every area drawn again."""
    for item in bpy.context.window_manager.windows:
        for each in item.screen.areas:
            each.tag_redraw()


def press(key: str, at: bpy.types.Area | None = None, **held: bool) -> None:
    """Press and release a key (`shift=True` and the like) over the middle of an area."""
    at = at or area()
    x, y = at.x + at.width // 2, at.y + at.height // 2
    window().event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
    window().event_simulate(type=key, value="PRESS", x=x, y=y, **held)
    window().event_simulate(type=key, value="RELEASE", x=x, y=y, **held)


def screenshot(name: str, of: bpy.types.Area | bpy.types.Region | None = None) -> str:
    """A picture of the screen, or of an area or a region of the first window; its path.

    Blender's own screenshots are black here, so that scrot takes them.
    """
    path = FOLDER / f"{name}.png"
    words = ["scrot", "--overwrite", "--silent"]
    if of is not None:
        top = window().height - of.y - of.height
        words += ["--autoselect", f"{of.x},{top},{of.width},{of.height}"]
    subprocess.run([*words, str(path)], check=True, timeout=20)
    return str(path)
