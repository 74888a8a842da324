# SPDX-License-Identifier: GPL-3.0-or-later
"""One head's surface laid onto another's, so that what is known of one can be said of the other.

An affine map and a smooth spline (biharmonic, the thin plate of space) bring the 68 landmarks
together; then the skin between them is drawn to the nearest skin, in a few rounds.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.interpolate import RBFInterpolator

from ..errors import HeadError
from ..kernels.nearest import PosedMeshes
from .anatomy import usual_landmarks
from .model import SKIN_REGIONS, Head, HeadModel, Landmarks

SAMPLES = 700  # points of skin between the landmarks
REACH = 0.3  # of the distance of the eyes: skin farther away after the landmarks' warp is no match
ROUNDS = 3
CONTOUR = 17  # the first of the 68: the jaw's outline, where models disagree most
DERIVED_468 = "its MediaPipe landmarks were laid on it from the generic head's, by its shape alone"
DERIVED_SOME = "MediaPipe landmarks that its own embedding lacks were laid on from the generic head"
DERIVED_68 = "its 68 landmarks were found by its shape alone"


@dataclass(frozen=True)
class Warp:
    """target_from_source: an affine map, then a spline."""

    affine: np.ndarray  # [4, 3], the last row shifts
    spline: RBFInterpolator | None

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points [S, 3] m of the source, in the target's space."""
        moved = np.c_[points, np.ones(len(points))] @ self.affine
        return moved if self.spline is None else moved + self.spline(moved)


