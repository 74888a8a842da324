# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of a person's matte is the head's: cut below the neck, without collars, one piece."""

from dataclasses import dataclass

import cv2
import numpy as np

from ..head.model import PARTS, Head
from ..render.camera import Camera
from ..render.mesh import MeshView, view_mesh
from .cloth import cloth
from .guided import step
from .neck import neck_heights

VIEW = 128  # px; the head's mesh is looked at this large to find where it ends in the picture
BARE_PARTS = ("nose", "cheek_left", "cheek_right", "rest")
SOFT = 0.004  # m, half the width of the cut
HAIR = 0.12  # m that hair may stand off the mesh
NECK = 0.012  # m that skin below the chin may lie beside the mesh


@dataclass(frozen=True)
class NeckCut:
    """What of a picture belongs to the head, told by the fitted mesh."""

    faces: np.ndarray  # [F, 3] skin
    heights: np.ndarray  # [V, 1] m above the end of the neck
    chin: float  # m
    bare: np.ndarray  # [V, 1] float32, one on bare skin: no lips, brows, eyes or scalp

    @classmethod
    def of(cls, head: Head) -> "NeckCut":
        """The cut for a subject's head."""
        heights, chin = neck_heights(head)
        bare = np.isin(head.vertex_part, [PARTS.index(name) for name in BARE_PARTS])
        bare &= np.isin(np.arange(len(bare)), head.vertices_in("face", "neck"))
        return cls(head.skin_faces, heights[:, None], chin, bare[:, None].astype(np.float32))

    def mask(
        self, posed: np.ndarray, camera: Camera, picture: np.ndarray, person: np.ndarray
    ) -> np.ndarray:
        """[H, W] float32 in 0…1: one on the head and its hair, zero below the neck and beside it.

        Args:
            posed: [V, 3] m, world space.
            camera: the view.
            picture: [H, W, 3] uint8 RGB, what it saw.
            person: [H, W] float32 in 0…1, where a person is seen.
        """
        scale = VIEW / max(camera.width, camera.height)
        ends = self.ends(posed, camera.resized(max(round(camera.width * scale), 1),
                                               max(round(camera.height * scale), 1)))  # fmt: skip
        if ends is None:
            return np.ones((camera.height, camera.width), np.float32)
        keep = cv2.resize(ends.keep, (camera.width, camera.height), interpolation=cv2.INTER_LINEAR)
        bare = ends.hit & (ends.view.interpolate(self.bare, self.faces)[..., 0] > 0.5)
        return keep * (1 - cloth(picture, person, ends.hit, bare, ends.height, self.chin))

    def ends(self, posed: np.ndarray, camera: Camera) -> "HeadEnds | None":
        """The same in every pixel of this camera; None where it sees no head."""
        view = view_mesh(posed, self.faces, camera)
        # Through the open mouth one sees the skin of the nape from within: that counts as no hit.
        hit = view.hit & _faces_camera(posed, self.faces, camera)[view.face]
        if not hit.any():
            return None
        height = view.interpolate(self.heights, self.faces)[..., 0].astype(np.float32)
        away, nearest = cv2.distanceTransformWithLabels(
            np.where(hit, 0, 1).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        metres = float(np.median(view.depth[hit])) / camera.fx  # per pixel
        height = _extend(height, hit, nearest, metres)
        # Beside the neck only skin stays; from the chin to the ears ever more hair may.
        reach = NECK + (HAIR - NECK) * step(height, 0.6 * self.chin, self.chin + 0.05)
        keep = step(height, -SOFT, SOFT) * step(reach - away * metres, -SOFT, SOFT)
        return HeadEnds(view, hit, height, nearest, keep.astype(np.float32))


@dataclass(frozen=True)
class HeadEnds:
    """Where a picture's head ends, pixel by pixel."""

    view: MeshView
    hit: np.ndarray  # [H, W] bool, skin seen from outside
    height: np.ndarray  # [H, W] float32 m above the neck's end
    nearest: np.ndarray  # [H, W] int32, a label shared with the pixel of `hit` that is nearest
    keep: np.ndarray  # [H, W] float32 in 0…1, where the head and its hair may be

    def carried(self, values: np.ndarray) -> np.ndarray:
        """What the nearest pixel of `hit` has, of values [H, W]."""
        of_label = np.zeros(self.nearest.max() + 1, values.dtype)
        of_label[self.nearest[self.hit]] = values[self.hit]
        return of_label[self.nearest]


def whole_matte(alpha: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """The matte that is stored.

    Args:
        alpha: [H, W] float32, the person's.
        keep: [H, W] float32 in 0…1, where the head may be.

    Returns:
        [H, W] uint8 alpha: one piece.
    """
    alpha = alpha * keep
    alpha = alpha * _largest_piece(alpha)
    return (np.clip(alpha, 0, 1) * 255 + 0.5).astype(np.uint8)


def _extend(height: np.ndarray, hit: np.ndarray, nearest: np.ndarray, metres: float) -> np.ndarray:
    """The heights [h, w] m of a mesh's pixels, carried on to the pixels around it.

    A pixel lies as high as the nearest one of the mesh, and by so much lower as it lies below it:
    a shoulder under a turned chin is lower than the chin.

    Args:
        height: [h, w] m, on the mesh.
        hit: [h, w] bool, where the mesh is.
        nearest: [h, w] labels that a pixel shares with the mesh pixel nearest to it.
        metres: size of a pixel at the head, m.
    """
    y, x = np.mgrid[0 : hit.shape[0], 0 : hit.shape[1]].astype(np.float32)
    place = np.stack([x[hit], y[hit], np.ones(hit.sum())], 1)
    up = np.linalg.lstsq(place, height[hit], rcond=None)[0][:2]
    up *= metres / max(np.linalg.norm(up), 1e-9)  # m per pixel, in the picture
    rest = np.zeros(nearest.max() + 1, np.float32)
    rest[nearest[hit]] = height[hit] - place[:, :2] @ up
    return (rest[nearest] + x * up[0] + y * up[1]).astype(np.float32)


def _faces_camera(posed: np.ndarray, faces: np.ndarray, camera: Camera) -> np.ndarray:
    """[F] bool: triangles whose outer side the camera sees."""
    a, b, c = (posed[faces[:, i]] for i in range(3))
    eye = camera.world_from_camera[:3, 3]
    return ((eye - a) * np.cross(b - a, c - a)).sum(1) > 0


def _largest_piece(alpha: np.ndarray) -> np.ndarray:
    """[H, W] float32, one on the largest connected piece and its soft rim."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((alpha > 0.3).astype(np.uint8))
    if count <= 2:
        return np.ones_like(alpha)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    piece = (labels == largest).astype(np.float32)
    return cv2.dilate(piece, np.ones((7, 7), np.uint8))
