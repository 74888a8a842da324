# SPDX-License-Identifier: GPL-3.0-or-later
"""Glasses: a frame of tubes fitted to one head, and where its lenses are; rigid with the skull.

The left half is built and mirrored. A lens has no triangles: one looks through it, and what it
adds is a faint tint and the lamps' reflections.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from .fields import Face
from .look import Frame
from .refine import Surface

AROUND = 8  # vertices round a tube
GAP = 0.0095  # m, from the midline to a rim's inner edge
DROP = 0.0025  # m, the lenses' centres below the eyes' middles
TILT, WRAP = np.tan(np.radians(7.0)), 1.8  # lower edge backwards; 1/m, how the front bends round
CLEAR = 0.0015  # m, between frame and skin
BENT = 0.06  # m, radius of the lenses' outer side


@dataclass(frozen=True)
class Glasses:
    """Triangles in the rest pose, G vertices; G = 0 for who wears none."""

    vertices: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.float32))  # [G, 3] m
    faces: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.int32))  # [F, 3]
    normals: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.float32))  # [G, 3]
    centres: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.float32))  # [2, 3] m
    half_size: tuple[float, float] = (0.0, 0.0)  # m, of a lens
    power: float = 2.0  # of the outline: 2 is round, more is squarer

    def behind_lens(
        self, points: np.ndarray, view: np.ndarray, skull: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Which points are seen through a lens, and the lens's outer side there.

        Args:
            points: [S, 3] m, world space.
            view: [S, 3] unit, towards the camera.
            skull: [3, 4], posed_from_rest of the joint that the glasses follow.

        Returns:
            Indices [N] into the points, and unit normals [N, 3] in world space.
        """
        turn = skull[:, :3]
        from_, aim = (points - skull[:, 3]) @ turn, view @ turn  # rest pose
        found, normals = [np.zeros(0, int)], [np.zeros((0, 3), np.float32)]
        for centre in self.centres:
            plane = np.array([2 * WRAP * centre[0], -TILT, 1.0])
            towards = aim @ plane
            reach = ((centre - from_) @ plane) / np.where(np.abs(towards) > 1e-6, towards, 1)
            across = (from_ + reach[:, None] * aim - centre)[:, :2]
            x, y = np.abs(across / self.half_size).T
            inside = np.flatnonzero((reach > 0) & (x**self.power + y**self.power < 1))
            bent = np.concatenate([across[inside] / BENT, np.zeros((len(inside), 1))], 1)
            normal = (bent + plane / np.linalg.norm(plane)) @ turn.T
            found.append(inside)
            normals.append(normal / np.linalg.norm(normal, axis=1, keepdims=True))
        return np.concatenate(found), np.concatenate(normals).astype(np.float32)


