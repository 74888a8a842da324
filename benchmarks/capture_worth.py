# SPDX-License-Identifier: GPL-3.0-or-later
"""What a better fit of one clip is worth to the avatar: two captures, the same everything else.

    python -m benchmarks.capture_worth OLD NEW OUT [--steps 300] [--size 128]

OLD and NEW are capture folders of the same frames of one clip in the same crop, made by two
commits (a work-tree of each) or with two sets of options. One avatar is trained on each, and the
frames held out are rendered. The figures are those of the face's regions where NEW's fit has them,
for both avatars: a region that moved is no advantage, and neither is a neck that is cut elsewhere.
Prints JSON with dB for each and their difference.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tyro
from tyro.conf import Positional

from engine.capture.folder import Capture, read_capture
from engine.errors import InputError
from engine.head.skinning import HeadTensors
from engine.train.evaluate import true_picture
from engine.train.metrics import Picture, mean_figures, region_psnr
from engine.train.regions import region_masks, seen_parts, true_vertices


@dataclass(frozen=True)
class Options:
    """What to compare."""

    old: Positional[Path]
    """Capture folder with the fit that is the measure."""
    new: Positional[Path]
    """Capture folder with the fit to be judged."""
    out: Positional[Path]
    """Where the trainings go; finished ones are not trained again."""
    steps: int = 300
    """Training steps of each avatar."""
    size: int = 128
    """Height at which both are rendered and compared, px."""
    preset: str = "standard"
    """As `train` takes it."""
    device: str = "auto"
    """auto, cpu or cuda."""


def main(options: Options) -> dict[str, Mapping[str, float]]:
    """Train on both fits, and compare their held-out frames in NEW's regions."""
    judge = read_capture(options.new)
    check_alike(read_capture(options.old), judge)
    means = {}
    for name, capture in (("old", options.old), ("new", options.new)):
        train_and_render(capture, options.out / name, options)
        means[name] = figures(judge, options.out / name / "eval" / "avatar", options.size)
    common = means["old"].keys() & means["new"].keys()
    change = {key: means["new"][key] - means["old"][key] for key in sorted(common)}
    return {**means, "change": change}


def check_alike(old: Capture, new: Capture) -> None:
    """Refuse captures of other frames, sizes or splits.

    Raises:
        InputError: they are not of the same pictures.
    """
    sizes = [(len(c.motion), c.camera.width, c.camera.height, c.train, c.test) for c in (old, new)]
    crops = [c.source.get("crop") for c in (old, new)]
    if sizes[0] != sizes[1] or (None not in crops and crops[0] != crops[1]):
        raise InputError(
            f"{old.path} and {new.path} are not of the same frames in the same crop.",
            "Capture the same range of the same clip at the same size with both.",
        )


def train_and_render(capture: Path, out: Path, options: Options) -> None:
    """Train an avatar and render the frames its capture holds out; both go on or are kept."""
    engine = [sys.executable, "-m", "engine"]
    device = ["--device", options.device]
    train = ["train", capture, out, "--preset", options.preset, "--steps", options.steps]
    evaluate = ["eval", out / "avatar.safetensors", capture, "--out", out / "eval"]
    for words in ([*train, *device], [*evaluate, "--size", options.size, *device]):
        subprocess.run(list(map(str, engine + words)), check=True, stdout=subprocess.DEVNULL)


def figures(judge: Capture, pictures: Path, height: int) -> dict[str, float]:
    """Mean PSNR of rendered frames (NNNNN.png) in the regions of `judge`, dB."""
    camera, head = judge.camera.of_height(height), HeadTensors.of(judge.head)
    rows = []
    for index in judge.test:
        posed = true_vertices(judge, index, head)
        truth = true_picture(judge, index, camera)
        picture = cv2.imread(str(pictures / f"{index:05d}.png"))[..., ::-1]
        found = Picture(picture.astype(np.float32) / 255, truth.alpha)
        masks = region_masks(seen_parts(judge.head, posed, camera), truth.alpha)
        rows.append(region_psnr(truth, found, masks))
    return mean_figures(rows)


if __name__ == "__main__":
    print(json.dumps(main(tyro.cli(Options, description=__doc__)), indent=1))
