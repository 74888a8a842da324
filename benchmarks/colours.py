# SPDX-License-Identifier: GPL-3.0-or-later
"""How like the video an avatar looks under Blender's view transforms: ΔE2000.

    python -m benchmarks.colours AVATAR [--blender PYTHON]

The engine's `render` command writes frames as PNG files in the video's own colours; Blender renders
the same frames through F12 to PNG files under each view transform, "as filmed" and
"scene-referred". ΔE2000 is the mean over the head's solid pixels (alpha above 0.98), all frames
together.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab

from .depth_merge import ROOT, in_blender

VIEWS = (
    ("Standard", "None"),
    ("Filmic", "None"),
    ("Filmic", "High Contrast"),
    ("AgX", "None"),
    ("AgX", "AgX - Punchy"),
    ("Khronos PBR Neutral", "None"),
)


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A PNG's straight colours [H, W, 3] in 0…1 and alpha [H, W]."""
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) / 255
    return picture[..., 2::-1], picture[..., 3]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("avatar", type=Path)
    parser.add_argument("--blender", type=Path, default=ROOT / ".venv-bpy-5.0" / "bin" / "python")
    parser.add_argument("--frames", nargs="+", type=int, default=[0, 60])
    parser.add_argument("--size", type=int, default=128)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="partnerface-") as name:
        folder = Path(name)
        for frame in options.frames:
            command = [sys.executable, "-m", "engine", "render", options.avatar.resolve(), folder]
            command += ["--frames", frame, "--size", options.size, "--quiet"]
            subprocess.run(list(map(str, command)), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        task = {"task": "colours", "avatar": str(options.avatar.resolve()), "views": VIEWS,
                "frames": options.frames, "size": options.size}  # fmt: skip
        in_blender(options.blender, task, folder)
        for number, (view, look) in enumerate(VIEWS):
            line = f"{view:20} {look:24}"
            for colour in ("AS_FILMED", "SCENE_REFERRED"):
                found = [
                    difference(
                        folder / f"{frame:05d}.png", folder / f"{frame}_{number}_{colour}.png"
                    )
                    for frame in options.frames
                ]
                errors = np.concatenate(found)
                worst = np.quantile(errors, 0.99)
                line += f"  {colour.lower()} {errors.mean():6.3f} (99 %: {worst:.2f})"
            print(line)


def difference(filmed: Path, shown: Path) -> np.ndarray:
    """ΔE2000 of each solid pixel; nothing where this Blender has no such view transform."""
    if not shown.is_file():
        return np.full(1, np.nan)
    truth, alpha = read(filmed)
    colour, alpha_too = read(shown)
    solid = (alpha > 0.98) & (alpha_too > 0.98)
    return deltaE_ciede2000(rgb2lab(truth[solid]), rgb2lab(colour[solid]))


if __name__ == "__main__":
    main()