def fit_glasses(surface: Surface, face: Face, frame: Frame) -> Glasses:
    """Glasses that sit on this head's nose and ears and clear its brows and cheeks."""
    eye = np.concatenate([face.landmarks[42:48], face.landmarks[36:42] * (-1, 1, 1)]).mean(0)
    skin = surface.rest[surface.vertices_in("face", "scalp")].astype(np.float64)
    half = np.array([eye[0] + 0.001 - GAP, 0.0])
    half[1] = half[0] * frame.height
    centre = np.array([eye[0] + 0.001, eye[1] - DROP, 0.0])
    rim = _rim(centre, half, frame)
    centre[2] = _front(rim, centre, skin, frame.radius)
    rim[:, 2] += centre[2]
    r = frame.radius
    upper_inner, side, lower_inner = (len(rim) * share // 64 for share in (26, 4, 36))
    parts = [
        tube(rim, (0, 0, 1), np.full(len(rim), r), np.full(len(rim), 1.1 * r), closed=True),
        _temple(rim[side], skin, surface.rest[surface.vertices_in("ear")], r),
        _pad(rim[lower_inner], skin),
    ]
    parts += [_mirrored(part) for part in parts]
    parts.append(_bridge(rim[upper_inner], skin, r))
    start = np.cumsum([0] + [len(part[0]) for part in parts])
    return Glasses(
        vertices=np.concatenate([part[0] for part in parts]).astype(np.float32),
        faces=np.concatenate([p[1] + s for p, s in zip(parts, start, strict=False)]).astype(
            np.int32
        ),
        normals=np.concatenate([part[2] for part in parts]).astype(np.float32),
        centres=np.stack([centre, centre * (-1, 1, 1)]).astype(np.float32),
        half_size=(float(half[0]), float(half[1])),
        power=frame.power,
    )


def tube(
    path: np.ndarray, up: tuple, wide: np.ndarray, high: np.ndarray, closed: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A tube along a path; open ends are closed by a tip.

    Args:
        path: [N, 3] m.
        up: the direction of `high`, as far as the path lets it.
        wide: [N] m, half the thickness across `up`.
        high: [N] m, half the thickness along `up`.
        closed: the path's end meets its start.

    Returns:
        Vertices [M, 3], faces [F, 3], unit normals [M, 3].
    """
    if closed:
        along = np.roll(path, -1, 0) - np.roll(path, 1, 0)
    else:
        along = np.pad(np.gradient(path, axis=0), ((1, 1), (0, 0)), "edge")
        path = np.pad(path, ((1, 1), (0, 0)), "edge")
        wide, high = np.pad(wide, 1), np.pad(high, 1)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, np.asarray(up, float))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    top = np.cross(side, along)
    angle = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
    cos, sin = np.cos(angle)[None, :, None], np.sin(angle)[None, :, None]
    outwards = cos * side[:, None] + sin * top[:, None]  # [N, AROUND, 3]
    ring = (wide[:, None, None] * cos) * side[:, None] + (high[:, None, None] * sin) * top[:, None]
    n = len(path)
    k, a = np.meshgrid(np.arange(n if closed else n - 1), np.arange(AROUND), indexing="ij")
    b, nxt = (a + 1) % AROUND, (k + 1) % n
    one, two, three, four = (
        i.ravel() for i in (k * AROUND + a, nxt * AROUND + a, nxt * AROUND + b, k * AROUND + b)
    )
    faces = np.concatenate([np.stack([one, two, three], 1), np.stack([one, three, four], 1)])
    return (path[:, None] + ring).reshape(-1, 3), faces, outwards.reshape(-1, 3)


def _rim(centre: np.ndarray, half: np.ndarray, frame: Frame) -> np.ndarray:
    """The left rim [64, 3] m, from its outer side over the top; its z counts from the lens."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    shape = np.stack([np.cos(angle), np.sin(angle)], 1)
    shape = np.sign(shape) * np.abs(shape) ** (2 / frame.power)
    flat = shape * half
    flat[:, 0] += 0.0025 * np.clip(-shape[:, 0], 0, 1) * np.clip(-shape[:, 1], 0, 1)  # off the nose
    x = centre[0] + flat[:, 0]
    bend = TILT * flat[:, 1] - WRAP * (x**2 - centre[0] ** 2)
    return np.concatenate([centre[:2] + flat, bend[:, None]], 1)


def _front(rim: np.ndarray, centre: np.ndarray, skin: np.ndarray, radius: float) -> float:
    """How far forward (z, m) the lens has to stand for its rim to clear the skin."""
    return float((_skin_before(rim, skin) - rim[:, 2]).max() + radius + CLEAR)


def _skin_before(points: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """The foremost skin (z, m) within 3 mm of each point [N, 3] as seen from the front."""
    front = skin[skin[:, 2] > 0.03]
    near = cKDTree(front[:, :2]).query(points[:, :2], k=24)
    height = np.where(near[0] < 0.003, front[near[1], 2], -np.inf).max(1)
    return np.where(np.isfinite(height), height, front[near[1][:, 0], 2])


def _bridge(inner: np.ndarray, skin: np.ndarray, radius: float) -> tuple:
    """An arch from rim to rim over the nose; `inner` [3] is where it leaves the left one."""
    u = np.linspace(-1, 1, 17)
    path = np.stack([u * inner[0], inner[1] + 0.0025 * (1 - u**2), np.full(17, inner[2])], 1)
    rise = (_skin_before(path, skin) + radius + 0.0008 - path[:, 2]) / np.maximum(1 - u**2, 0.2)
    path[:, 2] += max(float(rise[2:-2].max()), 0.001) * (1 - u**2)
    thick = np.full(17, 0.95 * radius)
    return tube(path, (0, 1, 0), thick, thick)


def _pad(inner: np.ndarray, skin: np.ndarray) -> tuple:
    """An arm from the left rim back to a pad that rests on the nose's side."""
    target = inner + np.array([-0.003, 0.004, -0.008])
    target = skin[np.argmin(np.linalg.norm(skin - target, axis=1))]
    path = inner + np.linspace(0, 1, 5)[:, None] * (target - inner)
    thick = np.array([0.0007, 0.0007, 0.0008, 0.0020, 0.0016])
    return tube(path, (0, 1, 0), thick, 1.5 * thick)


def _temple(hinge: np.ndarray, skin: np.ndarray, ear: np.ndarray, radius: float) -> tuple:
    """From the left rim's outer side past the temple, over the ear and down behind it."""
    ear = ear[ear[:, 0] > 0]
    top, back, front = ear[:, 1].max(), ear[:, 2].min(), ear[:, 2].max()
    over = np.array([top - 0.008, 0.6 * front + 0.4 * back])  # y, z, in the ear's crevice
    down = np.array([top - 0.030, 0.15 * front + 0.85 * back])
    corner = hinge + np.array([0.0045, 0.0, -0.003])
    knots = np.stack([hinge[1:], corner[1:], over, down])
    place = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    fine = np.linspace(0, place[-1], 61)
    yz = np.stack([np.interp(fine, place, knots[:, c]) for c in (0, 1)], 1)
    yz = gaussian_filter1d(yz, 1.5, axis=0, mode="nearest")
    side = skin[skin[:, 0] > 0.03]
    away, near = cKDTree(side[:, 1:]).query(yz, k=12)
    outermost = np.where(away < 0.006, side[near, 0], 0).max(1) + radius + CLEAR
    at_ear = np.interp(place[2], fine, outermost)
    straight = np.interp(fine, place, [hinge[0], corner[0], at_ear, at_ear - 0.006])
    x = np.where(fine < place[2], np.maximum(straight, outermost), straight)
    x = np.maximum(gaussian_filter1d(x, 2.0, mode="nearest"), straight)
    path = np.concatenate([x[:, None], yz], 1)
    path[0] = hinge
    slim = np.interp(fine, [0, place[1], place[-1]], [1.0, 0.8, 0.7]) * radius
    return tube(path, (0, 1, 0), slim, 1.5 * slim)


def _mirrored(part: tuple) -> tuple:
    vertices, faces, normals = part
    return vertices * (-1, 1, 1), faces[:, ::-1], normals * (-1, 1, 1)
