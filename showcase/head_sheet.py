# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture sheet of the generic head: views, expressions, and people.

python -m showcase.head_sheet [OUT]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from engine.head.generic import base_colours, build_generic_head
from engine.head.model import JAW, JOINTS, Head
from engine.head.skinning import HeadTensors, posed_vertices
from engine.render.camera import Camera
from engine.render.mesh import portrait_camera, shade
from tooling.checkout import ROOT, say, shown

from .readme_pictures import QUALITY, TILE, sheet

CLOSER = 1.4  # than a camera that shows the neck's end
VIEWS = ((0.0, 0.0), (-0.6, 0.0), (-1.45, 0.0), (0.0, 0.35), (0.0, -0.35), (-2.3, 0.1))  # rad
# Values by name without the side; "jaw" in rad
FACES = (
    {"mouthSmile": 1.0, "cheekSquint": 0.6},
    {"jaw": 0.35},
    {"eyeBlink": 1.0},
    {"browDown": 1.0, "noseSneer": 0.8},
    {"browInnerUp": 1.0, "browOuterUp": 1.0, "eyeWide": 1.0, "jaw": 0.2},
    {"mouthPucker": 1.0},
    {"mouthFunnel": 1.0, "jaw": 0.1},
    {"mouthFrown": 1.0, "mouthShrugLower": 0.7},
    {"cheekPuff": 1.0},
    {"mouthStretch": 1.0, "mouthUpperUp": 0.6, "mouthLowerDown": 0.8, "jaw": 0.05},
    {"mouthLeft": 1.0, "eyeSquint": 0.8, "browInnerUpLeft": 1.0},
    {"tongueOut": 1.0, "jaw": 0.3},
)
PEOPLE = 6
SPREAD = 0.9  # deviations of the people's identity


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the sheet; the exit status."""
    parser = argparse.ArgumentParser(prog="showcase.head_sheet", description=__doc__)
    out = ROOT / "docs" / "images" / "head_sheet.jpg"
    parser.add_argument("out", type=Path, nargs="?", default=out)
    path = parser.parse_args(arguments).out
    rows = pictures()
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet(rows).save(path, "JPEG", quality=QUALITY, optimize=True)
    say(f"{shown(path)}: {path.stat().st_size // 1000} kB")
    return 0


def pictures() -> list[list[Image.Image]]:
    """Rows of tiles: the mean head from all sides, its expressions, and other people."""
    model = build_generic_head()
    mean = model.mean
    colours = base_colours(mean)
    random = np.random.default_rng(0)
    betas = random.normal(0, SPREAD, (PEOPLE, len(model.identity_names)))

    def tile(vertices: np.ndarray, yaw: float, pitch: float = 0.0) -> Image.Image:
        camera = close_camera(mean, yaw, pitch)
        return Image.fromarray(shade(vertices, mean.faces, camera, colours))

    width = len(VIEWS)
    faces = [tile(made_face(mean, face), -0.3) for face in FACES]
    return [
        [tile(mean.vertices, *view) for view in VIEWS],
        *[faces[k : k + width] for k in range(0, len(faces), width)],
        [tile(model.subject(beta).vertices, -0.4) for beta in betas],
    ]


def close_camera(head: Head, yaw: float, pitch: float) -> Camera:
    """A portrait camera on the head without most of the neck."""
    camera = portrait_camera(head.vertices, TILE, yaw, pitch)
    return Camera(
        TILE, TILE, camera.fx * CLOSER, camera.fy * CLOSER, TILE / 2, TILE * 0.6,
        camera.camera_from_world,
    )  # fmt: skip


def made_face(head: Head, face: dict[str, float]) -> np.ndarray:
    """The vertices [V, 3] m of an expression by names without their side."""
    psi = [
        sum(face.get(key, 0.0) for key in {name, name.removesuffix("Left").removesuffix("Right")})
        for name in head.expression_names
    ]
    theta = torch.zeros(1, len(JOINTS), 3)
    theta[0, JAW, 0] = face.get("jaw", 0.0)
    tensors = HeadTensors.of(head)
    return posed_vertices(tensors, torch.tensor([psi]), theta, torch.zeros(1, 3))[0].numpy()


if __name__ == "__main__":
    raise SystemExit(main())
