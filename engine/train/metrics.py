# SPDX-License-Identifier: GPL-3.0-or-later
"""How like two pictures are, defined once.

Both pictures stand on white, the head cut where its model's neck ends (the stored matte does so).
Colours are display-referred sRGB in 0…1. A figure is taken over the full frame and over the head
box (the projected head without its neck, with a margin), where the background flatters less. PSNR
is taken over each region of the face as well (`regions`). Where the true depth is known, surfaces
are compared too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..head.model import JAW
from ..render.camera import Camera
from .lpips import Lpips
from .regions import Masks

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels, x1 and y1 exclusive
PSNR_CEILING = 100.0  # dB, of equal pictures
SSIM_WINDOW = 7  # px
HEAD_SUFFIX = "_head"
OPAQUE = 0.5  # alpha above which a pixel's depth counts
SMOOTHING = 0.01  # of the height: deviation of the blur before normals are taken


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
    """Peak signal-to-noise ratio in dB of [..., 3] in 0…1; 100 for equal pictures."""
    error = float(np.mean((truth.astype(np.float64) - found) ** 2))
    return PSNR_CEILING if error <= 1e-10 else -10 * float(np.log10(error))


def region_psnr(truth: Picture, found: Picture, masks: Masks) -> dict[str, float]:
    """`psnr_NAME` in dB over each mask's own pixels; a region that is not in view has none."""
    return {
        f"psnr_{name}": psnr(truth.colour[mask], found.colour[mask])
        for name, mask in masks.items()
        if mask.any()
    }


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


def compare(
    truth: Picture, found: Picture, box: Box, lpips: Lpips | None = None
) -> dict[str, float]:
    """All figures of one frame, LPIPS where there are weights; those of the head box: `_head`."""
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
        if lpips is not None and (distance := lpips.distance(a.colour, b.colour)) is not None:
            figures["lpips" + suffix] = distance
    return figures


def mean_figures(frames: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure over the frames that have it (of PSNRs, not of their errors)."""
    names = dict.fromkeys(name for frame in frames for name in frame)
    return {
        name: float(np.mean([frame[name] for frame in frames if name in frame])) for name in names
    }


def expression_strength(psi: np.ndarray, theta: np.ndarray) -> float:
    """How far a face is from rest: the rms of psi [E] plus the jaw's angle in theta [J, 3], rad."""
    return float(np.sqrt(np.mean(psi**2)) + np.linalg.norm(theta[JAW]))


def compare_surfaces(
    truth: np.ndarray,
    found: np.ndarray,
    true_alpha: np.ndarray,
    alpha: np.ndarray,
    camera: Camera,
) -> dict[str, float]:
    """How far two surfaces are apart where both are: none where they do not overlap.

    Args:
        truth: [H, W] m, planar depth, not finite where empty.
        found: [H, W] m; huge where empty.
        true_alpha: [H, W] 0…1.
        alpha: [H, W] 0…1.
        camera: of both.

    Returns:
        `depth_mm`, the mean absolute difference of the depths, and `normal_deg`, the mean angle
        between normals.
    """
    both = (true_alpha > OPAQUE) & (alpha > OPAQUE) & np.isfinite(truth) & (found < 1e9)
    figures = {}
    if both.any():
        figures["depth_mm"] = float(np.abs(truth[both] - found[both]).mean() * 1000)
    (ours, sure), (theirs, _) = (
        normals(np.where(both, d, 0), both, camera) for d in (truth, found)
    )
    if sure.any():
        cosine = np.clip((ours[sure] * theirs[sure]).sum(-1), -1, 1)
        figures["normal_deg"] = float(np.degrees(np.arccos(cosine)).mean())
    return figures


def normals(depth: np.ndarray, valid: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Unit normals of a depth map by central differences, after a blur that stays inside it.

    Args:
        depth: [H, W] m, planar, 0 where not valid.
        valid: [H, W] bool.
        camera: of the map.

    Returns:
        [H, W, 3] in camera space, and [H, W] bool, where all four neighbours are valid.
    """
    width = max(SMOOTHING * camera.height, 0.5)
    weight = cv2.GaussianBlur(valid.astype(np.float64), (0, 0), width)
    smooth = cv2.GaussianBlur(depth.astype(np.float64), (0, 0), width) / np.maximum(weight, 1e-6)
    x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    points = smooth[..., None] * np.stack(
        [(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, np.ones_like(x)], -1
    )
    across, down = np.zeros_like(points), np.zeros_like(points)
    across[:, 1:-1] = points[:, 2:] - points[:, :-2]
    down[1:-1] = points[2:] - points[:-2]
    normal = np.cross(down, across)  # towards the camera
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    sure = cv2.erode(valid.astype(np.uint8), cross, borderValue=0) > 0
    return normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12), sure


def flip_picture(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The LDR-FLIP map for the eye: [H, W, 3] in 0…1, black where equal, through magma to white."""
    import flip_evaluator

    pictures = (np.ascontiguousarray(picture, np.float32) for picture in (truth, found))
    return flip_evaluator.evaluate(*pictures, "LDR", applyMagma=True, computeMeanError=False)[0]
