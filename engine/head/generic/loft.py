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
    (-152, -152,   40,   68, -152,  -20,  -152,  -84,  2.2,  2.2),
    (-130, -130,   40,   59, -128,  -17,  -130,  -74,  2.1,  2.1),
    (-112, -112,   43,   55, -106,  -14,  -108,  -68,  2.0,  2.1),
    (-100, -101,   49,   54,  -90,  -12,   -92,  -65,  2.0,  2.1),
    ( -92,  -94,   59,   54,  -79,  -10,   -80,  -63,  2.0, 2.1),
    ( -85,  -88,   78,   54,  -69,   -7,   -70,  -62,  2.0,  2.1),
    ( -79,  -82,   95,   55,  -60,   -4,   -60,  -61,  2.0, 2.1),
    ( -74,  -76.5, 104,  57,  -52,   -2,   -52,  -61,  2.0, 2.1),
    ( -68,  -69,  109,   59,  -45,    0,   -45,  -62,  2.0, 2.1),
    ( -60,  -60,  110,   61,  -38,    1,   -38,  -64,  2.0, 2.1),
    ( -50,  -50,  108.5, 63,  -31,    1,   -31,  -66,  2.0,  2.1),
    ( -40,  -40,  109,   65,  -24,    1,   -24,  -68,  2.0, 2.1),
    ( -29,  -29,  110,   67,  -17,    0,   -17,  -70,  2.0,  2.1),
    ( -18,  -18,  109.5, 69,  -10,    0,   -10,  -73,  2.03, 2.15),
    (  -8,   -8,  107,   70.5, -3,    0,    -3,  -76,  2.06, 2.2),
    (   5,    5,  103,   72.5,  8,   -1,     8,  -79,  2.12, 2.2),
    (  20,   20,   99.5, 74.5, 21,   -2,    21,  -83,  2.2,  2.2),
    (  35,   35,   99,   76,   35,   -4,    35,  -86,  2.26, 2.2),
    (  47,   47,  103,   77,   47,   -5,    47,  -87,  2.28, 2.2),
    (  58,   58,  106,   77,   58,   -5,    58,  -88,  2.25, 2.2),
    (  70,   70,  107,   77.5, 70,   -6,    70,  -88,  2.2,  2.2),
    (  85,   85,  104.5, 77,   85,   -7,    85,  -86,  2.15, 2.2),
    ( 100,  100,   98.5, 74,   100,  -8,   100,  -81,  2.1,  2.15),
    ( 114,  114,   87.5, 68.5, 114,  -9,   114,  -74,  2.05, 2.1),
    ( 128,  127.5, 72,   59,   127.5, -10, 127,  -64,  2.0,  2.05),
    ( 140,  138.5, 54,   47,   138.5, -10, 138.5, -52, 2.0,  2.0),
    ( 150,  146,   35,   33.5, 146,  -10,  146,  -39.5, 2.0,  2.0),
    ( 158,  150,   17,   20,   150,  -10,  150,  -27,  2.0,  2.0),
    ( 164,  151.6,  1,    8.3, 151.6, -10, 151.6, -17.5, 2.0,  2.0),
    ( 168,  152, -9.98,  0.02, 152,  -10,  152,  -10.02, 2.0,  2.0),
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
