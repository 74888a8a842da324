# SPDX-License-Identifier: GPL-3.0-or-later
"""A FLAME head (Li et al. 2017) from plain arrays; what the file lacks is derived geometrically."""

import numpy as np

from ..errors import HeadError
from .anatomy import nearest_vertices, skin_regions, usual_landmarks, vertex_landmarks
from .model import (
    EYE_LEFT,
    EYE_RIGHT,
    JOINT_PARENTS,
    REGIONS,
    Head,
    HeadModel,
    Landmarks,
    fingerprint,
)
from .parts import part_labels

FLAME_KEYS = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")
# Columns of shapedirs → how many of them are identity; the rest are expressions.
IDENTITIES = {400: 300, 150: 100, 110: 100, 60: 50, 20: 10}
MEDIAPIPE_COUNT = 468
LICENCE = (
    "FLAME's licence is its user's: unless it is FLAME 2023 Open, neither the file nor what is "
    "converted from it may be handed on or used for commerce"
)


def flame_model(arrays: dict[str, np.ndarray]) -> HeadModel:
    """The head model in the arrays of `FLAME_KEYS`.

    Optional arrays: `n_shape` (columns of shapedirs that are identity); `lmk_face_idx` and
    `lmk_b_coords` (68 landmarks, or the 51 without the contour, which is then laid by proportion);
    `mediapipe_lmk_face_idx`, `mediapipe_lmk_b_coords` and `mediapipe_landmark_indices`; `vt` and
    `ft`. Landmarks that are nowhere given are left out: arrays of length 0.

    Raises:
        HeadError: another kinematic tree, or an unknown split of shapedirs.
    """
    parents = tuple(
        int(parent) for parent in np.asarray(arrays["kintree_table"])[0].astype(np.int64)
    )
    if parents[1:] != JOINT_PARENTS[1:]:
        raise HeadError(
            f"The FLAME file's joints hang together as {parents}, not as {JOINT_PARENTS}.",
            "Use a FLAME file of five joints.",
        )
    vertices = arrays["v_template"].astype(np.float32)
    faces = arrays["f"].astype(np.int32)
    weights = arrays["weights"].astype(np.float32)
    regressor = arrays["J_regressor"].astype(np.float32)
    joints = (regressor @ vertices).astype(np.float32)
    identities, expressions = _modes(arrays)
    eyeballs = weights[:, [EYE_LEFT, EYE_RIGHT]].max(1) > 0.5
    landmarks68, points = _landmarks68(arrays, vertices, faces, joints, ~eyeballs)
    regions = skin_regions(vertices, joints, points)
    regions[eyeballs] = REGIONS.index("eyeball")
    uv, uv_faces = _uv(arrays, vertices, faces)
    correctives = np.moveaxis(arrays["posedirs"].reshape(len(vertices), 3, -1), 2, 0)

    mean = Head(
        model_name="flame",
        model_fingerprint=fingerprint(
            *(arrays[key] for key in ("v_template", "f", "shapedirs", "posedirs", "weights"))
        ),
        beta=np.zeros(len(identities), np.float32),
        vertices=vertices,
        faces=faces,
        uv=uv,
        uv_faces=uv_faces,
        expression_names=tuple(f"expression{i:03d}" for i in range(len(expressions))),
        expressions=expressions,
        joints=joints,
        skin_weights=weights / weights.sum(1, keepdims=True),
        correctives=np.ascontiguousarray(correctives).astype(np.float16),
        corrective_index=np.arange(len(correctives), dtype=np.int32),
        landmarks68=landmarks68,
        landmarks468=_landmarks468(arrays, faces),
        vertex_region=regions,
        vertex_part=part_labels(vertices, joints, regions, points),
        joint_expressions=np.stack(
            [regressor @ mode.astype(np.float32) for mode in expressions]
        ).astype(np.float32),
    )
    return HeadModel(
        mean,
        tuple(f"identity{i:03d}" for i in range(len(identities))),
        identities,
        regressor,
        notes=(LICENCE,),
    )


