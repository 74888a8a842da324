# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene's frames, read for the engine to render without Blender: parameters and cameras."""

import json
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np

from ...engine.errors import PartNerFaceError
from ..rig import parameters
from ..rig.arkit import HALVES
from ..rig.combinations import coefficient_names
from ..rig.parts import stacked
from . import cameras
from .frames import window_of

SCHEMA_VERSION = 1


class SequenceError(PartNerFaceError):
    """The scene's frames cannot be read."""

    code = "bad_sequence"


def expression_names(rig: bpy.types.Object) -> list[str]:
    """The coefficients of the rig's head by name.

    Raises:
        SequenceError: the head mesh is gone.
    """
    head = rig.partnerface.head
    if head is None or head.type != "MESH" or head.data.shape_keys is None:
        raise SequenceError(f"The avatar {rig.name} has lost its head mesh.", "Load it again.")
    known = coefficient_names(rig)
    if known:
        return known
    # A rig from an older .blend: sliders that stand for two halves are told as their halves.
    names = [block.name for block in head.data.shape_keys.key_blocks][1:]
    return [name for name in names if not set(HALVES.get(name, ("",))) <= set(names)]


def read(scene: bpy.types.Scene, rig: bpy.types.Object, path: Path) -> Iterator[float]:
    """Step through the scene's frames, one at each `next`, then write the file; shares done.

    The scene goes back to its frame at the end, however it ends.

    Raises:
        SequenceError: the rig has no head.
        CameraError: a frame's camera cannot be used.
    """
    names, before = expression_names(rig), (scene.frame_current, scene.frame_subframe)
    render, frames = scene.render, range(scene.frame_start, scene.frame_end + 1, scene.frame_step)
    size = [int(length * render.resolution_percentage / 100)
            for length in (render.resolution_x, render.resolution_y)]  # fmt: skip
    rows: dict[str, list] = {name: [] for name in ("psi", "theta", "translation", "depth_scale")}
    shots: list[str] = []
    try:
        for done, frame in enumerate(frames):
            scene.frame_set(frame)
            depsgraph = bpy.context.evaluated_depsgraph_get()
            seen = rig.evaluated_get(depsgraph)
            camera = scene.camera and scene.camera.evaluated_get(depsgraph)
            view = cameras.see(camera, seen, depsgraph, *size)
            view = cameras.cut_out(view, *window_of(render, *size))
            values = parameters.read_parameters(rig, depsgraph, names)
            shots.append(json.dumps(view.camera))
            for name in ("psi", "theta", "translation"):
                rows[name].append(getattr(values, name))
            rows["depth_scale"].append(view.depth_scale)
            yield (done + 1) / len(frames)
    finally:
        scene.frame_set(before[0], subframe=before[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.asarray(row) for name, row in rows.items() if name != "psi"}
    arrays["psi"] = stacked(rows["psi"])
    with open(path, "wb") as file:
        np.savez(
            file, schema_version=SCHEMA_VERSION, frames=np.array(frames),
            expressions=np.array(names), cameras=np.array(shots), **arrays,
        )  # fmt: skip
