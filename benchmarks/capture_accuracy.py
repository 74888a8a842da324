# SPDX-License-Identifier: GPL-3.0-or-later
"""How near capture comes to the truth: synthetic people, filmed to mp4 and tracked like any clip.

    python -m benchmarks.capture_accuracy FOLDER [--seeds 0 1 2] [--captures CAPTURE …]

Every person is made once and kept in FOLDER. Captures of real clips, whose truth nobody knows, are
asked for what can be measured all the same: error on the frames that nothing was learned from,
jitter at rest, and the overlap with the matte.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from engine.capture.command import run as capture
from engine.capture.folder import Capture, read_capture
from engine.capture.report.advice import at_rest
from engine.capture.report.measures import measure_motion
from engine.config import Capture as CaptureConfig
from engine.config import Synth
from engine.head.model import JAW, NECK
from engine.head.skinning import HeadTensors, posed_vertices
from engine.jobs import Job
from engine.synthetic.command import run as synth

LIPS = ((13, 14),)  # MediaPipe's points that face each other
LIDS = {"left": ((386, 374), (385, 380), (387, 373)), "right": ((159, 145), (158, 153), (160, 144))}


def main() -> None:
    """Make, track, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where people and captures are kept")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--captures", type=Path, nargs="*", default=[], help="of real clips")
    options = parser.parse_args()
    rows = []
    for seed in options.seeds:
        true, found = person(options.folder, seed)
        row = compare(true, found)
        rows.append(row)
        print(f"synthetic {seed}: {told(row)}", flush=True)
    if rows:
        print(f"median:      {told({k: float(np.median([r[k] for r in rows])) for k in rows[0]})}")
    for path in options.captures:
        print(f"{path.name}: {told(clip_figures(read_capture(path)))}")


def person(folder: Path, seed: int) -> tuple[Capture, Capture]:
    """A synthetic person's capture with the truth, and the one tracked from their video."""
    true, video = folder / f"synthetic-{seed}", folder / f"synthetic-{seed}.mp4"
    with Job("synth") as job:
        if not (true / "capture.json").is_file() or not video.is_file():
            synth(Synth(out=true, seed=seed, size=256, frames=80, test_frames=24, video=video), job)
    found = folder / f"tracked-{seed}"
    with Job("capture") as job:
        capture(CaptureConfig(clip=video, out=found, size=256), job)
    return read_capture(true), read_capture(found)


def compare(true: Capture, found: Capture) -> dict[str, float]:
    """How far the tracked motion is from the true one, frame by frame."""
    numbers = np.asarray(found.source["frames"])
    one, other = head_turns(true)[numbers], head_turns(found)
    between = one.inv() * other
    constant = between.mean()
    error = np.degrees(between.magnitude())
    jaw = np.degrees(np.abs(true.motion.theta[numbers, JAW, 0] - found.motion.theta[:, JAW, 0]))
    row = {
        "pose_deg": float(error.mean()),
        "pose_constant_deg": float(np.degrees(constant.magnitude())),
        "pose_without_it_deg": float(np.degrees((constant.inv() * between).magnitude()).mean()),
        "jaw_deg": float(jaw.mean()),
    }
    seen, followed = landmarks(true)[numbers], landmarks(found)
    gaps = {"lips": LIPS, **{f"lids_{side}": pairs for side, pairs in LIDS.items()}}
    for name, pairs in gaps.items():
        row[f"{name}_correlation"] = float(
            np.corrcoef(opening(seen, pairs), opening(followed, pairs))[0, 1]
        )
    return row | clip_figures(found)


def clip_figures(made: Capture) -> dict[str, float]:
    """What needs no truth."""
    turn, place = at_rest(measure_motion(made))
    figures = made.figures
    return {
        "reprojection_percent": 100 * figures["reprojection_eye_fraction"],
        "offset_mm": figures["offset_mm"],
        "jitter_deg": float(turn),
        "jitter_mm": float(place),
        "silhouette_iou": figures["silhouette_iou"],
        "silhouette_iou_bare": figures["silhouette_iou_bare"],
        "ms_per_frame": 1000 * figures["seconds"] / figures["frames_total"],
    }


def head_turns(made: Capture) -> Rotation:
    """World from head, root and neck together."""
    theta = made.motion.theta
    return Rotation.from_rotvec(theta[:, 0]) * Rotation.from_rotvec(theta[:, NECK])


def landmarks(made: Capture) -> np.ndarray:
    """MediaPipe's points on the posed mesh [N, 468, 3] m."""
    tensors, motion = HeadTensors.of(made.head), made.motion
    found = []
    for n in range(len(motion)):
        one = motion[[n]]
        state = (torch.as_tensor(array) for array in (one.psi, one.theta, one.translation))
        found.append(made.head.landmarks468.on(posed_vertices(tensors, *state)[0].numpy()))
    return np.stack(found)


def opening(points: np.ndarray, pairs: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Mean distance [N] m between the points of the pairs."""
    return np.mean([np.linalg.norm(points[:, a] - points[:, b], axis=1) for a, b in pairs], axis=0)


def told(row: dict[str, float]) -> str:
    """One line."""
    return ", ".join(f"{name} {value:.3g}" for name, value in row.items())


if __name__ == "__main__":
    main()
