# SPDX-License-Identifier: GPL-3.0-or-later
"""Google's GNM Head v3 (Apache-2.0) from the arrays of its `gnm_head.npz`.

Its joints are neck, head and the eyes; neck becomes our root and head our neck. It opens its mouth
by expressions alone, so the jaw joint and what follows it are laid on from the generic head; the
expressions stay as they are, and the tracker or an artist may use either.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import HeadError
from .anatomy import affine_mean, skin_regions, usual_landmarks, vertex_landmarks
from .model import (
    EYE_LEFT,
    EYE_RIGHT,
    JAW,
    JOINTS,
    LINED_REGIONS,
    NECK,
    REGIONS,
    Head,
    HeadModel,
    Landmarks,
    fingerprint,
)
from .parts import part_labels
from .registration import closest_on, register

GNM_KEYS = (
    "template_vertex_positions", "template_joint_positions", "vertex_identity_basis",
    "joint_identity_basis", "expression_basis", "identity_names", "joint_names",
    "expression_names", "joint_parent_indices", "skinning_weights", "triangles",
    "pose_correctives_regressor", "vertex_groups", "vertex_group_names",
)  # fmt: skip
OURS = {"neck": 0, "head": NECK, "left_eye": EYE_LEFT, "right_eye": EYE_RIGHT}
# Our order of iBUG's 68 in its landmark file: the jaw's outline stands there in another order.
SPARSE_JAW = (0, 1, 6, 5, 4, 3, 2)
LANDMARK_FILES = ("head_sparse_68.txt", "landmarks/head_sparse_68.txt")
GROUPS = {
    "teeth": "teeth", "tongue": "tongue", "ear": "ears left_ear right_ear",
    "eye_socket": "eye_interiors", "eyeball": "left_eye right_eye scleras irises pupils",
}  # fmt: skip
RIGID = 0.5  # from which weight on a vertex is in a group
LICENCE = "GNM Head's licence is Apache-2.0"
JAW_NOTE = "it has no jaw joint of its own: one was laid on from the generic head"


def gnm_model(arrays: dict[str, np.ndarray]) -> HeadModel:
    """The head model in the arrays of `GNM_KEYS`; optional `landmarks68_*` of `landmarks_in`.

    Raises:
        HeadError: other joints than those of version 3.
    """
    names = [str(name) for name in arrays["joint_names"]]
    if sorted(names) != sorted(OURS):
        raise HeadError(f"The GNM head's joints are {', '.join(names)}, not {', '.join(OURS)}.",
                        "Use GNM Head of version 3.")  # fmt: skip
    vertices = arrays["template_vertex_positions"].astype(np.float32)
    faces = arrays["triangles"].astype(np.int32)
    order = [OURS[name] for name in names]
    weights = np.zeros((len(vertices), len(JOINTS)), np.float32)
    weights[:, order] = arrays["skinning_weights"].T
    joints = np.zeros((len(JOINTS), 3), np.float32)
    joints[order] = arrays["template_joint_positions"]
    joints[JAW] = joints[NECK]
    landmarks, points = _landmarks(arrays, vertices, joints, weights)
    regions = _regions(arrays, vertices, joints, points)
    identities = arrays["vertex_identity_basis"].astype(np.float16)
    expressions = arrays["expression_basis"].astype(np.float16)
    correctives, index = _correctives(arrays, names)
    uv, uv_faces = _uv(arrays, faces, len(vertices))
    head = Head(
        model_name="gnm",
        model_fingerprint=fingerprint(vertices, faces, identities, expressions, weights),
        beta=np.zeros(len(identities), np.float32),
        vertices=vertices,
        faces=faces,
        uv=uv,
        uv_faces=uv_faces,
        expression_names=tuple(str(name) for name in arrays["expression_names"]),
        expressions=expressions,
        joints=joints,
        skin_weights=weights,
        correctives=correctives,
        corrective_index=index,
        landmarks68=landmarks,
        landmarks468=vertex_landmarks(np.zeros(0, np.int32)),
        vertex_region=regions,
        vertex_part=part_labels(vertices, joints, regions, points),
    )
    head, regressor = _with_jaw(head, points, arrays, order)
    return HeadModel(
        head, tuple(str(name) for name in arrays["identity_names"]), identities, regressor,
        notes=(LICENCE, JAW_NOTE),
    )  # fmt: skip


def landmarks_in(folder: Path) -> dict[str, np.ndarray]:
    """The 68 landmarks of GNM's file of that name in a folder, if there is one.

    Raises:
        HeadError: it holds something else.
    """
    file = next((folder / n for n in LANDMARK_FILES if (folder / n).is_file()), None)
    if file is None:
        return {}
    try:
        rows = np.loadtxt(file, dtype=np.float64, ndmin=2, comments="#")
        if rows.shape != (68, 6):
            raise ValueError(f"{rows.shape[0]} rows of {rows.shape[1]} numbers")
    except (OSError, ValueError) as error:
        raise HeadError(
            f"The landmark file {file} cannot be used ({error}).",
            "Use GNM's head_sparse_68.txt, or move the file elsewhere.",
        ) from error
    return {
        "landmarks68_vertices": rows[:, ::2].astype(np.int32),
        "landmarks68_weights": rows[:, 1::2],
    }


def _landmarks(
    arrays: dict[str, np.ndarray], vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray
) -> tuple[Landmarks, np.ndarray]:
    """The file's landmarks, if any, and points [68, 3] m to lay regions and parts by."""
    if "landmarks68_vertices" not in arrays:
        skin = weights[:, [EYE_LEFT, EYE_RIGHT]].max(1) < RIGID
        return vertex_landmarks(np.zeros(0, np.int32)), usual_landmarks(vertices, joints, skin)
    order = np.arange(68)
    order[: len(SPARSE_JAW)] = SPARSE_JAW
    share = arrays["landmarks68_weights"].astype(np.float32)[order]
    share /= share.sum(1, keepdims=True)
    found = Landmarks(arrays["landmarks68_vertices"][order], share, np.zeros_like(share))
    return found, found.on(vertices)


