# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's pictures, from a finished demo on the synthetic subject.

python -m showcase.readme_pictures [DEMO] [OUT]
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image

from engine.render.mesh import portrait_camera, shade
from tooling.checkout import ROOT, say, shown

from . import layout
from .pictures import VIEWS, flat

TILE = 240  # px
GAP = 4  # px
COLUMNS = 4
QUALITY = 86


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pictures; the exit status."""
    parser = argparse.ArgumentParser(prog="showcase.readme_pictures", description=__doc__)
    parser.add_argument("demo", type=Path, nargs="?", default=ROOT / "demo")
    parser.add_argument("out", type=Path, nargs="?", default=ROOT / "docs" / "images")
    options = parser.parse_args(arguments)
    result = json.loads((options.demo / layout.RESULT).read_text(encoding="utf-8"))
    if "synth" not in result["stages"]:
        say("These pictures may show the synthetic subject alone, and this demo shows a clip.")
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    for name, rows in (
        ("held_out", held_out(options.demo)),
        ("composite", composite(options.demo)),
        ("surface", surface(options.demo)),
    ):
        path = options.out / f"{name}.jpg"
        sheet(rows).save(path, "JPEG", quality=QUALITY, optimize=True)
        say(f"{shown(path)}: {path.stat().st_size // 1000} kB")
    return 0


def held_out(demo: Path) -> list[list[Image.Image]]:
    """Frames that were not trained on: truth above, avatar below."""
    folder = demo / layout.EVALUATION
    chosen = spread(sorted((folder / "truth").glob("*.png")))
    return [
        [Image.open(folder / kind / path.name) for path in chosen] for kind in ("truth", "avatar")
    ]


def composite(demo: Path) -> list[list[Image.Image]]:
    """Frames from Blender: keyed, and merged with a Cycles object by depth."""
    chosen = spread(sorted((demo / layout.COMPOSITE_FRAMES).glob("*.png")))
    return [[Image.open(path) for path in chosen]]


def surface(demo: Path) -> list[list[Image.Image]]:
    """The exported mesh from three sides, in its colours and in clay."""
    mesh = trimesh.load(demo / layout.MESH_PLY, force="mesh", process=False)
    vertices, faces = np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)
    colours = np.asarray(mesh.visual.vertex_colors[:, :3], np.float32) / 255
    cameras = [portrait_camera(vertices, TILE, yaw) for _, yaw in VIEWS]
    return [
        [Image.fromarray(shade(vertices, faces, camera, paint)) for camera in cameras]
        for paint in (colours, None)
    ]


def spread(paths: Sequence[Path]) -> list[Path]:
    """`COLUMNS` of the paths, evenly spread."""
    places = np.linspace(0, len(paths) - 1, min(COLUMNS, len(paths))).round().astype(int)
    return [paths[place] for place in places]


def sheet(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Pictures in rows, on white."""
    width = max(len(row) for row in rows) * (TILE + GAP) - GAP
    page = Image.new("RGB", (width, len(rows) * (TILE + GAP) - GAP), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            tile = flat(picture).resize((TILE, TILE), Image.Resampling.LANCZOS)
            page.paste(tile, (x * (TILE + GAP), y * (TILE + GAP)))
    return page


if __name__ == "__main__":
    raise SystemExit(main())
