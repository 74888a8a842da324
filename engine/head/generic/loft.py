# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of the head: rings lofted from the neck to the vertex, without nose, eyes and lips.

Millimetres. A ring has a level t (the height of its front point, as long as it crosses the face)
and an angle: 0 in front, pi/2 at the subject's left ear, pi behind. y = 0 is the height of the nose
tip, z = 0 lies between the ears. Typical adult proportions.
"""

import numpy as np

from .curves import curve

# t, front (y, z), side (half width, y, z), back (y, z), exponents of the superellipse (front, back)
_RINGS = np.array([
    # t,     yf,    zf,   w,    ys,   zs,    yb,   zb,   nf,   nb
    (-152, -152,   38,   67,  -152,  -20,  -152,  -86,  2.2,  2.2),
    (-130, -130,   37,   58,  -128,  -17,  -130,  -75,  2.1,  2.1),
    (-112, -112,   40.5, 54,  -100,  -14,  -104,  -67,  1.95, 2.1),
    (-100, -100,   46.5, 53,   -82,  -12,   -88,  -62,  1.9,  2.1),
    ( -92,  -90,   55,   53,   -70,   -9,   -76,  -59,  1.9,  2.1),
    ( -85,  -83.5, 73,   53,   -61,   -4,   -66,  -58,  1.95, 2.0),
    ( -79,  -79,   92,   53.5, -54,    4,   -57,  -58,  2.0, 1.95),
    ( -74,  -74,  102.5, 55,   -48,   12,   -50,  -59,  2.05, 1.9),
    ( -68,  -68,  107.5, 58,   -43,   18,   -44,  -60.5, 2.12, 1.85),
    ( -60,  -60,  109,   61.5, -37,   23,   -37,  -62,  2.2, 1.8),
    ( -50,  -50,  108,   64,   -30.5, 26,   -30.5, -64, 2.28, 1.78),
    ( -40,  -40,  108.5, 65.5, -24,   26,   -24,  -66.5, 2.3, 1.78),
    ( -29,  -29,  109.5, 67,   -17,   24,   -17,  -70,  2.3, 1.8),
    ( -18,  -18,  109,   69,   -10,   21,   -10,  -73,  2.3, 1.88),
    (  -8,   -8,  106.5, 71,    -3,   17,    -3,  -76,  2.3, 2.0),
    (   5,    5,  103,   73,     8,   13,     8,  -79,  2.32, 2.1),
    (  20,   20,   99.5, 74.5,  21,    8,    21,  -82,  2.36, 2.2),
    (  35,   35,   99,   76,    35,    3,    35,  -85,  2.38, 2.2),
    (  47,   47,  103,   77.5,  47,   -1,    47,  -86,  2.38, 2.2),
    (  58,   58,  106,   78.5,  58,   -3,    58,  -87,  2.34, 2.2),
    (  70,   70,  106.5, 79,    70,   -5,    70,  -87,  2.26, 2.2),
    (  85,   85,  104,   78,    85,   -7,    85,  -85,  2.18, 2.2),
    ( 100,   99.5, 97.5, 74.5,  99.5, -8,    99.5, -80, 2.1,  2.15),
    ( 114,  112.5, 86,   68.5, 112.5, -8,   112.5, -73, 2.05, 2.1),
    ( 128,  125.5, 70,   59,   125.5, -8,   125,  -62,  2.0,  2.05),
    ( 140,  136.5, 52.5, 47,   136.5, -7,   136.5, -49, 2.0,  2.0),
    ( 150,  143.5, 35,   33.5, 143.5, -6,   143.5, -36, 2.0,  2.0),
    ( 158,  147.3, 18,   20,   147.3, -6,   147.3, -23, 2.0,  2.0),
    ( 164,  148.8,  3,    8.3, 148.8, -6,   148.8, -13, 2.0,  2.0),
    ( 168,  149.2, -5.98, 0.02, 149.2, -6,  149.2, -6.02, 2.0, 2.0),
])  # fmt: skip

BOTTOM, TOP = _RINGS[0, 0], _RINGS[-1, 0]


def _smoothed(step: float = 1.0, width: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """The table at even levels [n], every column smoothed over `width` mm: [n, 9]."""
    t = np.arange(BOTTOM, TOP + step / 2, step)
    reach = int(3 * width / step)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / width) ** 2)
    columns = []
    for column in _RINGS[:, 1:].T:
        values = curve(t, _RINGS[:, 0], column)
        before = 2 * values[0] - values[reach:0:-1]  # mirrored through the end points
        after = 2 * values[-1] - values[-2 : -reach - 2 : -1]
        padded = np.concatenate([before, values, after])
        columns.append(np.convolve(padded, kernel / kernel.sum(), "valid"))
    return t, np.stack(columns)


_LEVELS, _COLUMNS = _smoothed()


def half_width(t: np.ndarray) -> np.ndarray:
    """Half the breadth of the rings at levels t, mm."""
    return np.interp(t, _LEVELS, _COLUMNS[2])


def loft(angle: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Points [..., 3] mm on the left half of the base head, for angles in 0…pi and levels t."""
    angle, t = np.broadcast_arrays(np.asarray(angle, float), np.asarray(t, float))
    yf, zf, w, ys, zs, yb, zb, nf, nb = (curve(t, _LEVELS, column) for column in _COLUMNS)
    front = angle < np.pi / 2
    depth = np.where(front, zf - zs, zs - zb)
    n = np.where(front, nf, nb)
    sine, cosine = np.sin(angle), np.cos(angle)
    r = ((np.abs(cosine) / depth) ** n + (np.abs(sine) / w) ** n) ** (-1 / n)
    end = np.where(front, yf, yb)
    return np.stack([r * sine, ys + (end - ys) * cosine**2, zs + r * cosine], -1)


def angle_at(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The angle in front at which the ring of level t is x mm off the midline (x < half width)."""
    x, t = np.broadcast_arrays(np.asarray(x, float), np.asarray(t, float))
    low, high = np.zeros(x.shape), np.full(x.shape, np.pi / 2)
    for _ in range(40):
        middle = (low + high) / 2
        short = loft(middle, t)[..., 0] < x
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return (low + high) / 2