def closest_on(
    points: np.ndarray, vertices: np.ndarray, faces: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nearest place on a mesh for points [S, 3] m: face [S], weights [S, 3], distance [S] m."""
    meshes = PosedMeshes(torch.from_numpy(np.ascontiguousarray(faces, np.int32)), _CPU)
    meshes.pose(torch.from_numpy(np.ascontiguousarray(vertices, np.float32))[None])
    x = torch.from_numpy(np.ascontiguousarray(points, np.float32))
    face, bary, distance = meshes.nearest(x, torch.zeros(len(x), dtype=torch.int32), 1e3)
    bary = np.clip(bary.numpy(), 0, 1)
    return face.numpy(), bary / bary.sum(1, keepdims=True), distance.numpy()


_CPU = torch.device("cpu")


def register(
    source: Head, target: Head, pairs: tuple[np.ndarray, np.ndarray] | None = None
) -> Warp:
    """target_from_source of two neutral heads.

    Args:
        source: a head with its 68 landmarks.
        target: another, of any topology; landmarks it lacks are guessed by proportion.
        pairs: more points that belong together, [K, 3] m each.

    Raises:
        HeadError: the source has no landmarks.
    """
    if len(source.landmarks68.vertices) != 68:
        raise HeadError(f"The head model {source.model_name} has no 68 landmarks.",
                        "Import it again with its landmark embedding.")  # fmt: skip
    known = len(target.landmarks68.vertices) == 68
    here = source.landmarks68.on(source.vertices).astype(float)
    there = target.landmarks68.on(target.vertices).astype(float) if known else _usual(target)
    if pairs is not None:
        here, there = np.concatenate([here, pairs[0]]), np.concatenate([there, pairs[1]])
    scale = float(np.linalg.norm(there[36] - there[45]))  # outer corners of the eyes
    # A face is shallow: the affine map is held to a similarity where the landmarks say little.
    affine = _affine(here, there)
    loose = np.full(len(here), 1e-4 if known else 0.3) * scale
    loose[:CONTOUR] = 0.3 * scale
    warp = Warp(affine, _spline(here @ affine[:3] + affine[3], there, loose))

    faces = target.skin_faces
    normals = _normals(target.vertices, faces)
    samples = source.vertices_in(*SKIN_REGIONS)
    near = np.linalg.norm(source.vertices[samples] - here[30], axis=1) < 2 * np.ptp(here[:17, 0])
    samples = samples[near][:: max(int(near.sum()) // SAMPLES, 1)]
    start = source.vertices[samples].astype(float)
    own = _directions(source)[samples]
    for _ in range(ROUNDS):
        moved = warp(start)
        face, bary, distance = closest_on(moved, target.vertices, faces)
        fits = (distance < REACH * scale) & ((normals[face] * own).sum(1) > 0.5)
        found = np.einsum("skc,sk->sc", target.vertices[faces[face]], bary)[fits]
        keep = np.ones(len(here), bool)
        keep[:CONTOUR] = False  # the skin says better where the outline is
        if not known:
            keep[:68] = False
        centres = np.concatenate([here[keep], start[fits]])
        goals = np.concatenate([there[keep], found])
        free = np.concatenate([loose[keep], np.full(int(fits.sum()), 0.02 * scale)])
        if len(goals) < 30:
            break
        warp = replace(warp, spline=_spline(centres @ affine[:3] + affine[3], goals, free))
    return warp


def with_landmarks(model: HeadModel) -> HeadModel:
    """The model with 68 and all 468 landmarks; what it lacks is laid on from the generic head."""
    head = model.mean
    own68 = len(head.landmarks68.vertices) == 68
    known = head.landmarks468.weights.sum(1) > 0 if len(head.landmarks468.vertices) else None
    if own68 and known is not None and known.all():
        return model
    from .generic import build_generic_head

    generic = build_generic_head().mean
    pairs = None
    if known is not None:
        pairs = tuple(one.landmarks468.on(one.vertices)[known] for one in (generic, head))
    warp = register(generic, head, pairs)
    notes = list(model.notes)
    if not own68:
        head = replace(head, landmarks68=_laid(generic.landmarks68, generic, head, warp))
        notes.append(DERIVED_68)
    laid = _laid(generic.landmarks468, generic, head, warp)
    if known is not None:
        for part in ("vertices", "weights", "offset"):
            getattr(laid, part)[known] = getattr(head.landmarks468, part)[known]
    notes.append(DERIVED_468 if known is None else DERIVED_SOME)
    return replace(model, mean=replace(head, landmarks468=laid), notes=tuple(notes))


def _laid(points: Landmarks, source: Head, target: Head, warp: Warp) -> Landmarks:
    """The source's landmarks on the target's skin."""
    faces = target.skin_faces
    face, bary, _ = closest_on(warp(points.on(source.vertices)), target.vertices, faces)
    return Landmarks(
        faces[face].astype(np.int32), bary.astype(np.float32), np.zeros((len(face), 3), np.float32)
    )


def _usual(head: Head) -> np.ndarray:
    """Landmarks by proportion: [68, 3] m."""
    skin = np.zeros(len(head.vertices), bool)
    skin[head.vertices_in(*SKIN_REGIONS)] = True
    return usual_landmarks(head.vertices, head.joints, skin)


def _affine(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[4, 3]: least squares, with a light pull towards equal scale along all axes."""
    a, b = source.mean(0), target.mean(0)
    size = np.sqrt(((target - b) ** 2).sum() / ((source - a) ** 2).sum())
    pull = 0.05 * ((source - a) ** 2).sum() / 3
    left = (source - a).T @ (source - a) + pull * np.eye(3)
    linear = np.linalg.solve(left, (source - a).T @ (target - b) + pull * size * np.eye(3))
    return np.concatenate([linear, (b - a @ linear)[None]])


def _spline(moved: np.ndarray, goals: np.ndarray, loose: np.ndarray) -> RBFInterpolator:
    """What to add to points [K, 3] m so that they meet the goals, each as nearly as it is firm."""
    _, once = np.unique(moved.round(7), axis=0, return_index=True)
    return RBFInterpolator(moved[once], (goals - moved)[once], kernel="linear", degree=0,
                           smoothing=loose[once])  # fmt: skip


def _directions(head: Head) -> np.ndarray:
    """Outward unit normals [V, 3] of the neutral head."""
    from ..render.mesh import vertex_normals

    return vertex_normals(head.vertices.astype(float), head.faces)


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[faces[:, i]].astype(float) for i in range(3))
    normals = np.cross(b - a, c - a)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
