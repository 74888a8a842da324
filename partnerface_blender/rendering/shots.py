# SPDX-License-Identifier: GPL-3.0-or-later
"""Which avatars a view layer holds at one moment, and what the engine is asked for each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from .. import avatars
from ..connection.engine_requests import Look, RenderRequest
from ..properties import is_avatar
from ..rig import parameters
from . import cameras


@dataclass(frozen=True)
class Shot:
    """One avatar as the camera is to see it at one moment."""

    key: tuple  # which avatar: the same at every moment, another one for each instance
    name: str  # of the rig
    asset: str  # of its topmost parent
    index: int  # the rig's pass index
    holdout: bool
    request: RenderRequest
    lens: cameras.Lens  # of the moment
    depth_scale: float  # scene units per metre of the head

    @property
    def world_from_head(self) -> np.ndarray:
        """[3, 3], how the head is turned in the scene."""
        camera_from_head = np.array(self.request.camera["camera_from_world"])[:3, :3]
        return self.lens.world_from_camera[:3, :3] @ camera_from_head

    @property
    def same_picture(self) -> bytes:
        """Equal for two shots that the engine would answer alike."""
        asked = self.request
        arrays = (asked.psi, asked.theta, asked.translation)
        told = repr((asked.avatar, asked.quality, sorted(asked.camera.items())))
        return b"".join([told.encode(), *(np.asarray(array).tobytes() for array in arrays)])


def read(
    depsgraph: bpy.types.Depsgraph,
    lens: cameras.Lens,
    planes: Sequence[str],
    look: Look | None,
    header_of: Callable[[Path], Mapping],
) -> list[Shot]:
    """The avatars of the evaluated view layer that are rendered: instances too, hidden ones not.

    Args:
        depsgraph: the evaluated view layer.
        lens: of the camera, at the same moment.
        planes: what is asked of the engine.
        look: under which view transform the avatars are to look as filmed.
        header_of: what the engine tells of an avatar file.

    Raises:
        CameraError: an avatar is sheared or flattened.
        RigError: a rig lacks something.
        EngineFailed, AvatarFileError: by `header_of`.
    """
    layer = depsgraph.view_layer
    shots = []
    for instance in depsgraph.object_instances:
        rig = instance.object
        if not is_avatar(rig) or rig.original.indirect_only_get(view_layer=layer):
            continue
        header = header_of(avatars.avatar_path(rig.original))
        values = parameters.read_parameters(rig, depsgraph, header["expression_names"])
        view = cameras.through(lens, rig.name, np.array(instance.matrix_world, np.float64))
        request = RenderRequest(
            header["avatar"], view.camera, values.psi, values.theta, values.translation,
            rig.partnerface.quality, planes, look,
        )  # fmt: skip
        identity = tuple(instance.persistent_id) if instance.is_instance else ()
        owner = instance.parent.name if instance.is_instance else ""
        shots.append(
            Shot(
                key=(rig.name_full, owner, *identity),
                name=rig.name,
                asset=topmost(rig.original).name,
                index=rig.pass_index,
                holdout=rig.is_holdout or rig.original.holdout_get(view_layer=layer),
                request=request,
                lens=lens,
                depth_scale=view.depth_scale,
            )
        )
    return shots


def topmost(item: bpy.types.Object) -> bpy.types.Object:
    """The object itself, or the parent of all its parents."""
    while item.parent is not None:
        item = item.parent
    return item
