# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting the generic head together."""

from functools import cache

import numpy as np

from ..model import PARTS, REGIONS, Head, HeadModel, fingerprint
from .curves import smoothstep
from .ears import build_ear
from .expressions import expression_basis
from .eyes import build_eyeball, build_socket
from .half import Body, Piece, join_and_mirror
from .identities import IDENTITIES, identity_basis
from .landmarks import landmarks68, landmarks468
from .loft import BOTTOM, TOP
from .mouth import build_bag, build_teeth, build_tongue
from .rig import joint_regressor, skin_weights
from .sculpt import EYE_CENTRE, sculpt
from .sheet import MOUTH, Sheet, build_sheet

MM = 1e-3


@cache
def generic_body() -> Body:
    """The neutral geometry in millimetres, with the tags that fields, landmarks and paint need."""
    sheet = build_sheet()
    points = sculpt(sheet)
    return join_and_mirror([
        _skin(sheet, points),
        build_eyeball(),
        build_socket(points[sheet.eye_loop]),
        build_bag(points[sheet.mouth_loop]),
        build_teeth(upper=True),
        build_teeth(upper=False),
        build_tongue(),
        build_ear(),
    ])  # fmt: skip


def _skin(sheet: Sheet, points: np.ndarray) -> Piece:
    """The skin sheet as a piece, with regions and a cylindrical unwrap."""
    border = np.interp(
        points[:, 2], [-70, 0, 60, 95], [-48, -56, -84, -88]
    )  # where the neck begins
    hairline = 92 - 62 * smoothstep(0.75, 1.25, sheet.angle)
    region = np.where(sheet.angle > 1.3, REGIONS.index("scalp"), REGIONS.index("face"))
    region = np.where(points[:, 1] > hairline, REGIONS.index("scalp"), region)
    region = np.where(points[:, 1] < border, REGIONS.index("neck"), region)
    # The face takes more of the picture than the back of the head.
    across = np.interp(sheet.angle, [0, 0.9, np.pi], [0, 0.28, 0.495])
    height = np.interp(sheet.base[:, 1], [BOTTOM, -95, 110, 152], [0.22, 0.34, 0.9, 0.99])
    height = np.where(sheet.level > 155, np.interp(sheet.level, [155, TOP], [0.985, 0.995]), height)
    loops = {}
    for name, loop in (("mouth_loop", sheet.mouth_loop), ("eye_loop", sheet.eye_loop)):
        loops[name] = np.full(len(points), np.nan)
        loops[name][loop] = np.arange(len(loop))
    return Piece(
        "skin", points, sheet.faces, np.stack([0.5 + across, height], 1), region, sheet.midline,
        {"angle": sheet.angle, "lip": sheet.lip, "lip_red": sheet.lip_red, "lid": sheet.lid,
         "lip_side": np.where(sheet.lip < 0, -1.0, 1.0),
         "lid_side": np.where(sheet.lid < 0, -1.0, 1.0),
         **loops},
    )  # fmt: skip


def _parts(body: Body) -> np.ndarray:
    """[V] uint8 into PARTS."""
    p = body.vertices
    x, y, z = np.abs(p[:, 0]), p[:, 1], p[:, 2]
    face = (body.tag("angle", 9) < 1.25) & (z > 40)
    part = np.full(len(p), PARTS.index("rest"))

    def assign(where: np.ndarray, left: str, right: str | None = None) -> None:
        part[where & (p[:, 0] >= 0)] = PARTS.index(left)
        part[where & (p[:, 0] < 0)] = PARTS.index(right or left)

    assign(face & (y > -72) & (y < 30) & (x < 72), "cheek_left", "cheek_right")
    assign(face & (y > 46) & (y < 92) & (x < 62), "brows")
    eye = np.hypot((x - EYE_CENTRE[0]) / 19, (y - EYE_CENTRE[1]) / 13) < 1
    assign(face & eye | body.pieces["eyeball"] | body.pieces["socket"], "eye_left", "eye_right")
    assign(
        face & (x < np.interp(y, [-11, 0, 45, 58], [15, 21, 12, 9])) & (y > -11) & (y < 50), "nose"
    )
    mouth = np.hypot(x / 36, (y - MOUTH + 4) / np.where(y > MOUTH - 4, 20, 42)) < 1
    inside = np.isin(body.region, [REGIONS.index(n) for n in ("mouth_cavity", "teeth", "tongue")])
    assign((face & mouth & (part != PARTS.index("nose"))) | inside, "mouth")
    return part.astype(np.uint8)


@cache
def build_generic_head() -> HeadModel:
    """The generic head model, the same on every machine; made in under three seconds, then kept."""
    body = generic_body()
    vertices = (body.vertices * MM).astype(np.float32)
    expressions = expression_basis(body)
    regressor = joint_regressor(body)
    weights = skin_weights(body)
    moves = (np.stack(list(expressions.values())) * MM).astype(np.float16)
    identities = (identity_basis(body) * MM).astype(np.float16)
    faces = body.faces.astype(np.int32)
    points68, points468 = landmarks68(body), landmarks468(body)
    mean = Head(
        model_name="generic",
        model_fingerprint=fingerprint(vertices, faces, moves, identities, weights, regressor,
                                      points68.vertices, points68.weights, points468.vertices,
                                      points468.weights, points468.offset),
        beta=np.zeros(len(IDENTITIES), np.float32),
        vertices=vertices,
        faces=faces,
        uv=body.uv.astype(np.float32),
        uv_faces=body.uv_faces.astype(np.int32),
        expression_names=tuple(expressions),
        expressions=moves,
        joints=(regressor @ vertices).astype(np.float32),
        skin_weights=weights,
        correctives=np.zeros((0, len(vertices), 3), np.float16),
        corrective_index=np.zeros(0, np.int32),
        landmarks68=points68,
        landmarks468=points468,
        vertex_region=body.region,
        vertex_part=_parts(body),
    )  # fmt: skip
    return HeadModel(mean, tuple(IDENTITIES), identities, regressor)
