# SPDX-License-Identifier: GPL-3.0-or-later
"""How near the generic head's identity modes come to another head model's people.

    python -m benchmarks.head_reach HEAD.npz [--people N] [--modes N]

People are drawn from the other model's first modes. What their skin does beyond the other model's
mean is followed by the generic head's modes and a rigid motion, by least squares, each vertex by
the nearest one of the other mean head. The residual's mean is printed with and without the modes.
"""

import argparse

import numpy as np
from scipy.spatial import cKDTree

from engine.head.library import load_head_model
from engine.head.model import Head, HeadModel

INNER_FACE = [*range(27, 48), 48, 54]  # iBUG landmarks that lay the mean heads upon each other
LOWEST, FACE_TOP, FACE_BACK = -0.10, 0.08, 0.045  # m on the generic head: skin used, the face
FACE_COUNTS = 3.0
PRIOR = 2e-3  # m a coefficient of one costs, over all vertices together
REGIONS = ("face", "scalp", "neck")


def landmarks(head: Head) -> np.ndarray:
    """The inner face's landmarks [L, 3] m."""
    return head.landmarks68.on(head.vertices)[INNER_FACE]


def rigid_motions(points: np.ndarray) -> np.ndarray:
    """Small shifts and turns of points [V, 3] m as fields [6, V, 3] m."""
    axes = np.eye(3)
    centred = points - points.mean(0)
    shifts = [np.tile(axis, (len(points), 1)) for axis in axes]
    return np.array(shifts + [10 * np.cross(axis, centred) for axis in axes])


def residuals(ours: HeadModel, theirs: HeadModel, people: int, modes: int) -> dict[str, float]:
    """Mean distances, mm."""
    a, b = ours.mean, theirs.mean
    chosen = a.vertices_in(*REGIONS)
    chosen = chosen[a.vertices[chosen, 1] > LOWEST]
    points = a.vertices[chosen].astype(float)
    shift = landmarks(a).mean(0) - landmarks(b).mean(0)
    skin = b.vertices_in(*REGIONS)
    distance, nearest = cKDTree(b.vertices[skin] + shift).query(points)
    random = np.random.default_rng(3)
    draws = random.normal(0, 1, (people, modes))
    target = np.einsum("sm,mvc->svc", draws, theirs.identities[:modes, skin[nearest]].astype(float))
    face = (points[:, 2] > FACE_BACK) & (points[:, 1] < FACE_TOP)
    weight = np.sqrt(np.where(face, FACE_COUNTS, 1.0))[:, None]
    found = {"between the mean heads": distance.mean() * 1e3}
    rigid = rigid_motions(points)
    for name, fields in (("rigid", rigid), ("modes", np.concatenate(
            [ours.identities[:, chosen].astype(float), rigid]))):  # fmt: skip
        basis = (fields * weight).reshape(len(fields), -1)
        prior = np.full(len(fields), 1e-12)
        prior[: len(fields) - len(rigid)] = PRIOR**2
        right = basis @ (target * weight).reshape(people, -1).T
        answer = np.linalg.solve(basis @ basis.T + np.diag(prior), right)  # [fields, people]
        left = np.linalg.norm(target - np.einsum("bs,bvc->svc", answer, fields), axis=2)
        found |= {f"{name}, face": left[:, face].mean() * 1e3, f"{name}, all": left.mean() * 1e3}
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("head")
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--modes", type=int, default=30)
    options = parser.parse_args()
    ours, theirs = load_head_model("generic"), load_head_model(options.head)
    for name, value in residuals(ours, theirs, options.people, options.modes).items():
        print(f"{name:24s} {value:5.2f} mm")


if __name__ == "__main__":
    main()
