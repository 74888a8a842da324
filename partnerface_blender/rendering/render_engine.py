# SPDX-License-Identifier: GPL-3.0-or-later
"""PartNerFace as a render engine: it starts the engine, delivers passes, and says what went wrong.

An engine that dies or hangs costs one frame's time: the frame is rendered again with a new one. If
that fails too, an error is reported; Blender then stops the animation and writes no picture, so
that frames on disk are good ones and the animation can go on from there.
"""

import bpy
import numpy as np

from ...engine.errors import Cancelled, PartNerFaceError
from ..connection import engine_link
from ..connection.engine_process import EngineFailed
from ..failures import own_mistake
from ..viewport import view as viewport
from . import cryptomatte, passes
from .dispatch import Dispatcher
from .frames import render_frame

GO_ON = " Frames on disk are kept: switch Overwrite off and render again to go on from here."
LOST = ("engine_died", "engine_hung", "protocol")  # failures that a new engine may not have


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
        for name, channels, names, kind in passes.listed(scene, renderlayer):
            self.register_pass(scene, renderlayer, name, channels, names, kind)

    def render(self, depsgraph: bpy.types.Depsgraph) -> None:
        """One frame of one view layer. What goes wrong becomes one sentence; Blender lives on."""
        try:
            self._warn(depsgraph.scene)
            found = self._found(depsgraph)
            self._deliver(found, depsgraph.view_layer)
        except Cancelled:
            return
        except PartNerFaceError as error:
            self.report({"ERROR"}, str(error) + (GO_ON if self.is_animation else ""))
        except Exception as error:
            self.report({"ERROR"}, str(own_mistake(error)))

    def _warn(self, scene: bpy.types.Scene) -> None:
        """Say what is left out of the picture."""
        camera = self.camera_override or scene.camera
        if camera is not None and camera.type == "CAMERA" and camera.data.dof.use_dof:
            self.report(
                {"WARNING"},
                "Avatars are rendered without the camera's depth of field: blur them by their "
                "Depth pass in the compositor's Defocus node.",
            )

    def _found(self, depsgraph: bpy.types.Depsgraph) -> passes.PassPlanes:
        """The layer's passes; tried once again where the engine was lost."""
        settings = engine_link.read_settings()
        self.update_stats("", "PartNerFace")
        try:
            return render_frame(self, depsgraph, Dispatcher(settings, self.test_break))
        except EngineFailed as error:
            if error.code not in LOST:
                raise
            self.report(
                {"WARNING"}, f"{error.message} The frame is rendered again with a new engine."
            )
        return render_frame(self, depsgraph, Dispatcher(settings, self.test_break))

    def _deliver(self, found: passes.PassPlanes, layer: bpy.types.ViewLayer) -> None:
        """Hand the planes to Blender, whose first row is the bottom one."""
        height, width = found.picture.depth.shape
        result = self.begin_result(0, 0, width, height, layer=layer.name)
        for render_pass in result.layers[0].passes:
            plane = found.plane(render_pass.name)
            if plane is not None:
                render_pass.rect.foreach_set(np.ascontiguousarray(plane[::-1], np.float32).ravel())
        self.end_result(result)
        whole = self.get_result()  # parts of it forget what they are told
        for name in passes.crypto_layers(layer):
            told = cryptomatte.metadata(layer.name, name, found.crypto_names(name))
            for key, value in told.items():
                whole.stamp_data_add_field(key, value)

    def view_update(self, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> None:
        """The scene has changed: the next draw asks for a new picture."""

    def view_draw(self, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> None:
        """Show the newest picture of the avatar, and ask the engine for the next one."""
        viewport.draw(self, context, depsgraph)


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
