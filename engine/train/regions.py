# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the face's regions lie in a picture, by the true geometry and not by any avatar.

A region is the pixels at which the posed head mesh shows the region's parts (`head.PARTS`; the
brows' part takes the forehead in, the mouth's its lining, teeth and tongue), grown by `GROWTH` of
the picture's height: an avatar that is a little off must not escape its own region. So neighbours
overlap by a rim. Hair hides nothing here, as the head mesh has none; what lies outside the true
matte, grown alike, belongs to no region, or a bust's white surroundings would flatter.
"""

import cv2
import numpy as np
import torch

from ..capture.folder import Capture
from ..head.model import PARTS, Head
from ..head.skinning import HeadTensors, posed_vertices
from ..render.camera import Camera
from ..render.mesh import view_mesh

REGIONS = {
    "mouth": ("mouth",),
    "eyes": ("eye_left", "eye_right"),
    "brows": ("brows",),
    "cheeks": ("cheek_left", "cheek_right"),
    "nose": ("nose",),
    "rest": ("rest",),
}
MOVING = ("mouth", "eyes", "brows")  # the region `moving` is these together
GROWTH = 0.015  # of the picture's height: 2 px of 128
NOTHING = -1  # label of a pixel that shows no head

Masks = dict[str, np.ndarray]  # region → [H, W] bool


def true_vertices(capture: Capture, index: int, head: HeadTensors) -> np.ndarray:
    """The capture's head as posed in frame `index`: [V, 3] m, world space."""
    motion = capture.motion[[index]]
    arrays = (motion.psi, motion.theta, motion.translation)
    return posed_vertices(head, *(torch.from_numpy(array) for array in arrays))[0].numpy()


def seen_parts(head: Head, posed: np.ndarray, camera: Camera) -> np.ndarray:
    """Which part each pixel shows: [H, W] int8 into PARTS, NOTHING beside the head.

    Args:
        head: says what each vertex belongs to.
        posed: [V, 3] m, world space.
        camera: the view.
    """
    view = view_mesh(posed, head.faces, camera)
    nearest = np.take_along_axis(head.faces[view.face], view.bary.argmax(-1)[..., None], -1)
    return np.where(view.hit, head.vertex_part[nearest[..., 0]], NOTHING).astype(np.int8)


def region_masks(parts: np.ndarray, matte: np.ndarray) -> Masks:
    """The masks of all regions, and of `moving`.

    Args:
        parts: [H, W] from `seen_parts`.
        matte: [H, W] true alpha in 0…1.
    """
    shown = grown(matte > 0.5)
    masks = {
        name: shown & grown(np.isin(parts, [PARTS.index(part) for part in members]))
        for name, members in REGIONS.items()
    }
    return masks | {"moving": np.any([masks[name] for name in MOVING], axis=0)}


def grown(mask: np.ndarray, share: float = GROWTH) -> np.ndarray:
    """A mask [H, W] bool grown on all sides by a share of its height, at least one pixel."""
    radius = max(round(share * len(mask)), 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.astype(np.uint8), disc) > 0
