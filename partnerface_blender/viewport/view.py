# SPDX-License-Identifier: GPL-3.0-or-later
"""Avatars in 3D views: what each view wishes for, and the newest picture of it, never a wait.

A draw handler reads the evaluated scene, tells the feed what the view wishes for, and draws what
there is. The feed's thread does the waiting; a timer has views drawn again when something has come.
"""

import threading
import time

import bpy
import numpy as np

from ...engine.errors import PartNerFaceError
from .. import avatars, preferences
from ..connection import engine_link
from ..failures import own_mistake
from ..rig import parameters
from . import bones, cover, shading, words
from .feed import Feed
from .lenses import Eye, look_at
from .placements import Placement, ball_of, visible_avatars
from .settings import redraw_views
from .tones import Tones
from .wishes import Wish, ladder

POLL_S = 0.01
SETTINGS_S = 1.0  # how long the engine's settings are believed, which are on the disk
SHADINGS = ("SOLID", "MATERIAL", "RENDERED")
OWN_ENGINES = ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH")


class Views:
    """Every 3D view of this Blender."""

    def __init__(self) -> None:
        self.feed = Feed()
        self.tones = Tones()
        self.changes = 0  # of scenes, counted
        self.textures: dict[tuple, shading.Textures] = {}  # by slot
        self.sentences: dict[int, list[str]] = {}  # by region
        self.switched_off: set[int] = set()  # spaces
        self.seen = 0  # version of the feed that has been drawn
        self.unsettled = False
        self.settings: tuple[float, engine_link.EngineSettings] | None = None


_views = Views()
_handles: list = []


def is_shown(space: bpy.types.SpaceView3D) -> bool:
    """Whether avatars are switched on in a viewport."""
    return space.as_pointer() not in _views.switched_off


def switch(space: bpy.types.SpaceView3D) -> None:
    """Switch avatars in a viewport on or off, until the file is closed."""
    _views.switched_off ^= {space.as_pointer()}


def draw(
    engine: bpy.types.RenderEngine, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph
) -> None:
    """Our render engine's own viewport: the draw handler puts the avatars in here as everywhere."""
    engine.update_stats("PartNerFace", _views.feed.saying())


def _draw_pictures() -> None:
    """Draw handler: one region of a 3D view, after its objects."""
    context = bpy.context
    region, space = context.region, context.space_data
    _views.sentences.pop(region.as_pointer(), None)
    said = []
    try:
        depsgraph = context.evaluated_depsgraph_get()
        placements = []
        if _wants_avatars(space):
            placements = visible_avatars(depsgraph, space, _views.changes)
        wanted = {placement.key for placement in placements}
        for key in _views.feed.keys():
            if key[0] == region.as_pointer() and key[1:] not in wanted:
                _drop(key)
        if not placements:
            return
        matrices = context.region_data.window_matrix, context.region_data.view_matrix
        eye = Eye(*(np.array(m, np.float64) for m in matrices), region.width, region.height)
        said = _show(context, depsgraph, eye, placements)
    except PartNerFaceError as error:
        said = [str(error)]
    except Exception as error:
        said = [str(own_mistake(error))]
    said += [_views.feed.saying()]
    _views.sentences[region.as_pointer()] = list(dict.fromkeys(filter(None, said)))
    _keep_polling()


def _wants_avatars(space: bpy.types.SpaceView3D) -> bool:
    """Whether avatars are shown in a viewport as it is now."""
    enabled = preferences.preferences().viewport.enabled
    return enabled and space.shading.type in SHADINGS and is_shown(space)