def _modes(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Identities [B, V, 3] and expressions [E, V, 3], float16."""
    modes = np.moveaxis(arrays["shapedirs"], 2, 0)
    count = int(arrays["n_shape"]) if "n_shape" in arrays else IDENTITIES.get(len(modes))
    if count is None or not 0 < count < len(modes):
        raise HeadError(
            f"How many of the FLAME file's {len(modes)} shapedirs are identity is unknown.",
            "Add an entry n_shape to the file that says it.",
        )
    modes = np.ascontiguousarray(modes).astype(np.float16)
    return modes[:count], modes[count:]


def _landmarks68(
    arrays: dict[str, np.ndarray],
    vertices: np.ndarray,
    faces: np.ndarray,
    joints: np.ndarray,
    skin: np.ndarray,
) -> tuple[Landmarks, np.ndarray]:
    """The file's landmarks, if any, and points [68, 3] m to lay regions and parts by."""
    usual = usual_landmarks(vertices, joints, skin)
    if "lmk_face_idx" not in arrays or "lmk_b_coords" not in arrays:
        return vertex_landmarks(np.zeros(0, np.int32)), usual
    found = _embedded(faces, arrays["lmk_face_idx"], arrays["lmk_b_coords"])
    if len(found.vertices) == 51:
        inner = found.on(vertices)
        source = np.concatenate([usual[17:], np.ones((51, 1))], 1)
        affine = np.linalg.lstsq(source, inner, rcond=None)[
            0
        ]  # [4, 3]: this face's own proportions
        contour = np.concatenate([usual[:17], np.ones((17, 1))], 1) @ affine
        outline = vertex_landmarks(nearest_vertices(contour, vertices, skin))
        found = Landmarks(
            np.concatenate([outline.vertices, found.vertices]),
            np.concatenate([outline.weights, found.weights]),
            np.concatenate([outline.offset, found.offset]),
        )
    if len(found.vertices) != 68:
        raise HeadError(
            f"The FLAME file embeds {len(found.vertices)} landmarks; 68 or 51 are known.",
            "Use the static 51 or the full 68.",
        )
    return found, found.on(vertices)


def _landmarks468(arrays: dict[str, np.ndarray], faces: np.ndarray) -> Landmarks:
    """MediaPipe's landmarks: length 468 with rows of zero weight where the file lacks one, or 0."""
    if "mediapipe_lmk_face_idx" not in arrays:
        return vertex_landmarks(np.zeros(0, np.int32))
    found = _embedded(faces, arrays["mediapipe_lmk_face_idx"], arrays["mediapipe_lmk_b_coords"])
    if "mediapipe_landmark_indices" not in arrays:
        if len(found.vertices) != MEDIAPIPE_COUNT:
            raise HeadError(
                "The FLAME file embeds some MediaPipe landmarks without saying which.",
                "Add an entry mediapipe_landmark_indices.",
            )
        return found
    rows = arrays["mediapipe_landmark_indices"].astype(np.int64)
    rows, source = rows[rows < MEDIAPIPE_COUNT], np.flatnonzero(rows < MEDIAPIPE_COUNT)
    shape = (MEDIAPIPE_COUNT, 3)
    whole = Landmarks(
        np.zeros(shape, np.int32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    )
    whole.vertices[rows] = found.vertices[source]
    whole.weights[rows] = found.weights[source]
    return whole


def _embedded(faces: np.ndarray, face: np.ndarray, bary: np.ndarray) -> Landmarks:
    weights = np.asarray(bary, np.float32).reshape(-1, 3)
    vertices = faces[np.asarray(face, np.int64).reshape(-1)]
    return Landmarks(vertices, weights / weights.sum(1, keepdims=True), np.zeros_like(weights))


def _uv(
    arrays: dict[str, np.ndarray], vertices: np.ndarray, faces: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The file's UVs, else a cylinder around the head, cut at the back of it."""
    if "vt" in arrays and "ft" in arrays:
        return arrays["vt"].astype(np.float32), arrays["ft"].astype(np.int32)
    low, high = vertices.min(0), vertices.max(0)
    centre = (low + high) / 2
    u = np.arctan2(vertices[:, 0] - centre[0], vertices[:, 2] - centre[2]) / (2 * np.pi) + 0.5
    v = (vertices[:, 1] - low[1]) / (high[1] - low[1])
    corners = np.stack([u, v], -1)[faces]  # [F, 3, 2]
    low_side = (np.ptp(corners[..., 0], axis=1) > 0.5)[:, None] & (corners[..., 0] < 0.5)
    corners[..., 0] += low_side  # a face across the cut continues to the right of u = 1
    uv, index = np.unique(corners.reshape(-1, 2), axis=0, return_inverse=True)
    uv[:, 0] /= max(1.0, uv[:, 0].max())
    return uv.astype(np.float32), index.reshape(faces.shape).astype(np.int32)
