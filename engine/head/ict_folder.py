# SPDX-License-Identifier: GPL-3.0-or-later
"""ICT-FaceKit (Li et al. 2020; MIT) as its repository hands it out: a folder of OBJ files.

    generic_neutral_mesh.obj, identity000.obj …, one OBJ per expression, vertex_indices.json

Centimetres, no joints and no skinning weights. The joints are put here where anatomy has them; the
jaw's axis, angle and weights come from the model's own open jaw: its lower teeth move rigidly.
"""

import json
from pathlib import Path

import numpy as np

from ..errors import HeadError
from .anatomy import affine_mean, vertex_landmarks
from .ict import ict_model
from .model import EYE_LEFT, EYE_RIGHT, JAW, JOINT_PARENTS, JOINTS, NECK, HeadModel, check_head
from .obj import read_obj, read_obj_vertices, triangles

NEUTRAL, INDEX = "generic_neutral_mesh.obj", "vertex_indices.json"
CENTIMETRE = 0.01
VERTICES = 26719
# The first vertex of each region, and the first of the wet films and lashes, which are left out.
REGION_STARTS = {
    "face": 0, "head_and_neck": 9409, "mouth_socket": 11248, "eye_sockets": 13294,
    "gums_and_tongue": 14062, "upper_teeth": 17039, "lower_teeth": 19247, "eyeballs": 21451,
}  # fmt: skip
KEPT = 24591
SCLERA = 770  # the first vertices of each eyeball: the white, without the cornea's bulge
EYES = {EYE_LEFT: slice(21451, 23021), EYE_RIGHT: slice(23021, KEPT)}
# What the joints are means of, and where they are on the neutral head, m (the jaw is found).
ROOT_PLACE, NECK_PLACE = np.array([0, -0.1722, -0.0191]), np.array([0, -0.11, -0.015])
AROUND = {0: 0.04, NECK: 0.075, JAW: 0.09}  # m, how near the vertices are whose mean a joint is
NECK_FADE = (-0.09, -0.165)  # m up, where the root's weight begins and where it is whole


def read_ict_folder(folder: Path) -> HeadModel:
    """The head model in a FaceXModel folder; expressions whose file is missing are left out.

    Raises:
        HeadError: another folder, or one of its files cannot be used.
    """
    arrays, missing = ict_arrays(folder)
    model = ict_model(arrays)
    check_head(model.mean)
    notes: tuple[str, ...] = ("ICT-FaceKit's licence is MIT",)
    if missing:
        names = ", ".join(missing[:4]) + (" …" if len(missing) > 4 else "")
        notes += (f"files of {len(missing)} expressions are missing: {names}",)
    return HeadModel(
        model.mean, model.identity_names, model.identities, model.joint_regressor, notes
    )


def ict_arrays(folder: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays of `ict.ICT_KEYS`, without MediaPipe's landmarks; and the missing expressions."""
    index = _index(folder)
    points, polygons, uv, uv_polygons = read_obj(folder / NEUTRAL)
    _check_count(folder / NEUTRAL, points)
    neutral = points[:KEPT] * CENTIMETRE
    kept = (polygons < KEPT).all(1)
    identities = sorted(folder.glob("identity[0-9][0-9][0-9].obj"))
    expressions = [name for name in index["expressions"] if (folder / f"{name}.obj").is_file()]
    missing = [name for name in index["expressions"] if name not in expressions]
    if "jawOpen" not in expressions or not identities:
        lacks = "jawOpen.obj" if identities else "identity000.obj"
        raise HeadError(f"{folder} lacks {lacks}.", "Copy the whole FaceXModel folder.")

    modes = np.empty((KEPT, 3, len(identities) + len(expressions)), np.float16)
    opened = None
    for column, path in enumerate([*identities, *(folder / f"{n}.obj" for n in expressions)]):
        moved = read_obj_vertices(path)
        _check_count(path, moved)
        offset = moved[:KEPT] * CENTIMETRE - neutral
        modes[..., column] = offset
        opened = offset if path.stem == "jawOpen" else opened

    region = np.zeros(KEPT, np.uint8)
    for number, start in enumerate(REGION_STARTS.values()):
        region[start:] = number
    angle, jaw = jaw_hinge(neutral, opened, region == list(REGION_STARTS).index("lower_teeth"))
    joints = np.stack(
        [ROOT_PLACE, NECK_PLACE, jaw, *(middle_of_ball(neutral[e][:SCLERA]) for e in EYES.values())]
    )
    weights, residual = skin(neutral, opened, joints, angle)
    empty = vertex_landmarks(np.zeros(0, np.int32))
    return {
        "v_template": neutral.astype(np.float32),
        "f": triangles(polygons[kept]).astype(np.int32),
        "vt": uv.astype(np.float32),
        "ft": triangles(uv_polygons[kept]).astype(np.int32),
        "shapedirs": modes,
        "weights": weights.astype(np.float32),
        "parents": np.array(JOINT_PARENTS, np.int32),
        "J_regressor": joint_regressor(neutral, joints).astype(np.float32),
        "joint_names": np.array(["root", "neck", "jaw", "left_eye", "right_eye"]),
        "jaw_residual": residual.astype(np.float16),
        "jaw_open_angle": np.array(angle),
        "jaw_axis": np.array([1.0, 0, 0]),
        "landmarks68": np.array(index["idx_to_landmark_verts"], np.int64),
        "mediapipe468_vertices": empty.vertices,
        "mediapipe468_barycentric": empty.weights,
        "mediapipe468_offset": empty.offset,
        "vertex_region": region,
        "region_names": np.array(list(REGION_STARTS)),
        "expression_names": np.array(expressions),
    }, missing  # fmt: skip


def jaw_hinge(
    neutral: np.ndarray, opened: np.ndarray, teeth: np.ndarray
) -> tuple[float, np.ndarray]:
    """The angle, rad, about x and a point [3] m of the axis that open the jaw as the teeth do.

    Args:
        neutral: [V, 3] m.
        opened: [V, 3] m, what the open jaw adds.
        teeth: [V] bool, the lower teeth, which are rigid.
    """
    before = neutral[teeth][:, 1:]
    after = before + opened[teeth][:, 1:]
    a, b = before - before.mean(0), after - after.mean(0)
    angle = np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a * b).sum())
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = after.mean(0) - turn @ before.mean(0)
    if not 0.05 < angle < 1.5:
        raise HeadError("ICT-FaceKit's jawOpen does not turn the lower teeth open.",
                        "Copy the whole FaceXModel folder.")  # fmt: skip
    return float(angle), np.concatenate([[0.0], np.linalg.solve(np.eye(2) - turn, shift)])


