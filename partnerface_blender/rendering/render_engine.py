# SPDX-License-Identifier: GPL-3.0-or-later
"""PartNerFace as a render engine: Combined, Depth, and a mask for each part of the face."""

from dataclasses import dataclass

import bpy
import numpy as np

from ...engine.errors import Cancelled, PartNerFaceError
from .. import avatars
from ..colour import looks
from ..connection import engine_link
from ..connection.engine_process import RenderRequest
from ..failures import own_mistake
from ..properties import is_avatar
from ..rig import parameters
from ..viewport import view as viewport
from . import cameras

EMPTY_DEPTH = 1e10  # as Blender's own engines say "nothing here"
PARTS = ("brows", "eye_left", "eye_right", "nose", "cheek_left", "cheek_right", "mouth", "rest")


@dataclass(frozen=True)
class Shot:
    """One avatar as the camera is to see it."""

    request: RenderRequest
    depth_scale: float


@dataclass
class Picture:
    """What has been rendered so far; first row on top."""

    colour: np.ndarray  # [H, W, 4] float32, scene-linear, premultiplied
    depth: np.ndarray  # [H, W] float32, scene units along the camera's z
    parts: np.ndarray  # [H, W, P] float32

    @classmethod
    def empty(cls, width: int, height: int) -> "Picture":
        """A picture of nothing."""
        return cls(
            np.zeros((height, width, 4), np.float32),
            np.full((height, width), EMPTY_DEPTH, np.float32),
            np.zeros((height, width, len(PARTS)), np.float32),
        )

    def add(self, colour: np.ndarray, depth: np.ndarray, parts: np.ndarray | None) -> None:
        """Put another avatar in, over what is behind it and under what is in front of it."""
        in_front = (depth < self.depth)[..., None]
        over = colour + self.colour * (1 - colour[..., 3:])
        under = self.colour + colour * (1 - self.colour[..., 3:])
        if parts is not None:
            self.parts = np.where(
                in_front,
                parts + self.parts * (1 - colour[..., 3:]),
                self.parts + parts * (1 - self.colour[..., 3:]),
            )
        self.colour = np.where(in_front, over, under)
        self.depth = np.minimum(self.depth, depth)