def _show(
    context: bpy.types.Context,
    depsgraph: bpy.types.Depsgraph,
    eye: Eye,
    placements: list[Placement],
) -> list[str]:
    """Wish for every avatar and draw what there is of each, far ones first; what went wrong."""
    settings = _engine_settings()
    moment = (_views.changes, eye.view_from_world.tobytes(), eye.projection.tobytes())
    sentences, drawn = [], []
    for placement in placements:
        key = (context.region.as_pointer(), *placement.key)
        try:
            _wish(key, placement, depsgraph, eye, moment, settings)
        except PartNerFaceError as error:
            sentences.append(str(error))
            continue
        failure = _views.feed.failure(key)
        sentences.append(failure and f"{failure} The next change tries again.")
        _views.unsettled = _views.unsettled or not placement.rig.partnerface.covers
        textures = _newest(key)
        if textures is not None:
            drawn.append((placement, textures))
    distances = [_distance(eye, placement, t.picture.placing) for placement, t in drawn]
    for n in np.argsort(distances)[::-1]:
        _draw_one(context, eye, *drawn[n], distances[n])
    for placement, _ in drawn:
        bones.draw(context, placement.rig.evaluated_get(depsgraph))
    return sentences


def _wish(
    key: tuple,
    placement: Placement,
    depsgraph: bpy.types.Depsgraph,
    eye: Eye,
    moment: tuple,
    settings: engine_link.EngineSettings,
) -> None:
    """Tell the feed what a view wishes to see of an avatar."""
    chosen = preferences.preferences().viewport
    path = avatars.avatar_path(placement.rig)
    header = engine_link.find_open(path)
    if header is None:
        _views.feed.want(key, path, None, moment, settings)
        return
    rig = placement.rig.evaluated_get(depsgraph)
    sight = look_at(eye, placement.name, placement.world_from_rig, ball_of(rig))
    if sight is None:
        _views.feed.forget(key)
        return
    values = parameters.read_parameters(rig, depsgraph, header["expression_names"])
    coarse = _views.feed.pace.side
    rungs = ladder(sight.side, chosen.largest_side, chosen.quality, coarse)
    wish = Wish(
        path, sight.camera, values.psi, values.theta, values.translation, rungs, sight.placing
    )
    _views.feed.share = chosen.share / 100
    _views.feed.want(key, path, wish, moment, settings)


def _newest(key: tuple) -> shading.Textures | None:
    """The slot's newest picture on the graphics card."""
    picture = _views.feed.picture(key)
    if picture is None:
        _views.textures.pop(key, None)
        return None
    known = _views.textures.get(key)
    if known is None or known.picture is not picture:
        known = _views.textures[key] = shading.upload(picture)
    return known


def _distance(eye: Eye, placement: Placement, placing: object) -> float:
    """How far the head's middle is along the view now, in scene units."""
    centre = eye.view_from_world @ placement.world_from_rig @ np.append(placing.centre, 1.0)
    return -float(centre[2])


def _draw_one(
    context: bpy.types.Context,
    eye: Eye,
    placement: Placement,
    textures: shading.Textures,
    distance: float,
) -> None:
    """Draw one avatar where it is now."""
    placing = textures.picture.placing
    clip_from_rig = eye.projection @ eye.view_from_world @ placement.world_from_rig
    reach = (placing.depth_scale, placing.depth_shift + distance - placing.distance)
    shading.draw(
        textures, clip_from_rig @ placing.rig_from_quad, eye.projection, reach,
        _views.tones.of(context.scene), _holds_depth(context),
    )  # fmt: skip


def _holds_depth(context: bpy.types.Context) -> bool:
    """Whether the view's depth buffer holds the scene's objects.

    Engines outside Blender (Cycles) fill none: Blender does it for them where overlays are shown.
    Our own engine renders nothing but avatars, so that nothing can be in front of them.
    """
    engine = context.scene.render.engine
    if context.space_data.shading.type != "RENDERED" or engine in OWN_ENGINES:
        return True
    return engine != "PARTNERFACE" and context.space_data.overlay.show_overlays


def _engine_settings() -> engine_link.EngineSettings:
    """How to start the engine; read from the disk now and then."""
    now = time.monotonic()
    if _views.settings is None or now - _views.settings[0] > SETTINGS_S:
        _views.settings = now, engine_link.read_settings()
    return _views.settings[1]


