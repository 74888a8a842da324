# SPDX-License-Identifier: GPL-3.0-or-later
"""A mask's edges moved onto the picture's: the guided filter with a colour guide.

He, Sun and Tang, "Guided image filtering" (2010), eq. 19-21, computed at half size or less as in
He and Sun, "Fast guided filter" (2015). Colour tells skin from a wall that is as bright as it.
"""

import cv2
import numpy as np

REACH = 0.06  # of the filter's window to each side: share of the picture
FLATNESS = 1e-4  # variance of colour (in 0…1) below which a window counts as flat
COARSE = 320  # px of the longer side at which the filter is computed
INWARDS, OUTWARDS = 0.03, 0.03  # share of the picture that the mask's edge may move


def follow_edges(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The mask [H, W] in 0…1 with its edges moved onto those of the picture [H, W, 3] uint8."""
    height, width = mask.shape
    slope, offset = _coefficients(*_coarse(picture, mask))
    slope, offset = (cv2.resize(a, (width, height)) for a in (slope, offset))
    refined = _dot(slope, picture.astype(np.float32) / 255) + offset
    # Where no colour tells them apart the segmentation is all that is known.
    inwards, outwards = (disc(share * max(mask.shape)) for share in (INWARDS, OUTWARDS))
    return np.clip(refined, cv2.erode(mask, inwards), cv2.dilate(mask, outwards))


def disc(radius: float) -> np.ndarray:
    """A round structuring element of a radius in px."""
    side = 2 * max(round(radius), 1) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Zero below `low`, one above `high`, smooth in between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _coarse(picture: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Picture [h, w, 3] in 0…1 and mask [h, w], small enough to be filtered fast."""
    scale = min(COARSE / max(mask.shape), 1)
    size = max(round(mask.shape[1] * scale), 1), max(round(mask.shape[0] * scale), 1)
    guide, small = (cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in (picture, mask))
    return guide.astype(np.float32) / 255, small.astype(np.float32)


def _coefficients(guide: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes [h, w, 3] and offsets [h, w] of the mask as a local linear function of the colour."""
    side = 2 * max(round(REACH * max(mask.shape)), 2) + 1

    def mean(image: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(image, cv2.CV_32F, (side, side))

    guide_mean, mask_mean = mean(guide), mean(mask)
    joint = mean(guide * mask[..., None]) - guide_mean * mask_mean[..., None]  # [h, w, 3]
    spread = {}
    for a in range(3):
        for b in range(a, 3):
            product = mean(guide[..., a] * guide[..., b])
            spread[a, b] = product - guide_mean[..., a] * guide_mean[..., b] + FLATNESS * (a == b)
    slope = _solved(spread, joint)
    return mean(slope), mean(mask_mean - _dot(slope, guide_mean))


def _solved(spread: dict[tuple[int, int], np.ndarray], joint: np.ndarray) -> np.ndarray:
    """Solve A x = joint for x [h, w, 3] by minors; A's upper triangle is spread[a, b] [h, w]."""
    xx, xy, xz, yy, yz, zz = (spread[at] for at in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)))
    minors = np.stack([yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy,
                       xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy], -1)  # fmt: skip
    whole = xx * minors[..., 0] + xy * minors[..., 1] + xz * minors[..., 2]
    rows = minors[..., [0, 1, 2]], minors[..., [1, 3, 4]], minors[..., [2, 4, 5]]
    return np.stack([_dot(row, joint) for row in rows], -1) / whole[..., None]


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The scalar product of vectors [h, w, 3] with each other, faster than a sum of products."""
    return np.einsum("hwc,hwc->hw", a, b)
