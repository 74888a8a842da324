# SPDX-License-Identifier: GPL-3.0-or-later
"""How near mattes come to the truth, on synthetic captures, which have it; and how they flicker.

    python -m benchmarks.mattes CAPTURE…     folders that `engine synth` wrote

Per method: the mean absolute error of alpha in the unknown band (BAND of the picture to each side
of the true edge, away from the neck's end), the matte's area that is not the head's at the neck's
end (shirts), and the mean change of alpha from frame to frame where the picture stands still
(frames are those of the capture in order). `plain` is the guided filter with a grey guide that
captures were made with at first. Poses are the true ones: the tracker has no part in this.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from engine.capture.folder import Capture, read_capture
from engine.capture.guided import disc, step
from engine.capture.matte import NeckCut, whole_matte
from engine.capture.matte_source import REFINED
from engine.capture.mediapipe_models import MediaPipeMatte
from engine.capture.posed import posed_frame
from engine.head.skinning import HeadTensors

BAND = 0.03  # of the picture
STILL = 2.0  # of 255: a pixel's surroundings that change less stand still
MOST_FRAMES = 12


def plain(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The guided filter with a grey guide."""
    guide = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    side = 2 * max(round(0.025 * max(mask.shape)), 2) + 1

    def mean(image: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(image, cv2.CV_32F, (side, side))

    centre, level = mean(guide), mean(mask)
    slope = (mean(guide * mask) - centre * level) / (mean(guide * guide) - centre**2 + 1e-3)
    refined = mean(slope) * guide + mean(level - slope * centre)
    inwards, outwards = (disc(share * max(mask.shape)) for share in (0.008, 0.016))
    refined = np.clip(refined, cv2.erode(mask, inwards), cv2.dilate(mask, outwards))
    return step(refined, 0.15, 0.85)


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "mask": lambda picture, mask: mask, "plain": plain, **REFINED,
}  # fmt: skip


def measure(capture: Capture) -> dict[str, dict[str, float]]:
    """Method → figure → mean over the frames."""
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    tensors, cut, model = HeadTensors.of(capture.head), NeckCut.of(capture.head), MediaPipeMatte()
    before: dict[str, np.ndarray] = {}
    seen = None
    for index in range(min(len(capture.motion), MOST_FRAMES)):
        picture, true = capture.image(index), capture.matte(index).astype(np.float32) / 255
        person, posed = model.person(picture), posed_frame(tensors, capture.motion, index)
        ends = cut.ends(posed, capture.camera)
        hard = (true >= 0.5).astype(np.uint8)
        edge = np.maximum(*(cv2.distanceTransform(m, cv2.DIST_L2, 5) for m in (hard, 1 - hard)))
        band = (edge < BAND * max(true.shape)) & (ends.keep > 0.999) & (ends.height > cut.chin)
        neck = ends.height < cut.chin
        for name, refine in METHODS.items():
            start = time.perf_counter()
            alpha = refine(picture, person)
            seconds = time.perf_counter() - start
            if name in REFINED:
                keep = cut.mask(posed, capture.camera, picture, alpha)
            else:
                keep = ends.keep
            matte = whole_matte(alpha, keep) / 255
            found = {
                "error in the band": float(np.abs(alpha - true)[band].mean()),
                "foreign at the neck, px": float(np.clip(matte - true, 0, 1)[neck].sum()),
                "lost at the neck, px": float(
                    np.clip(np.minimum(true, ends.keep) - matte, 0, 1)[neck].sum()
                ),
                "seconds": seconds,
            }
            if name in before:
                still = cv2.blur(cv2.absdiff(picture, seen).max(-1).astype(np.float32), (9, 9))
                still = (still < STILL) & (edge < 2 * BAND * len(true))
                change = np.abs(alpha - before[name])[still]
                found["change where still"] = float(change.mean()) if len(change) else np.nan
            before[name] = alpha
            for key, value in found.items():
                figures[name][key].append(value)
        seen = picture
    model.close()
    return {m: {k: float(np.nanmean(v)) for k, v in f.items()} for m, f in figures.items()}


def main() -> None:
    """Print the figures of every capture, and their means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("captures", type=Path, nargs="+")
    measured = [measure(read_capture(path)) for path in parser.parse_args().captures]
    for name in METHODS:
        for key in measured[0][name]:
            values = [one[name][key] for one in measured]
            each = "  ".join(f"{value:.4f}" for value in values)
            print(f"{name:12} {key:24} {np.mean(values):.4f}   ({each})")


if __name__ == "__main__":
    main()
