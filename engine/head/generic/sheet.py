# SPDX-License-Identifier: GPL-3.0-or-later
"""The skin sheet's grid: rows across and columns down the left half, slit open at eye and mouth.

A slit is a row whose vertices are doubled between two columns: the copies belong to the lids or
lips above and below it. Millimetres; levels t and angles as in `loft.py`.
"""

from dataclasses import dataclass

import numpy as np

from .curves import curve, smoothstep
from .half import grid_faces
from .loft import TOP, angle_at, half_width, loft

MOUTH, EYE = -29.0, 36.0  # levels of the slits
MOUTH_CORNER = 26.0
EYE_INNER, EYE_OUTER = 17.0, 45.2
UPPER_LIP, LOWER_LIP = 6.2, 8.6  # red height at the middle

# Columns over the face, mm off the midline at eye and mouth level; then SIDE more to the back.
FRONT = np.array([0, 2, 4, 6, 8, 10, 12.2, 14.6, 17, 18.6, 20.8, 23.3, 26, 28.7, 31.5, 34.3, 37,
                  39.6, 42, 43.9, 45.2, 48, 52, 56.5])  # fmt: skip
SIDE = 14
ROWS = np.array([
    -152, -143, -134, -125, -117, -109, -102, -96, -91, -87, -83, -79.5, -76.5, -73.5, -70, -66.5,
    -63, -59.5, -56, -53, -50, -47, -44, -41.2, -38.5, -36.6, -34.6, -32.6, -30.8, -29, -27.5, -26,
    -24.4, -22.9, -21.5, -19.7, -17.8, -16, -14.2, -12.5, -10.8, -9.2, -7.6, -6, -4.4, -2.6, -0.6,
    1.6, 4, 6.8, 10, 13.4, 16.8, 19.6, 22.2, 24.7, 27, 29.1, 31, 32.8, 34.4, 36, 37.6, 39.2, 40.8,
    42.4, 44.2, 46.2, 48.4, 50.8, 53.1, 55.2, 57.2, 59.2, 61.4, 64, 67.5, 72, 78, 85, 93, 102, 111,
    120, 129, 137, 144,
    150, 156.5, 162.5,
])  # fmt: skip


@dataclass(frozen=True)
class Sheet:
    """n vertices of the left half of the skin, before sculpting."""

    base: np.ndarray  # [n, 3] mm, on the loft
    faces: np.ndarray  # [m, 3]
    angle: np.ndarray  # [n] rad
    level: np.ndarray  # [n] level t of the row before it was bent around eye and mouth
    lip: np.ndarray  # [n] mm above (+) or below (-) the lip line, as rows; the slit's copies ±1e-3
    lip_red: np.ndarray  # [n] |lip| over the red's height in the column: 0 line, 1 border
    lid: np.ndarray  # [n] as `lip`, for the eye
    midline: np.ndarray  # [n] bool
    mouth_loop: np.ndarray  # upper slit from the midline to the corner, lower slit back: indices
    eye_loop: np.ndarray  # upper slit from inner to outer corner, lower slit back: indices


