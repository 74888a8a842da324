# SPDX-License-Identifier: GPL-3.0-or-later
"""Hair: a cap over the scalp and ribbons grown from it, strand by strand; rigid with the skull."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .fields import Face
from .look import Look
from .refine import Surface, mesh_normals, normal_matrix


@dataclass(frozen=True)
class Style:
    """How hair of one style grows; lengths in metres."""

    length: float
    lift: float  # height above the skull that the hair reaches
    strands: int
    curl: float  # radius of the curls
    stray: float  # spread of directions, 0…1
    width: float  # of a ribbon


STYLES = {
    "short": Style(0.036, 0.013, 6500, 0.0, 0.22, 0.0016),
    "swept": Style(0.085, 0.019, 6000, 0.0, 0.10, 0.0017),
    "parted": Style(0.080, 0.018, 6000, 0.0, 0.12, 0.0017),
    "bob": Style(0.190, 0.020, 6500, 0.002, 0.10, 0.0018),
    "curly": Style(0.075, 0.026, 6500, 0.0055, 0.45, 0.0017),
    "cropped": Style(0.011, 0.007, 7500, 0.0, 0.30, 0.0013),
}
CUT_AT_THE_SIDES = ("short", "parted", "swept")


@dataclass(frozen=True)
class Hair:
    """Triangles in the rest pose, H vertices; the first ones are the cap's."""

    vertices: np.ndarray  # [H, 3] float32 m
    faces: np.ndarray  # [F, 3] int32
    normals: np.ndarray  # [H, 3], unit: of the cap, and of the hair's mass under each ribbon
    tangents: np.ndarray  # [H, 3], unit, along the strand, from root to tip
    tip: np.ndarray  # [H], 0 at the root, 1 at the tip
    shade: np.ndarray  # [H], brightness of the strand, about 1
    across: np.ndarray  # [H], -1…1 over the width of the ribbon
    open_sky: np.ndarray  # [H], 0…1, more towards the outside of the mass


def grow_hair(surface: Surface, inside: np.ndarray, face: Face, look: Look, seed: int) -> Hair:
    """The hair of one head.

    Args:
        surface: the refined neutral head.
        inside: [V] m, distance inside the hairline.
        face: its measures.
        look: style, side of the parting.
        seed: which strands.
    """
    random = np.random.default_rng((seed, 23))
    style = STYLES[look.style]
    normals = surface.normals(surface.rest)
    skin = surface.vertices_in("face", "scalp", "neck")
    bare = surface.vertices_in("face", "scalp", "neck", "ear")
    scalp = skin & (inside > 0)
    roots = random.choice(
        np.flatnonzero(scalp), style.strands, p=_area(surface)[scalp] / _area(surface)[scalp].sum()
    )
    paths, flat, depth = _walk(
        surface, normals, bare, roots, inside[roots], face, look, style, random
    )
    ribbons = _ribbons(paths, flat, depth, style, random)
    cap = _cap(surface, normals, scalp, inside, style)
    return _joined(cap, ribbons)


def _area(surface: Surface) -> np.ndarray:
    a, b, c = (surface.rest[surface.faces[:, k]] for k in range(3))
    return surface.normal_sum @ np.linalg.norm(np.cross(b - a, c - a), axis=1)


