# SPDX-License-Identifier: GPL-3.0-or-later
"""How alike imports of one head model are, and what is kept when motion changes its model.

    python -m benchmarks.heads ICT_HEAD.npz [--folder FACEXMODEL]

ICT_HEAD.npz is an import of ICT-FaceKit with its own MediaPipe landmarks; FACEXMODEL the folder it
was made from, or some of it. Prints Markdown tables.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from engine.head.anatomy import vertex_landmarks
from engine.head.ict_folder import ict_arrays
from engine.head.library import load_head_model
from engine.head.model import Head
from engine.head.npz import read_head_npz
from engine.head.registration import with_landmarks
from engine.head.transfer import make_transfer, skin_points, unknowns_of

JAW_OPEN = 0.3  # rad


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("head", type=Path)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.folder:
        print_import(options.head, options.folder)
    print_landmarks(options.head)
    print_transfer(load_head_model("generic").mean, load_head_model(options.head).mean)
    return 0


def print_import(head: Path, folder: Path) -> None:
    """The folder's arrays against those of an import made elsewhere."""
    found, _ = ict_arrays(folder)
    with np.load(head, allow_pickle=False) as file:
        other = dict(file)
    names = [str(name) for name in other["expression_names"]]
    first = other["shapedirs"].shape[2] - len(names)
    count = found["shapedirs"].shape[2] - len(found["expression_names"])
    columns = [*range(count), *(first + names.index(str(n)) for n in found["expression_names"])]
    modes = found["shapedirs"].astype(float) - other["shapedirs"][..., columns].astype(float)
    places = [a["J_regressor"] @ a["v_template"] for a in (found, other)]
    weights = np.abs(found["weights"] - other["weights"])
    print("| import of the folder against the other one | largest difference |\n|---|---|")
    print(f"| neutral | {np.abs(found['v_template'] - other['v_template']).max() * 1e6:.2g} µm |")
    print(f"| {modes.shape[2]} modes | {np.abs(modes).max() * 1e6:.2g} µm |")
    print(f"| joints | {np.linalg.norm(places[0] - places[1], axis=1).max() * 1e6:.2g} µm |")
    angle = abs(float(found["jaw_open_angle"] - other["jaw_open_angle"]))
    print(f"| angle of the open jaw | {np.degrees(angle):.1g}° |")
    many = int((weights.max(1) > 0.01).sum())
    print(f"| skinning weights | {weights.max():.2g}; above 0.01 on {many} of {len(weights):,} |\n")


def print_landmarks(head: Path) -> None:
    """MediaPipe's landmarks laid on from the generic head against the import's own."""
    model = read_head_npz(head)
    mean = model.mean
    truth = mean.landmarks468.on(mean.vertices)
    none = vertex_landmarks(np.zeros(0, np.int32))
    laid = with_landmarks(replace(model, mean=replace(mean, landmarks468=none))).mean
    error = np.linalg.norm(laid.landmarks468.on(mean.vertices) - truth, axis=1) * 1e3
    inner = error[truth[:, 2] > mean.joints[3:, 2].mean() - 0.01]
    print("| 468 landmarks laid on, against measured ones | mm |\n|---|---|")
    print(f"| median, 95th percentile | {np.median(error):.1f}, {np.percentile(error, 95):.1f} |")
    print(f"| median, before the eyes | {np.median(inner):.1f} |\n")


def print_transfer(generic: Head, other: Head) -> None:
    """Every shape of the generic head carried to the other model and back."""
    forth, back = make_transfer(generic, other), make_transfer(other, generic)
    columns = unknowns_of(generic, skin_points(generic))
    print(f"| to {other.model_name} and back | correlation of what moves | lost | one way, lost |")
    print("|---|---|---|---|")
    names = [*generic.expression_names, "jawOpen"]
    for index, name in enumerate(names):
        psi = np.zeros((1, len(generic.expression_names)), np.float32)
        jaw = np.zeros((1, 3), np.float32)
        if name == "jawOpen":
            jaw[0, 0] = JAW_OPEN
        else:
            psi[0, index] = 1
        returned = back.coefficients(*forth.coefficients(psi, jaw))
        before = np.tensordot(np.concatenate([psi, jaw], 1)[0], columns, 1)
        after = np.tensordot(np.concatenate(returned, 1)[0], columns, 1)
        size = np.linalg.norm(before)
        if size < 1e-3:  # the tongue is no skin
            continue
        likeness = (before * after).sum() / max(size * np.linalg.norm(after), 1e-12)
        lost = np.linalg.norm(before - after) / size
        print(f"| {name} | {likeness:.3f} | {lost:.2f} | {forth.error(psi, jaw):.2f} |")


if __name__ == "__main__":
    sys.exit(main())
