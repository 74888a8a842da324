# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame of one view layer: the shutter's moments read from the scene, rendered and merged."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import bpy
import numpy as np

from ...engine.errors import PartNerFaceError
from ..colour import looks
from . import cameras, passes, shutter
from .dispatch import Dispatcher
from .picture import Sheet, exposed, merged
from .shots import Shot, read


class FrameError(PartNerFaceError):
    """The scene asks for what cannot be rendered."""

    code = "bad_scene"


@dataclass(frozen=True)
class Moment:
    """One moment of the open shutter."""

    lens: cameras.Lens
    shots: list[Shot]


def render_frame(
    engine: bpy.types.RenderEngine,
    depsgraph: bpy.types.Depsgraph,
    dispatcher: Dispatcher,
) -> passes.PassPlanes:
    """The passes of the depsgraph's view layer.

    Raises:
        FrameError: multi-view is on.
        CameraError: there is no camera that avatars can be seen through.
        Cancelled: the artist stopped the render.
        EngineFailed: the engine refused, died or hung.
    """
    scene, layer = depsgraph.scene, depsgraph.view_layer
    if scene.render.use_multiview:
        raise FrameError(
            "Stereoscopy is on, and avatars are rendered for one eye only.",
            "Switch Stereoscopy off in the output properties.",
        )
    moments = read_moments(engine, depsgraph, dispatcher)
    avatars = {shot.key: shot for moment in moments for shot in reversed(moment.shots)}
    avatars |= {shot.key: shot for shot in moments[0].shots}
    mist = passes.Mist.of(scene.world) if layer.use_pass_mist else None
    parts = len(passes.PARTS) if "parts" in passes.engine_planes(scene, layer) else 0
    sheets = moment_sheets(moments, list(avatars), dispatcher, mist, engine.update_progress)
    size = moments[0].lens.width, moments[0].lens.height
    picture = exposed(merged(found, *size, parts) for found in sheets)
    return passes.PassPlanes(
        picture, list(avatars.values()), moments[0].lens, layer.pass_cryptomatte_depth
    )


def read_moments(
    engine: bpy.types.RenderEngine, depsgraph: bpy.types.Depsgraph, dispatcher: Dispatcher
) -> list[Moment]:
    """What the scene shows at each moment of the shutter, its middle first."""
    scene = depsgraph.scene
    camera = engine.camera_override or scene.camera  # markers do not switch it within a frame
    frame = scene.frame_current + scene.frame_subframe
    times = shutter.moments(scene.render, frame, scene.partnerface_render.motion_samples)
    size = engine.resolution_x, engine.resolution_y
    window = window_of(scene.render, *size)
    planes = passes.engine_planes(scene, depsgraph.view_layer)
    look = looks.find_look(scene)
    moments = []
    try:
        for time in times:
            if len(times) > 1:
                engine.frame_set(*shutter.split(time))
            seen = camera and camera.original.evaluated_get(depsgraph)
            lens = cameras.lens_of(seen, depsgraph, *size).cut_out(*window)
            moments.append(Moment(lens, read(depsgraph, lens, planes, look, dispatcher.header)))
    finally:
        if len(times) > 1:
            engine.frame_set(*shutter.split(frame))
    return moments


def moment_sheets(
    moments: list[Moment],
    keys: list[tuple],
    dispatcher: Dispatcher,
    mist: passes.Mist | None,
    on_progress: Callable[[float], None],
) -> Iterator[list[Sheet | None]]:
    """For each moment the sheets of the avatars with these keys; what rests is rendered once."""
    uses = Counter(shot.same_picture for moment in moments for shot in moment.shots)
    asked = {shot.same_picture: shot for moment in moments for shot in moment.shots}
    answers = dispatcher.planes([shot.request for shot in asked.values()], on_progress)
    kept: dict[bytes, dict[str, np.ndarray]] = {}
    for moment in moments:
        sheets = {}
        for shot in moment.shots:
            same = shot.same_picture
            planes = kept.pop(same) if same in kept else next(answers)
            uses[same] -= 1
            if uses[same]:
                kept[same] = planes
            sheets[shot.key] = passes.sheet_of(shot, planes, mist)
        yield [sheets.get(key) for key in keys]
    answers.close()


def window_of(
    render: bpy.types.RenderSettings, width: int, height: int
) -> tuple[int, int, int, int]:
    """The pixels to render, first row on top: left, top, right, bottom of the border, or all.

    In single precision, as Blender computes it, for its buffers have the size it finds.
    """
    if not render.use_border:
        return 0, 0, width, height
    left, right = (
        int(np.float32(side) * np.float32(width))
        for side in (render.border_min_x, render.border_max_x)
    )
    bottom, top = (
        int(np.float32(side) * np.float32(height))
        for side in (render.border_min_y, render.border_max_y)
    )
    return left, height - top, max(right, left + 1), height - min(bottom, top - 1)