class PARTNERFACE_RenderEngine(bpy.types.RenderEngine):
    """Renders the scene's avatars and nothing else; the compositor sets them among other things."""

    bl_idname = "PARTNERFACE"
    bl_label = "PartNerFace"
    bl_use_preview = False
    bl_use_eevee_viewport = False
    bl_use_shading_nodes_custom = False
    bl_use_gpu_context = False

    def update_render_passes(
        self, scene: bpy.types.Scene = None, renderlayer: bpy.types.ViewLayer = None
    ) -> None:
        """Tell Blender which passes there are."""
        self.register_pass(scene, renderlayer, "Combined", 4, "RGBA", "COLOR")
        if renderlayer.use_pass_z:
            self.register_pass(scene, renderlayer, "Depth", 1, "Z", "VALUE")
        if scene.partnerface.part_passes:
            for name in PARTS:
                self.register_pass(scene, renderlayer, f"Part.{name}", 1, "X", "VALUE")

    def render(self, depsgraph: bpy.types.Depsgraph) -> None:
        """One frame of one view layer. What goes wrong becomes one sentence; Blender lives on."""
        try:
            picture = self._picture(depsgraph)
        except Cancelled:
            return
        except PartNerFaceError as error:
            self._fail(error)
            return
        except Exception as error:
            self._fail(own_mistake(error))
            return
        self._deliver(picture, depsgraph.view_layer_eval.name)

    def _fail(self, error: PartNerFaceError) -> None:
        self.report({"ERROR"}, str(error))

    def _picture(self, depsgraph: bpy.types.Depsgraph) -> Picture:
        """All avatars of the scene, merged."""
        window = window_of(depsgraph.scene.render, self.resolution_x, self.resolution_y)
        picture = Picture.empty(window[2] - window[0], window[3] - window[1])
        rigs = [item for item in depsgraph.objects if is_avatar(item)]
        if not rigs:
            return picture
        settings = engine_link.read_settings()
        camera, look = depsgraph.scene.camera, looks.find_look(depsgraph.scene)
        for number, rig in enumerate(rigs):
            self.update_stats("", f"PartNerFace: {rig.name}")
            view = cameras.see(
                camera and camera.evaluated_get(depsgraph),
                rig,
                depsgraph,
                self.resolution_x,
                self.resolution_y,
            )
            view = cameras.cut_out(view, *window)
            header = engine_link.describe_avatar(settings, avatars.avatar_path(rig))
            values = parameters.read_parameters(rig, depsgraph, header["expression_names"])
            wanted = [
                "combined",
                "depth",
                *(["parts"] if depsgraph.scene.partnerface.part_passes else []),
            ]
            request = RenderRequest(
                header["avatar"], view.camera, values.psi, values.theta, values.translation,
                rig.partnerface.quality, wanted, look,
            )  # fmt: skip
            planes = engine_link.render(
                settings,
                request,
                should_stop=self.test_break,
                on_progress=lambda done, n=number: self.update_progress(
                    (n + (done or 0)) / len(rigs)
                ),
            )
            depth = planes["depth"]
            depth = np.where(depth < EMPTY_DEPTH, depth * view.depth_scale, EMPTY_DEPTH).astype(
                np.float32
            )
            parts = planes["parts"].astype(np.float32) if "parts" in planes else None
            picture.add(planes["combined"].astype(np.float32), depth, parts)
        return picture

    def _deliver(self, picture: Picture, layer_name: str) -> None:
        """Hand the planes to Blender, whose first row is the bottom one."""
        height, width = picture.depth.shape
        result = self.begin_result(0, 0, width, height, layer=layer_name)
        for render_pass in result.layers[0].passes:
            plane = self._plane(picture, render_pass.name)
            if plane is not None:
                render_pass.rect.foreach_set(np.ascontiguousarray(plane[::-1], np.float32).ravel())
        self.end_result(result)

    def _plane(self, picture: Picture, name: str) -> np.ndarray | None:
        if name == "Combined":
            return picture.colour
        if name == "Depth":
            return picture.depth
        if name.startswith("Part."):
            return picture.parts[..., PARTS.index(name.removeprefix("Part."))]
        return None

    def view_update(self, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> None:
        """The scene has changed: the next draw asks for a new picture."""

    def view_draw(self, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> None:
        """Show the newest picture of the avatar, and ask the engine for the next one."""
        viewport.draw(self, context, depsgraph)


def window_of(
    render: bpy.types.RenderSettings, width: int, height: int
) -> tuple[int, int, int, int]:
    """The pixels to render, first row on top: left, top, right, bottom of the border, or all."""
    if not render.use_border:
        return 0, 0, width, height
    left, right = int(render.border_min_x * width), int(render.border_max_x * width)
    bottom, top = int(render.border_min_y * height), int(render.border_max_y * height)
    return left, height - top, max(right, left + 1), height - min(bottom, top - 1)


def compatible_panels() -> list[type]:
    """Blender's own panels that make sense for this engine."""
    left_out = ("_PT_filter", "_PT_layer_passes", "_PT_simplify", "freestyle", "gpencil")
    panels = []
    for name in dir(bpy.types):
        panel = getattr(bpy.types, name)
        engines = getattr(panel, "COMPAT_ENGINES", ())
        if "BLENDER_RENDER" in engines and not any(word in name for word in left_out):
            panels.append(panel)
    return panels


def attach() -> None:
    """Let Blender's own panels show up for this engine."""
    for panel in compatible_panels():
        panel.COMPAT_ENGINES.add(PARTNERFACE_RenderEngine.bl_idname)


def detach() -> None:
    """Undo `attach`."""
    for panel in compatible_panels():
        panel.COMPAT_ENGINES.discard(PARTNERFACE_RenderEngine.bl_idname)


CLASSES = (PARTNERFACE_RenderEngine,)