def _walk(surface, normals, bare, roots, inside, face, look, style, random):
    """Paths of strands and the skin's normals there [N, T, 3], and how far out they run [N, T]."""
    body, body_normals = surface.rest[bare], normals[bare]
    tree = cKDTree(body)
    count, steps = len(roots), max(5, round(style.length / 0.011) + 1)
    edge = np.clip(inside / 0.018, 0.25, 1)  # thinner and shorter at the hairline
    length = style.length * random.uniform(0.75, 1.15, count) * (0.55 + 0.45 * edge)
    if look.style in CUT_AT_THE_SIDES:
        length *= np.interp(
            surface.rest[roots, 1],
            [face.eye_line - 0.01, face.brow_line + 0.5 * face.third],
            [0.35, 1],
        )
    height = style.lift * random.uniform(0.35, 1.0, count) * (0.4 + 0.6 * edge)
    lock = tree.query(surface.rest[roots] // 0.014 * 0.014)[1]  # strands of one cell lean alike
    lean = random.standard_normal((len(body), 3))[lock] + 0.6 * random.standard_normal((count, 3))
    phase = random.uniform(0, 2 * np.pi, count) * 0.3 + lock * 1.7
    point = surface.rest[roots].copy()
    up = normals[roots]
    path, flats, outside = [point.copy()], [up], [np.zeros(count)]
    heading = up * 0.5
    for k in range(1, steps):
        aim = _comb(point, up, face, look, style) + style.stray * lean
        aim -= 0.85 * np.sum(aim * up, 1, keepdims=True) * up
        heading = 0.45 * heading + 0.55 * aim / np.linalg.norm(aim, axis=1, keepdims=True)
        point = (
            point
            + heading
            / np.linalg.norm(heading, axis=1, keepdims=True)
            * (length / (steps - 1))[:, None]
        )
        near = tree.query(point, k=4)[1]
        up = body_normals[near].mean(1)
        up /= np.linalg.norm(up, axis=1, keepdims=True)
        above = np.sum((point - body[near].mean(1)) * up, 1)
        rise = height * min(1.0, 2.2 * k / (steps - 1)) ** 0.6
        if look.style == "bob":  # hangs free once it leaves the skull
            hanging = (above > rise) & (point[:, 1] < face.eye_line)
            rise = np.where(hanging, above, rise)
        point = point + (rise - above)[:, None] * up
        curl = style.curl * min(1.0, 2 * k / steps)
        side = np.cross(up, heading)
        turn = (phase + 2.1 * k)[:, None]
        path.append(
            point
            + curl
            * (
                np.sin(turn) * side / np.linalg.norm(side, axis=1, keepdims=True)
                + 0.6 * np.cos(turn) * up
            )
        )
        flats.append(up)
        outside.append(np.clip(rise / style.lift, 0, 1))
    return np.stack(path, 1), np.stack(flats, 1), np.stack(outside, 1)


def _comb(point: np.ndarray, up: np.ndarray, face: Face, look: Look, style: Style) -> np.ndarray:
    """Where hair at the points [N, 3] is combed to: [N, 3]."""
    x, _, z = (point - face.middle).T
    crown = face.middle + np.array([0.0, 1.6 * face.third, -0.6 * face.half_width])
    radial = point - crown
    radial /= np.maximum(np.linalg.norm(radial, axis=1, keepdims=True), 1e-3)
    down = np.array([0.0, -1.0, 0.0])
    low = np.clip((face.brow_line + 0.6 * face.third - point[:, 1]) / face.third, 0, 1)[:, None]
    if look.style == "swept":
        return (1 - low) * np.array([0.0, 0.25, -1.0]) + low * np.array([0.0, -0.7, -0.7])
    if look.style == "parted":
        part = look.hair_side * 0.42 * face.half_width
        over = np.where(look.hair_side * (x - part) > 0, look.hair_side, -look.hair_side)
        sideways = np.stack([over, np.full_like(over, -0.15), np.full_like(over, -0.35)], 1)
        return (1 - low) * sideways + low * (down + np.array([0, 0, -0.4]))
    if look.style == "bob":
        part = look.hair_side * 0.12 * face.half_width
        over = np.where(x > part, 1.0, -1.0)
        sideways = np.stack(
            [over, np.full_like(over, -0.4), np.clip(-z / face.half_width, -0.5, 0.3) - 0.35], 1
        )
        keep_off = np.where(z > 0.35 * face.half_width, 0.5, 0.0)[:, None] * np.array(
            [0.0, 0.0, -1.0]
        )
        return (1 - low) * sideways + low * (1.6 * down + keep_off)
    return radial + 0.35 * low * down


def _ribbons(
    paths: np.ndarray,
    flat: np.ndarray,
    depth: np.ndarray,
    style: Style,
    random: np.random.Generator,
) -> tuple:
    count, steps = paths.shape[:2]
    tangent = np.gradient(paths, axis=1)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=2, keepdims=True), 1e-9)
    side = np.cross(tangent, flat)
    side /= np.maximum(np.linalg.norm(side, axis=2, keepdims=True), 1e-9)
    along = np.linspace(0, 1, steps)
    width = (
        style.width * random.uniform(0.6, 1.3, (count, 1)) * np.minimum(1, 3.2 * (1.02 - along)) / 2
    )
    left, right = paths - side * width[..., None], paths + side * width[..., None]
    vertices = np.stack([left, right], 2).reshape(-1, 3)  # strand, step, side
    first = (np.arange(count)[:, None] * steps + np.arange(steps - 1)[None]).ravel() * 2
    faces = np.concatenate(
        [np.stack([first, first + 1, first + 2], 1), np.stack([first + 1, first + 3, first + 2], 1)]
    )

    def twice(values: np.ndarray) -> np.ndarray:
        return np.repeat(values.reshape(count * steps, -1), 2, 0)

    shade = np.broadcast_to(random.normal(1, 0.16, (count, 1)).clip(0.5, 1.6), (count, steps))
    tip = np.broadcast_to(along, (count, steps))
    across = np.tile([-1.0, 1.0], count * steps)
    sky = 0.25 + 0.75 * depth
    return (
        vertices,
        faces,
        twice(flat),
        twice(tangent),
        twice(tip)[:, 0],
        twice(shade)[:, 0],
        across,
        twice(sky)[:, 0],
    )


def _cap(
    surface: Surface, normals: np.ndarray, scalp: np.ndarray, inside: np.ndarray, style: Style
) -> tuple:
    faces = surface.faces[scalp[surface.faces].all(1)]
    used, faces = np.unique(faces, return_inverse=True)
    faces = faces.reshape(-1, 3)
    thickness = 0.16 * style.lift * np.clip(inside[used] / 0.03, 0, 1) + 0.0004
    vertices = surface.rest[used] + thickness[:, None] * normals[used]
    flat = mesh_normals(vertices, faces, normal_matrix(faces, len(used)))
    down = np.array([0.0, -1.0, 0.0]) - flat * -flat[:, 1:2]
    tangent = down / np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 1e-3)
    ones = np.ones(len(used))
    return vertices, faces, flat, tangent, 0.15 * ones, 0.75 * ones, 0 * ones, 0.4 * ones


def _joined(cap: tuple, ribbons: tuple) -> Hair:
    shift = len(cap[0])
    both = [np.concatenate([a, b]) for a, b in zip(cap, ribbons, strict=True)]
    both[1] = np.concatenate([cap[1], ribbons[1] + shift])
    vertices, faces, *rest = both
    return Hair(
        vertices.astype(np.float32),
        faces.astype(np.int32),
        *(array.astype(np.float32) for array in rest),
    )