def _regions(
    arrays: dict[str, np.ndarray], vertices: np.ndarray, joints: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """[V] uint8 into REGIONS: what the groups say, the rest by anatomy."""
    regions = skin_regions(vertices, joints, points)
    groups = dict(zip((str(n) for n in arrays["vertex_group_names"]), arrays["vertex_groups"],
                      strict=True))  # fmt: skip
    if "skin_exterior" in groups:
        regions[groups["skin_exterior"] < RIGID] = REGIONS.index("mouth_cavity")
    for region, names in GROUPS.items():
        for name in names.split():
            if name in groups:
                regions[groups[name] >= RIGID] = REGIONS.index(region)
    return regions


def _correctives(arrays: dict[str, np.ndarray], names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Its pose correctives [K, V, 3] m and what they follow; the root's have no place here."""
    table = arrays["pose_correctives_regressor"]
    table = table.reshape(len(names), 9, -1, 3)
    kept = [(j, OURS[name]) for j, name in enumerate(names) if OURS[name] > 0]
    rows = np.concatenate([table[j] for j, _ in kept])
    index = np.concatenate([(joint - 1) * 9 + np.arange(9) for _, joint in kept])
    moves = np.abs(rows).max((1, 2)) > 1e-7
    return rows[moves].astype(np.float16), index[moves].astype(np.int32)


def _uv(
    arrays: dict[str, np.ndarray], faces: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """UVs [U, 2] and triangles into them; without any, all of them in one corner."""
    corners = arrays.get("triangle_uvs")
    if corners is None or corners.shape != (*faces.shape, 2):
        return np.zeros((count, 2), np.float32), faces
    uv, index = np.unique(corners.reshape(-1, 2).astype(np.float32), axis=0, return_inverse=True)
    return uv, index.reshape(faces.shape).astype(np.int32)


def _with_jaw(
    head: Head, points: np.ndarray, arrays: dict[str, np.ndarray], order: list[int]
) -> tuple[Head, np.ndarray]:
    """The head with a jaw, and a regressor [J, V] that follows the identity as its joints do.

    A vertex follows the jaw as the generic head's skin or lining does where it lies.
    """
    from .generic import build_generic_head

    generic = build_generic_head().mean
    warp = register(generic, head)
    queried = generic.faces_in(*LINED_REGIONS)
    share = np.zeros(len(head.vertices))
    soft = head.vertices_in(*LINED_REGIONS, "eye_socket")
    face, bary, _ = closest_on(head.vertices[soft], warp(generic.vertices), queried)
    share[soft] = (generic.skin_weights[:, JAW][queried[face]] * bary).sum(1)
    teeth = head.vertices_in("teeth")
    share[teeth] = head.vertices[teeth, 1] < points[60:68, 1].mean()
    share[head.vertices_in("tongue")] = 1
    weights = head.skin_weights.copy()
    weights[:, JAW] = weights[:, NECK] * share
    weights[:, NECK] -= weights[:, JAW]

    places = head.joints.copy()
    places[JAW] = warp(generic.joints[JAW : JAW + 1])[0]
    regressor = np.zeros((len(JOINTS), len(head.vertices)), np.float32)
    if "joint_regressor" in arrays:
        regressor[order] = arrays["joint_regressor"]
    for joint, place in enumerate(places):
        if np.linalg.norm(regressor[joint] @ head.vertices - place) > 1e-4:
            distance = np.linalg.norm(head.vertices - place, axis=1)
            near = np.argsort(distance)[: max(len(distance) // 40, 8)]
            regressor[joint] = 0
            regressor[joint, near] = affine_mean(head.vertices[near], place)
    joints = (regressor @ head.vertices).astype(np.float32)
    weights /= weights.sum(1, keepdims=True)
    return replace(head, joints=joints, skin_weights=weights), regressor
