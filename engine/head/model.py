# SPDX-License-Identifier: GPL-3.0-or-later
"""What a head model is: `HeadModel` (a family of heads) and `Head` (one subject's).

Head space: metres, x to the subject's left, y up, z out of the face. V vertices, F faces, B
identity modes, E expressions, J joints, P parts, L landmarks. beta [B] = identity, psi [E] =
expression, theta [J, 3] = joint rotations, axis-angle in radians.

Joints are always root, neck, jaw, left eye, right eye. `jawOpen` and `eyeLook*` drive joints and
are no expressions here. The canonical pose is the neutral expression with the jaw open by 0.2 rad.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from ..errors import HeadError

JOINTS = ("root", "neck", "jaw", "eye_left", "eye_right")
JOINT_PARENTS = (-1, 0, 1, 1, 1)
NECK, JAW, EYE_LEFT, EYE_RIGHT = 1, 2, 3, 4
CANONICAL_JAW = 0.2  # rad

# What a vertex belongs to anatomically. Nearest points are sought on the skin and in the mouth, not
# on lids' inner sides nor on eyeballs.
REGIONS = (
    "face",
    "scalp",
    "ear",
    "neck",
    "eyeball",
    "eye_socket",
    "mouth_cavity",
    "teeth",
    "tongue",
)
SKIN_REGIONS = ("face", "scalp", "ear", "neck")
LINED_REGIONS = (*SKIN_REGIONS, "mouth_cavity")
QUERIED_REGIONS = (*LINED_REGIONS, "teeth", "tongue")

# What a vertex belongs to for the part-based deformation field (names are for artists).
PARTS = ("brows", "eye_left", "eye_right", "nose", "cheek_left", "cheek_right", "mouth", "rest")


OPTIONAL = ("joint_expressions", "static_offset")  # what a head may lack


@dataclass(frozen=True)
class Landmarks:
    """Points on the surface: for each one three vertices, their weights, and a fixed offset."""

    vertices: np.ndarray  # [L, 3] int32
    weights: np.ndarray  # [L, 3] float32, sum 1; all 0 where the model lacks this landmark
    offset: np.ndarray  # [L, 3] float32 m, head space, added in the neutral pose

    def on(self, vertices: np.ndarray) -> np.ndarray:
        """The landmarks [..., L, 3] on the vertices [..., V, 3], without the offset."""
        return np.einsum("...lkc,lk->...lc", vertices[..., self.vertices, :], self.weights)


@dataclass(frozen=True)
class Head:
    """One subject's head: identity baked in; expressions and joints still free."""

    model_name: str
    model_fingerprint: str  # of the HeadModel it came from
    beta: np.ndarray  # [B] float32, the identity that was baked in
    vertices: np.ndarray  # [V, 3] float32 m, neutral
    faces: np.ndarray  # [F, 3] int32, counter-clockwise from outside
    uv: np.ndarray  # [U, 2] float32
    uv_faces: np.ndarray  # [F, 3] int32 into uv
    expression_names: tuple[str, ...]  # ARKit spelling where the model has the motion
    expressions: np.ndarray  # [E, V, 3] float16 m
    joints: np.ndarray  # [J, 3] float32 m, neutral
    skin_weights: np.ndarray  # [V, J] float32, rows sum to 1
    # Pose correctives as in SMPL and FLAME: the sum over k of (R - I).flat[corrective_index[k]]
    # times correctives[k], where R [J-1, 3, 3] leaves the root out.
    correctives: np.ndarray  # [K, V, 3] float16 m
    corrective_index: np.ndarray  # [K] int32
    landmarks68: Landmarks  # iBUG order
    landmarks468: Landmarks  # MediaPipe order
    vertex_region: np.ndarray  # [V] uint8 into REGIONS
    vertex_part: np.ndarray  # [V] uint8 into PARTS
    # What an expression does to the joints: [E, J, 3] float32 m; None = nothing, as in most models.
    joint_expressions: np.ndarray | None = None
    # What `vertices` have beyond the identity's, such as hair: [V, 3] float32 m; None = nothing.
    static_offset: np.ndarray | None = None

    @property
    def skin_faces(self) -> np.ndarray:
        """The faces [F', 3] of outer skin."""
        return self.faces_in(*SKIN_REGIONS)

    def faces_in(self, *regions: str) -> np.ndarray:
        """The faces [F', 3] all of whose vertices lie in the regions."""
        chosen = np.isin(self.vertex_region, [REGIONS.index(name) for name in regions])
        return self.faces[chosen[self.faces].all(axis=1)]

    def vertices_in(self, *regions: str) -> np.ndarray:
        """The indices of the vertices that lie in one of the regions."""
        return np.flatnonzero(
            np.isin(self.vertex_region, [REGIONS.index(name) for name in regions])
        )

    def to_arrays(self) -> tuple[dict, dict[str, np.ndarray]]:
        """JSON header and arrays, enough to make the same head again."""
        header: dict = {}
        arrays: dict[str, np.ndarray] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Landmarks):
                arrays |= {
                    f"{field.name}.{part.name}": getattr(value, part.name)
                    for part in fields(Landmarks)
                }
            elif isinstance(value, np.ndarray):
                arrays[field.name] = value
            elif value is not None:
                header[field.name] = list(value) if isinstance(value, tuple) else value
        return header, arrays

    @classmethod
    def from_arrays(cls, header: Mapping, arrays: Mapping[str, np.ndarray]) -> "Head":
        """Undo `to_arrays`.

        Raises:
            HeadError: an entry is missing or an array has the wrong shape.
        """
        entries: dict = {}
        try:
            for field in fields(cls):
                if field.name.startswith("landmarks"):
                    parts = {
                        part.name: arrays[f"{field.name}.{part.name}"] for part in fields(Landmarks)
                    }
                    entries[field.name] = Landmarks(**parts)
                elif field.name in header:
                    value = header[field.name]
                    entries[field.name] = tuple(value) if isinstance(value, list) else value
                elif field.name in arrays or field.name not in OPTIONAL:
                    entries[field.name] = arrays[field.name]
        except KeyError as error:
            raise HeadError(f"The head lacks {error}.", "Make the file again.") from error
        head = cls(**entries)
        check_head(head)
        return head