def skin(
    neutral: np.ndarray, opened: np.ndarray, joints: np.ndarray, angle: float
) -> tuple[np.ndarray, np.ndarray]:
    """Weights [V, J], and what the open jaw does beyond them [V, 3] m.

    A vertex follows the jaw by the share of the rigid motion that it makes when the jaw opens.
    """
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)],
                     [0, np.sin(angle), np.cos(angle)]])  # fmt: skip
    rigid = (neutral - joints[JAW]) @ turn.T + joints[JAW] - neutral
    square = np.maximum((rigid**2).sum(1), 1e-12)
    jaw = np.clip((rigid * opened).sum(1) / square, 0, 1)
    t = np.clip((neutral[:, 1] - NECK_FADE[0]) / (NECK_FADE[1] - NECK_FADE[0]), 0, 1)
    root = t * t * (3 - 2 * t)
    weights = np.zeros((len(neutral), len(JOINTS)))
    weights[:, 0], weights[:, JAW] = root, jaw * (1 - root)
    weights[:, NECK] = 1 - weights.sum(1)
    for joint, eye in EYES.items():
        weights[eye] = np.eye(len(JOINTS))[joint]
    return weights, opened - weights[:, JAW, None] * rigid


def joint_regressor(neutral: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """[J, V]: each joint as an affine mean of the vertices around it, rows sum to one."""
    regressor = np.zeros((len(joints), len(neutral)))
    for joint, place in enumerate(joints):
        if joint in EYES:
            near = np.arange(EYES[joint].start, EYES[joint].stop)
        else:
            outside = neutral[: REGION_STARTS["mouth_socket"], 1]
            near = np.flatnonzero(np.abs(outside - place[1]) < AROUND[joint] / 2)
        regressor[joint, near] = affine_mean(neutral[near], place)
    return regressor


def middle_of_ball(points: np.ndarray) -> np.ndarray:
    """The centre [3] of the sphere nearest to points [S, 3]."""
    system = np.c_[2 * points, np.ones(len(points))]
    return np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0][:3]


def _index(folder: Path) -> dict:
    if not (folder / NEUTRAL).is_file() or not (folder / INDEX).is_file():
        raise HeadError(
            f"{folder} is no ICT-FaceKit folder: it lacks {NEUTRAL} or {INDEX}.",
            "Give the repository's folder FaceXModel.",
        )
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        names, points = index["expressions"], index["idx_to_landmark_verts"]
        fine = len(points) == 68 and all(0 <= int(p) < KEPT for p in points)
        if not fine or any(not isinstance(n, str) or Path(n).name != n for n in names):
            raise ValueError("names or landmarks that make no sense")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HeadError(
            f"{folder / INDEX} cannot be used ({error!r}).", "Copy the folder again."
        ) from error
    return index


def _check_count(path: Path, points: np.ndarray) -> None:
    if len(points) != VERTICES:
        raise HeadError(
            f"{path} has {len(points)} vertices; ICT-FaceKit's light model has {VERTICES}.",
            "Give the repository's folder FaceXModel.",
        )
