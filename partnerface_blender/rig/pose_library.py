# SPDX-License-Identifier: GPL-3.0-or-later
"""The standard expressions as pose assets, for the asset browser; with the avatar's own picture.

A pose asset knows bones and their properties: enough, since the sliders are the face bone's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import bpy
import numpy as np

from ..blender_versions import curves_of_new
from ..connection.engine_requests import RenderRequest
from . import parameters, sliders
from .arkit import HALVES
from .build import BONE_NAMES
from .combinations import jaw_turn
from .expressions import EXPRESSIONS, values_of

TAG = "PartNerFace"
OWN_NAME = "Expression"
JAW = BONE_NAMES.index("jaw")
PICTURE_SIDE = 128  # px
FIELD = 1.12  # the picture's height, in heights of the face from chin to crown


def expression_poses(rig: bpy.types.Object) -> dict[str, dict[str, float]]:
    """Name → slider → value of each standard expression that the rig can do."""
    there = sliders.all_slider_names(rig)
    return {name: values_of(expression, there) for name, expression in EXPRESSIONS.items()}


def present_pose(rig: bpy.types.Object) -> dict[str, dict[str, float]]:
    """The face as it is, as the only one of such poses."""
    values = {name: sliders.get_slider(rig, name) for name in sliders.all_slider_names(rig)}
    return {OWN_NAME: {n: v for n, v in values.items() if not n.startswith("eyeLook")}}


def add_pose_assets(
    poses: Mapping[str, Mapping[str, float]], pictures: Mapping[str, np.ndarray]
) -> list[bpy.types.Action]:
    """Make a pose asset for each pose; a standard one takes the place of what was made before.

    Args:
        poses: name → slider → value.
        pictures: name → [S, S, 4] float32 sRGB, premultiplied, first row on top; may lack some.
    """
    made = []
    for name, values in poses.items():
        old = bpy.data.actions.get((name, None))
        ours = old is not None and old.asset_data is not None and TAG in old.asset_data.tags
        if ours and name in EXPRESSIONS:
            bpy.data.actions.remove(old)
        action = bpy.data.actions.new(name)
        curves = curves_of_new(action, TAG)
        for slider, value in values.items():
            points = curves.new(sliders.property_path(slider), index=0).keyframe_points
            points.insert(1, value)
        action.asset_mark()
        action.asset_data.tags.new(TAG, skip_if_exists=True)
        if name in EXPRESSIONS:
            action.asset_data.description = EXPRESSIONS[name].about
        if name in pictures:
            _show_picture(action, pictures[name])
        made.append(action)
    return made


def _show_picture(action: bpy.types.Action, picture: np.ndarray) -> None:
    preview = action.preview_ensure()
    preview.image_size = picture.shape[1::-1]
    preview.image_pixels_float.foreach_set(np.ascontiguousarray(picture[::-1], np.float32).ravel())


def posed_parameters(
    rig: bpy.types.Object, poses: Mapping[str, Mapping[str, float]]
) -> dict[str, tuple[dict[str, float], np.ndarray]]:
    """Each pose's coefficients by name, and theta [J, 3] of a head that looks ahead."""
    there = sliders.all_slider_names(rig)
    names = [name for name in there if not set(HALVES.get(name, ())) & set(there)]
    found = {}
    for pose, values in poses.items():
        theta = np.zeros((len(BONE_NAMES), 3), np.float32)
        theta[JAW] = jaw_turn(rig, values)
        psi = parameters.expressions_of(rig, dict(values), names)
        found[pose] = dict(zip(names, psi.tolist(), strict=True)), theta
    return found


def portrait_camera(rig: bpy.types.Object) -> dict:
    """A camera before the face at rest, as the engine takes it: head space, m, OpenCV axes."""
    bones = rig.data.bones
    eye, other, jaw = (bones[name].head_local for name in ("eye.L", "eye.R", "jaw"))
    apart = (eye - other).length
    # Rig space is x left, z up; head space x left, y up, z out of the face.
    x, y, z = (eye.x + other.x) / 2, (eye.z + other.z) / 2, -jaw.y
    far, tall = 14 * apart, FIELD * 4.2 * apart
    focal = PICTURE_SIDE * far / tall
    pose = [[1, 0, 0, -x], [0, -1, 0, y - 0.1 * apart], [0, 0, -1, z + far], [0, 0, 0, 1]]
    return {
        "width": PICTURE_SIDE, "height": PICTURE_SIDE, "fx": focal, "fy": focal,
        "cx": PICTURE_SIDE / 2, "cy": PICTURE_SIDE / 2, "camera_from_world": pose,
    }  # fmt: skip


def render_pictures(
    header: Mapping,
    camera: Mapping,
    posed: Mapping[str, tuple[Mapping[str, float], np.ndarray]],
    render: Callable[[RenderRequest], Mapping],
) -> Iterator[tuple[str, np.ndarray]]:
    """Name and picture of one after the other. Touches no bpy: for a worker thread.

    Args:
        header: what the engine tells of the avatar, open.
        camera: of `portrait_camera`.
        posed: of `posed_parameters`.
        render: has the engine render.
    """
    for name, (psi, theta) in posed.items():
        vector = np.array([psi.get(e, 0.0) for e in header["expression_names"]], np.float32)
        request = RenderRequest(
            header["avatar"], camera, vector, theta, np.zeros(3, np.float32),
            "preview", ("combined",),
        )  # fmt: skip
        yield name, as_icon(render(request)["combined"])


def as_icon(combined: Sequence) -> np.ndarray:
    """Scene-linear, premultiplied [S, S, 4] → sRGB, premultiplied after the curve, as icons are."""
    plane = np.asarray(combined, np.float32)
    alpha = plane[..., 3:]
    linear = np.clip(plane[..., :3] / np.maximum(alpha, 1e-4), 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    alpha = np.clip(alpha, 0, 1)
    return np.concatenate([srgb * alpha, alpha], -1).astype(np.float32)