@dataclass(frozen=True)
class HeadModel:
    """A family of heads: a mean head, identity modes, and joints that follow the identity."""

    mean: Head
    identity_names: tuple[str, ...]
    identities: np.ndarray  # [B, V, 3] float16 m; a coefficient of one is one standard deviation
    joint_regressor: np.ndarray  # [J, V] float32, rows sum to 1
    notes: tuple[str, ...] = ()  # what a user should know of it: what was derived, whose licence

    def subject(self, beta: np.ndarray) -> Head:
        """The head of identity `beta` [B]: its own neutral vertices and joints."""
        beta = np.asarray(beta, np.float32)
        vertices = self.mean.vertices + np.tensordot(beta, self.identities.astype(np.float32), 1)
        return replace(
            self.mean,
            beta=beta,
            vertices=vertices.astype(np.float32),
            joints=(self.joint_regressor @ vertices).astype(np.float32),
        )


def fingerprint(*arrays: np.ndarray) -> str:
    """The SHA-256 of the arrays' shapes and bytes: what tells head models apart."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def check_head(head: Head) -> None:
    """Refuse a head whose arrays do not fit together.

    Raises:
        HeadError: naming the entry that is wrong.
    """
    v, e, k = len(head.vertices), len(head.expression_names), len(head.corrective_index)
    shapes = {
        "vertices": (v, 3), "expressions": (e, v, 3), "joints": (len(JOINTS), 3),
        "skin_weights": (v, len(JOINTS)), "correctives": (k, v, 3),
        "vertex_region": (v,), "vertex_part": (v,), "uv_faces": head.faces.shape,
    }  # fmt: skip
    if head.joint_expressions is not None:
        shapes["joint_expressions"] = (e, len(JOINTS), 3)
    if head.static_offset is not None:
        shapes["static_offset"] = (v, 3)
    for name, shape in shapes.items():
        found = getattr(head, name)
        if found.shape != shape:
            raise HeadError(
                f"The head's {name} has shape {found.shape} instead of {shape}.",
                "Use another file.",
            )
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise HeadError(
                f"The head's {name} holds numbers that are not finite.", "Use another file."
            )
    if head.faces.ndim != 2 or head.faces.shape[1] != 3 or not len(head.faces):
        raise HeadError("The head's faces are no triangles.", "Use another file.")
    indices = {
        "faces": (head.faces, v), "uv_faces": (head.uv_faces, max(len(head.uv), 1)),
        "corrective_index": (head.corrective_index, 9 * (len(JOINTS) - 1)),
        "vertex_region": (head.vertex_region, len(REGIONS)),
        "vertex_part": (head.vertex_part, len(PARTS)),
    }  # fmt: skip
    for name, (array, end) in indices.items():
        whole = array.dtype.kind in "iu"
        if array.size and (not whole or array.min() < 0 or array.max() >= end):
            raise HeadError(
                f"The head's {name} points at what is not there.", "Use an intact copy of the file."
            )
