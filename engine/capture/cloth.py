# SPDX-License-Identifier: GPL-3.0-or-later
"""Collars and shirts beside the end of the neck, told from skin by their colour.

The mesh says only roughly where a neck ends, so some cloth lies above its end. What the person
wears shows below that end, what their skin looks like on the chin and the throat above it: a pixel
near the end whose colour is rather that of the former, and that hangs together with it, is cloth.
So is what lies beside the fitted neck and has a colour that the skin never has, even where the
picture ends with the neck. A deep neckline shows skin below the end too; then the former test
decides nothing.
"""

import cv2
import numpy as np

from .guided import follow_edges, step

SIDE = 256  # px of the longer side that colours are looked at
BINS = 24  # of each of L, a and b
STEPS = (11, 4, 4)  # a bin's width of 255; a and b of what one meets lie near the middle
BLUR = 1.0  # bins
FEWEST = 60  # px of skin and of cloth, below which their colours are not known
DOUBT = 2.0  # how much likelier a colour must be on cloth than on skin
SKIN = 0.3  # of the chin's height: from here on up to ABOVE_CHIN the mesh shows skin
ZONE = 0.6  # of the chin's height: nothing above it is cloth
FOREIGN = 0.1  # of how usual the skin's own colours are: what is rarer on skin is not skin
NEVER = 0.02  # the same on the mesh itself, where nearly all is skin
BELOW = 0.005  # m under the neck's end, from which on a person counts as dressed
ABOVE_CHIN = 0.05  # m
RIM = 5  # px; the mesh's rim may show something else than skin


def cloth(picture: np.ndarray, person: np.ndarray, hit: np.ndarray, bare: np.ndarray,
          height: np.ndarray, chin: float) -> np.ndarray:  # fmt: skip
    """Where cloth is to be taken out of a matte.

    Args:
        picture: [H, W, 3] uint8 RGB.
        person: [H, W] float32 in 0…1.
        hit: [h, w] bool, where the fitted skin is seen.
        bare: [h, w] bool, of these what is neither lips, brows, eyes nor scalp.
        height: [h, w] float32 m above the end of the neck.
        chin: m, the chin's height above it.

    Returns:
        [H, W] float32 in 0…1.
    """
    scale = min(SIDE / max(person.shape), 1)
    size = max(round(person.shape[1] * scale), 1), max(round(person.shape[0] * scale), 1)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    seen = cv2.resize(person, size, interpolation=cv2.INTER_AREA) > 0.5
    height = cv2.resize(height, size)
    rim = np.ones((RIM, RIM), np.uint8)
    hit, bare = (cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
                 for mask in (hit, bare))  # fmt: skip
    bins = _bins(small)
    low = seen & (height < ZONE * chin)
    skin = (cv2.erode(bare, rim) > 0) & (height > SKIN * chin) & (height < chin + ABOVE_CHIN)
    worn = seen & (height < -BELOW)
    if skin.sum() < FEWEST:
        return np.zeros_like(person)
    of_skin = _share(bins, skin)
    free = cv2.dilate(hit, rim) == 0  # beside the mesh
    usual = float(np.median(of_skin[skin]))
    found = low & free & (of_skin < FOREIGN * usual)
    if worn.sum() >= FEWEST:
        likely = low & (_share(bins, worn) > DOUBT * of_skin)
        _, labels = cv2.connectedComponents((likely | worn).astype(np.uint8))
        likely &= np.isin(labels, np.unique(labels[worn]))
        # Bare shoulders are like the throat, which a shadow makes unlike the chin.
        found |= likely & (free | (of_skin < NEVER * usual))
    # A weave's lighter threads and folds belong to the cloth about them.
    whole = cv2.morphologyEx((found | worn).astype(np.float32), cv2.MORPH_CLOSE, np.ones((3, 3)))
    whole = cv2.morphologyEx(whole * ~worn, cv2.MORPH_OPEN, np.ones((3, 3)))
    whole = np.maximum(whole, cv2.dilate(whole, rim) * free) * (height < ZONE * chin)
    if not whole.any():
        return np.zeros_like(person)
    return step(follow_edges(picture, cv2.resize(whole, person.shape[::-1])), 0.15, 0.6)


def _bins(picture: np.ndarray) -> np.ndarray:
    """The bin [h, w, 3] of each pixel's colour."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(int) - (0, 128, 128)
    return np.clip(lab // STEPS + (0, BINS // 2, BINS // 2), 0, BINS - 1)


def _share(bins: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """How usual each pixel's colour is among the chosen pixels: [h, w]."""
    counts = np.zeros((BINS, BINS, BINS), np.float32)
    np.add.at(counts, tuple(bins[chosen].T), 1)
    for axis in range(3):
        moved = np.moveaxis(counts, axis, 0)
        flat = np.ascontiguousarray(moved.reshape(BINS, -1))
        smooth = cv2.GaussianBlur(flat, (1, 7), sigmaX=BLUR, sigmaY=BLUR)
        counts = np.moveaxis(smooth.reshape(moved.shape), 0, axis)
    return counts[tuple(np.moveaxis(bins, -1, 0))] / chosen.sum() + 1e-6
