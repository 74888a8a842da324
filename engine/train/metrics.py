# SPDX-License-Identifier: GPL-3.0-or-later
"""How like two pictures are, defined once.

Both pictures stand on white, the head cut where its model's neck ends (the stored matte does so).
Colours are display-referred sRGB in 0…1. A figure is taken over the full frame and over the head
box (the projected head without its neck, with a margin), where the background flatters less.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels, x1 and y1 exclusive
PSNR_CEILING = 100.0  # dB, of equal pictures
SSIM_WINDOW = 7  # px
HEAD_SUFFIX = "_head"


@dataclass(frozen=True)
class Picture:
    """A picture of the head on white, and its coverage."""

    colour: np.ndarray  # [H, W, 3] float32 in 0…1, on white
    alpha: np.ndarray  # [H, W] float32 in 0…1


def on_white(premultiplied: np.ndarray, alpha: np.ndarray) -> Picture:
    """A picture from premultiplied colour [H, W, 3] and alpha [H, W], both 0…1."""
    alpha = np.clip(alpha, 0, 1).astype(np.float32)
    colour = np.clip(premultiplied + (1 - alpha[..., None]), 0, 1)
    return Picture(colour.astype(np.float32), alpha)


def psnr(truth: np.ndarray, found: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of [H, W, 3] in 0…1; 100 for equal pictures."""
    error = float(np.mean((truth.astype(np.float64) - found) ** 2))
    return PSNR_CEILING if error <= 1e-10 else -10 * float(np.log10(error))


def ssim(truth: np.ndarray, found: np.ndarray) -> float:
    """Mean structural similarity (Wang et al. 2004, 7 × 7 window) of [H, W, 3] in 0…1."""
    from skimage.metrics import structural_similarity

    window = min(SSIM_WINDOW, *truth.shape[:2])
    window -= 1 - window % 2  # odd
    if window < 3:
        return float(np.array_equal(truth, found))
    return float(
        structural_similarity(truth, found, win_size=window, channel_axis=2, data_range=1.0)
    )


def flip(truth: np.ndarray, found: np.ndarray) -> tuple[float, np.ndarray]:
    """LDR-FLIP (Andersson et al. 2020) at 67 pixels per degree: its mean, and its map [H, W]."""
    import flip_evaluator

    pictures = (np.ascontiguousarray(picture, np.float32) for picture in (truth, found))
    error, mean, _ = flip_evaluator.evaluate(*pictures, "LDR", applyMagma=False)
    return float(mean), error[..., 0]


def l1(truth: np.ndarray, found: np.ndarray) -> float:
    """Mean absolute difference of [H, W, 3] in 0…1."""
    return float(np.abs(truth.astype(np.float64) - found).mean())


def alpha_iou(truth: np.ndarray, found: np.ndarray) -> float:
    """Soft intersection over union of two alphas [H, W] in 0…1; 1 where both are empty."""
    union = float(np.maximum(truth, found).sum(dtype=np.float64))
    return float(np.minimum(truth, found).sum(dtype=np.float64)) / union if union > 0 else 1.0


def compare(truth: Picture, found: Picture, box: Box) -> dict[str, float]:
    """All figures of one frame; those of the head box end in `_head`."""
    x0, y0, x1, y1 = box
    inside = (slice(y0, y1), slice(x0, x1))
    head = (
        Picture(truth.colour[inside], truth.alpha[inside]),
        Picture(found.colour[inside], found.alpha[inside]),
    )
    figures = {}
    for suffix, (a, b) in (("", (truth, found)), (HEAD_SUFFIX, head)):
        figures |= {
            "psnr" + suffix: psnr(a.colour, b.colour),
            "ssim" + suffix: ssim(a.colour, b.colour),
            "flip" + suffix: flip(a.colour, b.colour)[0],
            "l1" + suffix: l1(a.colour, b.colour),
            "alpha_iou" + suffix: alpha_iou(a.alpha, b.alpha),
        }
    return figures


def mean_figures(frames: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean over frames of each figure (of the frames' own PSNRs, not of their errors)."""
    return {name: float(np.mean([frame[name] for frame in frames])) for name in frames[0]}


def flip_picture(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The LDR-FLIP map for the eye: [H, W, 3] in 0…1, black where equal, through magma to white."""
    import flip_evaluator

    pictures = (np.ascontiguousarray(picture, np.float32) for picture in (truth, found))
    return flip_evaluator.evaluate(*pictures, "LDR", applyMagma=True, computeMeanError=False)[0]