def lip_heights(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Height of the upper and lower red at x mm off the midline; beyond the corner rows fan out."""
    inside = np.clip(1 - (x / (MOUTH_CORNER + 0.8)) ** 2, 0, 1)
    bow = 1 - 0.16 * np.exp(-((x / 3.0) ** 2)) + 0.1 * np.exp(-(((x - 6.5) / 4) ** 2))
    fan = smoothstep(MOUTH_CORNER, 48, x)
    upper = np.maximum(UPPER_LIP * inside**0.65 * bow, 1.2) * (1 - fan) + UPPER_LIP * fan
    lower = np.maximum(LOWER_LIP * inside**0.65, 1.2) * (1 - fan) + LOWER_LIP * fan
    return upper, lower


def lid_heights(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Upper and lower lid above and below the line between the corners, and that line's height."""
    u = np.clip((x - EYE_INNER) / (EYE_OUTER - EYE_INNER), 0, 1)
    arch = 4 * u * (1 - u)
    upper = 4.9 * arch**0.62 * (1 + 0.25 * (0.5 - u))
    lower = 3.9 * arch**0.8 * (1 - 0.4 * (0.5 - u))
    tilt = np.interp(x, [EYE_INNER, EYE_OUTER], [-1.4, 1.2])
    near = smoothstep(2, EYE_INNER, x) * smoothstep(62, EYE_OUTER, x)
    return upper, lower, tilt * near


def bend(x: np.ndarray, lip: np.ndarray, lid: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Levels of the rows after bending them around lips and lids; all [r, c], x one per column."""
    bent = t.copy()
    for i, place in enumerate(x):
        if place > 62:
            continue
        upper, lower = lip_heights(np.array([place]))
        droop = -1.3 * (min(place, 34) / MOUTH_CORNER) ** 2 * smoothstep(55, 30, place)
        q = lip[:, i]
        moved = curve(q, [-26, -LOWER_LIP, 0, UPPER_LIP, 19], [-26, -lower[0], 0, upper[0], 19])
        near = smoothstep(19, 8, np.abs(q))
        bent[:, i] += np.where((q > -26) & (q < 19), moved - q + droop * near, 0)
        up, down, tilt = lid_heights(np.array([place]))
        q = lid[:, i]
        above = curve(q, [0, 6, 18], [up[0], up[0] + 4.6 - 0.1 * up[0], 18])
        below = curve(q, [-17, 0], [-17, -down[0]])
        near = smoothstep(17, 5, np.abs(q))
        opened = (place > EYE_INNER) & (place < EYE_OUTER)
        moved = (
            np.where(q >= 0, above, below)
            if opened
            else np.where(q >= 0, curve(q, [0, 18], [0, 18]), q)
        )
        bent[:, i] += np.where((q > -17) & (q < 18), moved - q + tilt[0] * near, 0)
    return bent


def build_sheet() -> Sheet:
    """The left half of the skin sheet, from the neck's cut to the vertex."""
    rows, front = len(ROWS), len(FRONT)
    columns = front + SIDE
    level = np.repeat(ROWS[:, None], columns, 1)
    mouth_row, eye_row = np.searchsorted(ROWS, MOUTH), np.searchsorted(ROWS, EYE)
    corner = np.searchsorted(FRONT, MOUTH_CORNER)
    inner, outer = np.searchsorted(FRONT, EYE_INNER), np.searchsorted(FRONT, EYE_OUTER)
    index = np.arange(rows * columns).reshape(rows, columns)
    below = index.copy()  # what the faces under a row use
    extra = {"mouth": np.arange(0, corner), "eye": np.arange(inner + 1, outer)}
    below[mouth_row, extra["mouth"]] = rows * columns + np.arange(corner)
    below[eye_row, extra["eye"]] = rows * columns + corner + np.arange(outer - inner - 1)
    slit_rows = np.repeat([mouth_row, eye_row], [corner, outer - inner - 1])
    slit_columns = np.concatenate([extra["mouth"], extra["eye"]])

    lip, lid = level - MOUTH, level - EYE
    lip_low, lid_low = lip[slit_rows], lid[slit_rows]  # rows for the lower copies
    lip_low[:corner] -= 1e-3
    lid_low[corner:] -= 1e-3
    first = place(level, lip, lid)
    second = [
        a[np.arange(len(slit_rows)), slit_columns]
        for a in place(level[slit_rows], lip_low, lid_low)
    ]
    base, angle = (
        np.concatenate([a.reshape(-1, *b.shape[1:]), b]) for a, b in zip(first, second, strict=True)
    )

    def flat(grid: np.ndarray, low: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [grid.ravel(), low[np.arange(len(slit_rows)), slit_columns], [grid[-1, 0] + 5]]
        )

    pole = len(base)
    base = np.concatenate([base, [loft(0.0, TOP)]])
    top = index[-1]
    fan = np.stack([top[:-1], top[1:], np.full(columns - 1, pole)], 1)
    strips = [grid_faces(np.stack([index[j], below[j + 1]]), first=j) for j in range(rows - 1)]
    faces = np.concatenate([*strips, fan])
    lip_flat = flat(lip, lip_low)
    upper, lower = lip_heights(base[:, 0])
    bent_lip = base[:, 1] - MOUTH + 1.3 * (base[:, 0] / MOUTH_CORNER) ** 2
    midline = np.zeros(len(base), bool)
    midline[[*index[:, 0], *index[:, -1], pole, below[mouth_row, 0]]] = True
    return Sheet(
        base=base,
        faces=faces,
        angle=np.concatenate([angle, [0.0]]),
        level=flat(level, level[slit_rows]),
        lip=lip_flat,
        lip_red=np.abs(bent_lip) / np.where(lip_flat >= 0, upper, lower),
        lid=flat(lid, lid_low),
        midline=midline,
        mouth_loop=np.concatenate(
            [index[mouth_row, : corner + 1], below[mouth_row, corner - 1 :: -1][:corner]]
        ),
        eye_loop=np.concatenate(
            [index[eye_row, inner : outer + 1], below[eye_row, outer - 1 : inner : -1]]
        ),
    )


def place(level: np.ndarray, lip: np.ndarray, lid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points [r, c, 3] on the loft, and their angles [r, c], rows bent around lips and lids."""
    shrink = np.minimum(1, 0.9 * half_width(level[:, :1]) / FRONT[-1])  # towards neck and vertex
    front = len(FRONT)
    bent = bend(np.concatenate([FRONT, np.full(SIDE, 99.0)]), lip, lid, level)
    angle = np.empty(level.shape)
    angle[:, :front] = angle_at(FRONT * shrink, bent[:, :front])
    u = np.arange(1, SIDE + 1) / SIDE
    last = angle[:, front - 1 : front]
    angle[:, front:] = last + (np.pi - last) * (0.6 * u + 0.4 * u * u)
    # Behind the ears the rows spread evenly, instead of crowding at the height of eyes and mouth.
    even = np.interp(level, ROWS, np.linspace(ROWS[0], ROWS[-1], len(ROWS)))
    behind = smoothstep(0.8, 1.9, angle)
    return loft(angle, bent * (1 - behind) + even * behind), angle
