# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendered viewport: the newest picture the engine has made, never a wait.

Each viewport has at most one request under way. A picture that comes late is stretched over the
region until the next one is there.
"""

from dataclasses import dataclass

import bpy
import numpy as np

from ...engine.errors import PartNerFaceError
from .. import avatars
from ..connection import engine_link
from ..connection.engine_process import Pending, RenderRequest
from ..properties import is_avatar
from ..rendering import cameras
from ..rig import parameters

LONGEST_SIDE = 256  # px, of the pictures that are asked for
POLL_S = 0.05


@dataclass
class View3D:
    """What one viewport shows and waits for."""

    pending: Pending | None = None
    wanted: tuple | None = None  # what the request under way shows
    shown: tuple | None = None  # what the texture shows
    texture: object = None  # gpu.types.GPUTexture
    failure: str = ""


_views: dict[int, View3D] = {}  # by the region's address


def draw(
    engine: bpy.types.RenderEngine, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph
) -> None:
    """Draw what there is; ask for what is missing."""
    view = _views.setdefault(context.region.as_pointer(), View3D())
    try:
        _collect(view)
        _ask(view, context, depsgraph)
        view.failure = ""
    except PartNerFaceError as error:
        view.failure = str(error)
    engine.update_stats("PartNerFace", view.failure or ("Rendering" if view.pending else ""))
    if view.texture is not None:
        _blit(engine, view, context, depsgraph)


def _collect(view: View3D) -> None:
    """Turn a finished request into the texture."""
    if view.pending is None or not view.pending.done():
        return
    pending, view.pending = view.pending, None
    view.shown = view.wanted  # also when it fails: the same request would fail again
    planes = pending.result().arrays
    import gpu

    pixels = np.ascontiguousarray(planes["combined"][::-1], np.float32)
    height, width = pixels.shape[:2]
    data = gpu.types.Buffer("FLOAT", pixels.size, pixels.ravel())
    view.texture = gpu.types.GPUTexture((width, height), format="RGBA16F", data=data)


def _ask(view: View3D, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> None:
    """Send a request if what the viewport should show has changed and none is under way."""
    rig = next((item for item in depsgraph.objects if is_avatar(item)), None)
    if rig is None or view.pending is not None or not context.region_data.is_perspective:
        return
    settings = engine_link.read_settings()
    if engine_link.running_engine() is None:
        return  # opening an avatar takes seconds; `load avatar` and F12 do it
    header = engine_link.find_open(avatars.avatar_path(rig))
    if header is None:
        return
    values = parameters.read_parameters(rig, depsgraph, header["expression_names"])
    region, shrink = context.region, LONGEST_SIDE / max(context.region.width, context.region.height)
    width, height = (
        max(1, round(side * min(1.0, shrink))) for side in (region.width, region.height)
    )
    seen = cameras.view_through(
        np.array(context.region_data.window_matrix, np.float64),
        np.linalg.inv(np.array(context.region_data.view_matrix, np.float64)),
        rig, width, height,
    )  # fmt: skip
    wanted = (
        repr(seen.camera),
        values.psi.tobytes(),
        values.theta.tobytes(),
        values.translation.tobytes(),
    )
    if wanted == view.shown:
        return
    request = RenderRequest(
        header["avatar"],
        seen.camera,
        values.psi,
        values.theta,
        values.translation,
        "preview",
        ("combined",),
    )
    view.pending, view.wanted = engine_link.submit_render(settings, request), wanted
    if not bpy.app.timers.is_registered(_poll):
        bpy.app.timers.register(_poll, first_interval=POLL_S)


def _blit(
    engine: bpy.types.RenderEngine,
    view: View3D,
    context: bpy.types.Context,
    depsgraph: bpy.types.Depsgraph,
) -> None:
    """Draw the texture over the region, under the scene's view transform."""
    import gpu
    from gpu_extras.presets import draw_texture_2d

    gpu.state.blend_set("ALPHA_PREMULT")
    engine.bind_display_space_shader(depsgraph.scene)
    draw_texture_2d(view.texture, (0, 0), context.region.width, context.region.height)
    engine.unbind_display_space_shader()
    gpu.state.blend_set("NONE")


def _poll() -> float | None:
    """Redraw once a picture has come; end when nobody waits."""
    waiting = [view for view in _views.values() if view.pending is not None]
    if any(view.pending.done() for view in waiting):
        for window in bpy.context.window_manager.windows:
            for area in window.screen.areas:
                if area.type == "VIEW_3D":
                    area.tag_redraw()
    return POLL_S if waiting else None


def detach() -> None:
    """Forget every viewport, and stop the timer."""
    _views.clear()
    if bpy.app.timers.is_registered(_poll):
        bpy.app.timers.unregister(_poll)
