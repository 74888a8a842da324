# SPDX-License-Identifier: GPL-3.0-or-later
"""How often the depth merge sets the right thing in front, against the subject's true mesh.

    python -m benchmarks.depth_merge AVATAR CAPTURE [--blender PYTHON] [--engines CYCLES EEVEE]

AVATAR was trained on CAPTURE, which `engine synth` wrote. Slanted planes and a torus go through the
head. For every pixel that object, avatar and true head cover, away from `EDGE` pixels to each side
of any border, F12's merge says which one is in front, and so does a render of the same scene with
the true mesh in the avatar's place ("truth"). "own depth" compares with the avatar's depth plane
instead: what is left of the error there is the merge's, the rest is the avatar's geometry.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_dilation

from engine.capture.folder import Capture, read_capture
from engine.head.library import load_head_model
from engine.synthetic.person import make_person
from engine.synthetic.scene import Scene
from tooling.extension import packaged_files, write_zip

ROOT = Path(__file__).resolve().parents[1]
EDGE = 2  # px
RIG_FROM_HEAD = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32)


def plane(centre: np.ndarray, normal: tuple, side: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """A square across a normal, head space."""
    across = np.cross(normal, (0.31, 0.95, 0.05))
    across /= np.linalg.norm(across)
    along = np.cross(normal, across) / np.linalg.norm(normal)
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    vertices = [centre + side / 2 * (x * across + y * along) for x, y in corners]
    return np.array(vertices, np.float32), np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def torus(centre: np.ndarray, radius: float, thickness: float) -> tuple[np.ndarray, np.ndarray]:
    """A ring around the head, tilted, head space."""
    u, v = np.meshgrid(
        *(np.linspace(0, 2 * np.pi, n, endpoint=False) for n in (96, 24)), indexing="ij"
    )
    ring = radius + thickness * np.cos(v)
    points = np.stack([ring * np.cos(u), thickness * np.sin(v), ring * np.sin(u)], -1).reshape(
        -1, 3
    )
    tilt = np.array([[0.96, -0.28, 0.0], [0.25, 0.86, -0.44], [0.12, 0.42, 0.9]])
    index = np.arange(96 * 24).reshape(96, 24)
    right, up = np.roll(index, -1, 0), np.roll(index, -1, 1)
    corner = np.roll(right, -1, 1)
    faces = np.stack([index, right, corner, index, corner, up], -1).reshape(-1, 3)
    return (points @ tilt.T + centre).astype(np.float32), faces.astype(np.int32)


def make_objects(head: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What goes through the head's vertices [V, 3], head space."""
    low, high = head.min(0), head.max(0)
    centre = np.array([(low[0] + high[0]) / 2, high[1] - 0.13, (low[2] + high[2]) / 2])
    front = np.array([centre[0], centre[1], high[2]])
    return {
        "slanted": plane(front - (0, 0, 0.04), (0.75, 0.1, 0.65)),
        "steep": plane(front - (0, 0.03, 0.06), (0.1, -0.94, 0.34)),
        "frontal": plane(front - (0, 0.0, 0.055), (0.25, 0.15, 0.95)),
        "torus": torus(centre, 0.095, 0.016),
    }


