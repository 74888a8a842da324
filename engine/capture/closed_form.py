# SPDX-License-Identifier: GPL-3.0-or-later
"""Closed-form matting of the band about a mask's edge.

Levin, Lischinski and Weiss, "A closed-form solution to natural image matting" (2008): in every
3 by 3 window alpha is a linear function of the colour, which makes the matting Laplacian L (their
eq. 12). Inside the band alpha solves (L + PULL · 1) alpha = PULL · mask, with alpha one within the
band and zero beyond it; the pull settles it where the colours say nothing. The system of the band
alone is small, sparse and symmetric, and is solved directly.
"""

import cv2
import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, identity
from scipy.sparse.linalg import splu

from .guided import disc

INWARDS, OUTWARDS = (
    0.02,
    0.03,
)  # how far the band reaches from the mask's edge: share of the picture
FLATNESS = 1e-6  # variance of colour (in 0…1) below which a window counts as flat
PULL = 1e-4  # towards the mask
MOST_UNKNOWN = 60_000  # pixels of the band; larger pictures are solved at a smaller size
WINDOW = np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)])


def closed_form(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Alpha [H, W] float32 of a picture [H, W, 3] uint8 with a mask [H, W] that is nearly right."""
    inside, band = unknown_band(mask)
    scale = (MOST_UNKNOWN / max(int(band.sum()), 1)) ** 0.5
    if scale < 1:
        size = max(int(mask.shape[1] * scale), 1), max(int(mask.shape[0] * scale), 1)
        small, rough = (cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in (picture, mask))
        alpha = cv2.resize(closed_form(small, rough), mask.shape[::-1])
        return np.where(band, alpha, inside).astype(np.float32)
    unknown = np.flatnonzero(band)
    alpha = inside.astype(np.float64).ravel()
    if len(unknown):
        laplacian = matting_laplacian(picture, band)[unknown]
        system = laplacian[:, unknown] + PULL * identity(len(unknown), format="csr")
        known = PULL * mask.ravel()[unknown] - laplacian @ np.where(band.ravel(), 0, alpha)
        factors = splu(system.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0,
                       options={"SymmetricMode": True})  # fmt: skip
        alpha[unknown] = np.clip(factors.solve(known), 0, 1)
    return alpha.reshape(mask.shape).astype(np.float32)


def unknown_band(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[H, W] bool each: what is surely inside the mask, and the band about its edge."""
    hard = (mask > 0.5).astype(np.uint8)
    side = max(mask.shape)
    inside = cv2.erode(hard, disc(INWARDS * side), borderValue=1) > 0
    return inside, (cv2.dilate(hard, disc(OUTWARDS * side)) > 0) & ~inside


def matting_laplacian(picture: np.ndarray, band: np.ndarray) -> csr_matrix:
    """The matting Laplacian [H·W, H·W] of the windows that touch the band [H, W] bool."""
    height, width = band.shape
    centres = cv2.dilate(band.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    centres[[0, -1]] = centres[:, [0, -1]] = False
    y, x = np.nonzero(centres)
    window = (y[:, None] + WINDOW[:, 0]) * width + x[:, None] + WINDOW[:, 1]  # [K, 9] pixels
    colour = (picture.reshape(-1, 3)[window]) / 255.0  # [K, 9, 3]
    colour -= colour.mean(1, keepdims=True)
    spread = np.einsum("kia,kib->kab", colour, colour) / 9 + FLATNESS / 9 * np.eye(3)
    like = colour @ np.linalg.solve(spread, colour.transpose(0, 2, 1))  # [K, 9, 9]
    entries = np.eye(9) - (1 + like) / 9
    rows, columns = np.repeat(window, 9, axis=1), np.tile(window, (1, 9))
    size = height * width
    flat = entries.ravel(), (rows.ravel(), columns.ravel())
    return coo_matrix(flat, shape=(size, size)).tocsr()
