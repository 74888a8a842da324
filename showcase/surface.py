# SPDX-License-Identifier: GPL-3.0-or-later
"""How far an exported mesh is from the synthetic subject's true face, in millimetres.

python -m showcase.surface MESH CAPTURE
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import trimesh

from engine.errors import PartNerFaceError
from engine.synthetic.truth import read_truth, surface_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures as one JSON line; the exit status."""
    parser = argparse.ArgumentParser(prog="showcase.surface", description=__doc__)
    parser.add_argument("mesh", type=Path, help="what `export` wrote: metres, canonical pose")
    parser.add_argument("capture", type=Path, help="the synthetic capture folder")
    options = parser.parse_args(arguments)
    mesh = trimesh.load(options.mesh, force="mesh", process=False)
    vertices = np.asarray(mesh.vertices, np.float32)
    try:
        figures = surface_error(vertices, np.asarray(mesh.faces), read_truth(options.capture))
    except PartNerFaceError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