def cast(
    mesh: tuple[np.ndarray, np.ndarray], capture: Capture, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Planar depth [size, size] of a mesh through pixel centres, inf where there is none; faces."""
    origin, directions = capture.camera.resized(size, size).rays()
    spread = np.broadcast_to(origin, (len(directions), 3))
    depth, face, _ = Scene(*mesh).hits(spread, directions)
    return depth.reshape(size, size), face.reshape(size, size)


def border(mask: np.ndarray) -> np.ndarray:
    """The pixels within `EDGE` of a mask's border."""
    square = np.ones((2 * EDGE + 1, 2 * EDGE + 1), bool)
    return binary_dilation(mask, square) & binary_dilation(~mask, square)


def compare(
    found: dict, name: str, item: np.ndarray, head: np.ndarray, hair: np.ndarray
) -> dict[str, np.ndarray]:
    """One object in one frame: per counted pixel, what was right, and by how much not."""
    depth, alpha = found["depth"], found["alpha"]
    counted = (alpha > 0.5) & np.isfinite(item) & np.isfinite(head)
    in_front = found[f"{name}_truth"] > 0.5  # the object, in the scene with the true mesh
    merged = found[f"{name}_visible"] < 0.5 * alpha
    own = item < depth
    for mask in (np.isfinite(item), np.isfinite(head), alpha > 0.5):
        counted &= ~border(mask)
    truth_counted = counted & ~border(in_front)
    own_counted = counted & ~border(own)
    return {
        "truth": (merged == in_front)[truth_counted],
        "own": (merged == own)[own_counted],
        "gap": np.abs(item[truth_counted] - head[truth_counted]),  # between object and true head
        "error": np.abs(depth[truth_counted] - head[truth_counted]),  # of the avatar's surface
        "hair": hair[truth_counted],
    }


def render(options: argparse.Namespace, engine: str, capture: Capture, folder: Path) -> dict:
    """All comparisons of one of Blender's engines, by object."""
    source = capture.source
    glasses = {True: "yes", False: "no"}.get(source.get("glasses"), "auto")
    person = make_person(source["seed"], load_head_model("generic"), glasses)
    motion, frames = capture.motion, options.frames
    meshes = (person.surface, person.hair, person.glasses)
    start = np.cumsum([0, len(person.surface.rest), len(person.hair.vertices)])
    faces = np.concatenate([mesh.faces + k for mesh, k in zip(meshes, start, strict=True)])
    heads = {}
    for frame in frames:
        posed = person.pose(motion.psi[frame], motion.theta[frame], motion.translation[frame])
        heads[frame] = np.concatenate([posed.skin, posed.hair, posed.glasses])
    objects = make_objects(heads[frames[0]][: len(person.surface.rest)])
    shapes = {f"head{frame}": vertices @ RIG_FROM_HEAD.T for frame, vertices in heads.items()}
    for name, (vertices, triangles) in objects.items():
        shapes |= {name: vertices @ RIG_FROM_HEAD.T, f"{name}_faces": triangles}
    np.savez(folder / "shapes.npz", head_faces=faces, **shapes)
    task = {
        "task": "merge", "engine": engine, "avatar": str(options.avatar.resolve()),
        "size": options.size, "frames": frames, "objects": list(objects),
        "shapes": str(folder / "shapes.npz"),
    }  # fmt: skip
    in_blender(options.blender, task, folder)
    results: dict[str, list] = {name: [] for name in objects}
    for frame in frames:
        found = dict(np.load(folder / f"merge{frame}.npz"))
        head, face = cast((heads[frame], faces), capture, options.size)
        hair = (face >= len(person.surface.faces)) & (face < len(faces) - len(person.glasses.faces))
        for name, mesh in objects.items():
            item, _ = cast(mesh, capture, options.size)
            results[name].append(compare(found, name, item, head, hair))
    return {
        name: {key: np.concatenate([one[key] for one in many]) for key in many[0]}
        for name, many in results.items()
    }


def in_blender(python: Path, task: dict, folder: Path) -> None:
    """Have Blender do a task; its pictures lie in the folder."""
    write_zip(folder / "partnerface.zip", packaged_files())
    file = folder / "task.json"
    file.write_text(json.dumps(task | {"zip": str(folder / "partnerface.zip")}))
    environment = {"LIBGL_ALWAYS_SOFTWARE": "1", "PARTNERFACE_PYTHON": sys.executable} | os.environ
    script = ROOT / "benchmarks" / "blender_renders.py"
    command = [str(python.absolute()), str(script), str(file)]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=1800)


def report(engine: str, results: dict) -> None:
    """The figures, one line for each object and one for all."""
    whole = {key: np.concatenate([one[key] for one in results.values()])
             for key in next(iter(results.values()))}  # fmt: skip
    for name, one in {**results, "all": whole}.items():
        wrong = ~one["truth"]
        line = f"{engine:7} {name:8} {len(wrong):6d} px  own depth {one['own'].mean():7.3%}  "
        line += f"truth {one['truth'].mean():7.3%}"
        if wrong.any():
            line += (
                f"  wrong: object {1000 * np.median(one['gap'][wrong]):.1f} mm from the true head"
                f" (95 %: {1000 * np.quantile(one['gap'][wrong], 0.95):.1f}), avatar off by "
                f"{1000 * np.median(one['error'][wrong]):.1f} mm, "
                f"hair {one['hair'][wrong].mean():.0%}"
            )
        print(line)
    for limit in (2, 5):
        far = whole["gap"] > limit / 1000
        print(f"{engine:7} surfaces more than {limit} mm apart: {whole['truth'][far].mean():.3%}")
    for place, inside in (("skin", ~whole["hair"]), ("hair", whole["hair"])):
        error = 1000 * whole["error"][inside]
        print(
            f"{engine:7} {place}: truth {whole['truth'][inside].mean():.3%} of {inside.sum()} px, "
            f"avatar off by {np.median(error):.2f} mm (95 %: {np.quantile(error, 0.95):.2f})"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("avatar", type=Path)
    parser.add_argument("capture", type=Path)
    parser.add_argument("--blender", type=Path, default=ROOT / ".venv-bpy-5.0" / "bin" / "python")
    parser.add_argument("--engines", nargs="+", default=["CYCLES", "EEVEE"])
    parser.add_argument("--frames", nargs="+", type=int, default=[0, 60])
    parser.add_argument("--size", type=int, default=192)
    options = parser.parse_args()
    capture = read_capture(options.capture)
    for engine in options.engines:
        with tempfile.TemporaryDirectory(prefix="partnerface-") as folder:
            report(engine, render(options, engine, capture, Path(folder)))


if __name__ == "__main__":
    main()
