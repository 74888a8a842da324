# SPDX-License-Identifier: GPL-3.0-or-later
"""The npz import of ICT-FaceKit (Li et al. 2020; MIT) as a head model."""

import numpy as np

from ..errors import HeadError
from .anatomy import skin_regions, vertex_landmarks
from .model import JAW, JOINT_PARENTS, JOINTS, REGIONS, Head, HeadModel, Landmarks, fingerprint
from .parts import part_labels

ICT_KEYS = (
    "v_template", "f", "vt", "ft", "shapedirs", "weights", "parents", "J_regressor", "joint_names",
    "jaw_residual", "jaw_open_angle", "jaw_axis", "landmarks68", "mediapipe468_vertices",
    "mediapipe468_barycentric", "mediapipe468_offset", "vertex_region", "region_names",
    "expression_names",
)  # fmt: skip
SIDES = {"_L": "Left", "_R": "Right"}
JOINT_NAMES = {"left_eye": "eye_left", "right_eye": "eye_right"}
INNER_REGIONS = {
    "mouth_socket": "mouth_cavity", "eye_sockets": "eye_socket", "upper_teeth": "teeth",
    "lower_teeth": "teeth", "gums_and_tongue": "tongue", "eyeballs": "eyeball",
}  # fmt: skip
# The entry of (R_joints - I) that holds the sine of a jaw rotation about x: joint, row, column.
JAW_SINE = ((JAW - 1) * 3 + 2) * 3 + 1


def ict_model(arrays: dict[str, np.ndarray]) -> HeadModel:
    """The head model in the arrays of `ICT_KEYS`.

    Raises:
        HeadError: its joints, jaw axis or regions are not those of the import.
    """
    vertices = arrays["v_template"].astype(np.float32)
    regressor = arrays["J_regressor"].astype(np.float32)
    joints = (regressor @ vertices).astype(np.float32)
    weights = arrays["weights"].astype(np.float32)
    _check_joints(arrays)
    landmarks = vertices[arrays["landmarks68"]]
    regions = _regions(arrays, vertices, joints, landmarks)
    names, expressions, identities = _modes(arrays)

    mean = Head(
        model_name="ict",
        model_fingerprint=fingerprint(
            *(arrays[key] for key in ("v_template", "f", "shapedirs", "weights"))
        ),
        beta=np.zeros(len(identities), np.float32),
        vertices=vertices,
        faces=arrays["f"].astype(np.int32),
        uv=arrays["vt"].astype(np.float32),
        uv_faces=arrays["ft"].astype(np.int32),
        expression_names=names,
        expressions=expressions,
        joints=joints,
        skin_weights=weights / weights.sum(1, keepdims=True),
        correctives=_jaw_corrective(arrays, weights)[None].astype(np.float16),
        corrective_index=np.array([JAW_SINE], np.int32),
        landmarks68=vertex_landmarks(arrays["landmarks68"]),
        landmarks468=Landmarks(
            arrays["mediapipe468_vertices"].astype(np.int32),
            arrays["mediapipe468_barycentric"].astype(np.float32),
            arrays["mediapipe468_offset"].astype(np.float32),
        ),
        vertex_region=regions,
        vertex_part=part_labels(vertices, joints, regions, landmarks),
    )
    return HeadModel(
        mean, tuple(f"identity{i:03d}" for i in range(len(identities))), identities, regressor
    )


def arkit_name(name: str) -> str:
    """ARKit's spelling of an ICT expression: `mouthSmile_L` → `mouthSmileLeft`."""
    return name[:-2] + SIDES[name[-2:]] if name[-2:] in SIDES else name


def _check_joints(arrays: dict[str, np.ndarray]) -> None:
    names = tuple(JOINT_NAMES.get(str(name), str(name)) for name in arrays["joint_names"])
    if names != JOINTS or tuple(int(parent) for parent in arrays["parents"]) != JOINT_PARENTS:
        raise HeadError(f"The head model's joints are {', '.join(names)}, not {', '.join(JOINTS)}.",
                        "Import the head model again.")  # fmt: skip
    if arrays["jaw_axis"][0] < 0.99 or not 0 < float(arrays["jaw_open_angle"]) < 1.5:
        raise HeadError(
            "The head model's jaw does not open by a positive rotation about the x axis.",
            "Import the head model again.",
        )


def _jaw_corrective(arrays: dict[str, np.ndarray], weights: np.ndarray) -> np.ndarray:
    """What to add in the rest pose per sine of the jaw angle: [V, 3] m.

    The file's residual is measured after skinning, at the jaw's full opening; the inverse of the
    blended rotation there takes it to the rest pose, so that full opening is reproduced exactly.
    """
    angle = float(arrays["jaw_open_angle"])
    sine, cosine = np.sin(angle), np.cos(angle)
    rotation = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    blended = np.eye(3) + weights[:, JAW, None, None] * (rotation - np.eye(3))  # [V, 3, 3]
    residual = arrays["jaw_residual"].astype(np.float64)
    return np.linalg.solve(blended, residual[..., None])[..., 0] / sine


def _modes(arrays: dict[str, np.ndarray]) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Expression names [E], expressions [E, V, 3] and identities [B, V, 3], float16."""
    found = [str(name) for name in arrays["expression_names"]]
    modes = np.moveaxis(arrays["shapedirs"], 2, 0).astype(np.float16)
    count = len(modes) - len(found)
    kept = [
        i for i, name in enumerate(found) if name != "jawOpen" and not name.startswith("eyeLook")
    ]
    names = tuple(arkit_name(found[i]) for i in kept)
    return names, modes[count + np.array(kept)], np.ascontiguousarray(modes[:count])


def _regions(
    arrays: dict[str, np.ndarray], vertices: np.ndarray, joints: np.ndarray, landmarks: np.ndarray
) -> np.ndarray:
    regions = skin_regions(vertices, joints, landmarks)
    for index, name in enumerate(str(name) for name in arrays["region_names"]):
        if name in INNER_REGIONS:
            regions[arrays["vertex_region"] == index] = REGIONS.index(INNER_REGIONS[name])
        elif name not in ("face", "head_and_neck"):
            raise HeadError(
                f"The head model has an unknown region, {name}.", "Import the head model again."
            )
    gums = (regions == REGIONS.index("tongue")) & (arrays["weights"][:, JAW] < 0.5)
    regions[gums] = REGIONS.index("teeth")
    return regions