def _draw_words() -> None:
    """Draw handler: what the avatars of a region have to say, over everything else."""
    sentences = _views.sentences.get(bpy.context.region.as_pointer())
    if sentences:
        words.draw(bpy.context, sentences)


def _keep_polling() -> None:
    if not bpy.app.timers.is_registered(_poll):
        bpy.app.timers.register(_poll, first_interval=POLL_S, persistent=True)


def _poll() -> float | None:
    """Do what a draw handler may not; have views drawn when something is new; end when all is."""
    if _views.unsettled:
        _views.unsettled = False
        for avatar in cover.unsettled():
            cover.settle(avatar)
    if _views.feed.held and not bpy.app.is_job_running("RENDER"):
        _views.feed.hold(False)  # a movie that could not be begun tells nobody of its end
    busy = _views.feed.busy()  # asked first: what ends after this will have been seen below
    try:
        new = _views.tones.measure()
    except Exception as error:  # views go on
        own_mistake(error)
        new = False
    if _views.feed.version != _views.seen or new:
        _views.seen = _views.feed.version
        redraw_views()
    _drop_closed()
    return POLL_S if busy else None


def _drop_closed() -> None:
    """Forget the avatars of views that are on no screen any more."""
    open_ones = {
        region.as_pointer()
        for window in bpy.context.window_manager.windows
        for area in window.screen.areas
        for region in area.regions
    }
    for key in _views.feed.keys():
        if key[0] not in open_ones:
            _drop(key)


def _drop(key: tuple) -> None:
    _views.feed.forget(key)
    _views.textures.pop(key, None)


@bpy.app.handlers.persistent
def _note_change(*_: object) -> None:
    """Handler: something has changed, and what failed may be tried again.

    A change from a script has views evaluated, but not always drawn.
    """
    _views.changes += 1
    if _views.feed.keys() and threading.current_thread() is threading.main_thread():
        redraw_views()


@bpy.app.handlers.persistent
def _note_file(*_: object) -> None:
    """Handler: another file is open."""
    _forget_all()
    _views.changes += 1


@bpy.app.handlers.persistent
def _note_render(*_: object) -> None:
    """Handler, on the thread that renders: a final render has the engine to itself."""
    _views.feed.hold(True)


@bpy.app.handlers.persistent
def _note_render_s_end(*_: object) -> None:
    """Handler: the render is over, or was stopped."""
    _views.feed.hold(False)


HANDLERS = {
    "depsgraph_update_post": _note_change,
    "frame_change_post": _note_change,
    "undo_post": _note_change,
    "redo_post": _note_change,
    "load_post": _note_file,
    "render_init": _note_render,
    "render_complete": _note_render_s_end,
    "render_cancel": _note_render_s_end,
}


def _forget_all() -> None:
    _views.feed.stop()
    _views.feed = Feed()
    _views.textures.clear()
    _views.sentences.clear()
    _views.switched_off.clear()
    _views.tones.forget()
    _views.seen = 0


def attach() -> None:
    """Draw in every 3D view from now on."""
    space = bpy.types.SpaceView3D
    for function, moment in ((_draw_pictures, "POST_VIEW"), (_draw_words, "POST_PIXEL")):
        _handles.append(space.draw_handler_add(function, (), "WINDOW", moment))
    for name, function in HANDLERS.items():
        getattr(bpy.app.handlers, name).append(function)


def detach() -> None:
    """Draw no more, give the head meshes back, stop thread and timer."""
    for handle in _handles:
        bpy.types.SpaceView3D.draw_handler_remove(handle, "WINDOW")
    _handles.clear()
    for name, function in HANDLERS.items():
        registered = getattr(bpy.app.handlers, name)
        if function in registered:
            registered.remove(function)
    if bpy.app.timers.is_registered(_poll):
        bpy.app.timers.unregister(_poll)
    _forget_all()
    shading.forget()
    cover.give_back()
