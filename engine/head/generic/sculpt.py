# SPDX-License-Identifier: GPL-3.0-or-later
"""The features of the face: brow ridge, sockets, cheeks, nose, lids, lips. Millimetres, left half.

Most of it is a table of soft brushes: where on the base, how wide, and how far it moves the skin.
"""

import numpy as np

from .curves import curve, gauss, smooth_max, smoothstep
from .sheet import MOUTH, Sheet, lip_heights

EYE_CENTRE = np.array([31.5, 36.0, 81.5])
EYE_RADIUS = 13.5
LID_OUTER = EYE_RADIUS + 1.7  # radius of the lids' outer skin about the eyeball's centre

FAR = 1e3  # a brush that reaches all along an axis
# centre (x, y, z), radius (x, y, z), movement (x, y, z)
BRUSHES = np.array([
    # eye socket, between brow and cheekbone; deepest towards the nose
    (28, 38, 95, 13, 11, FAR, 0, 0, -10),
    (17, 40, 95, 6, 9, FAR, 0, 0, -7),
    # brow ridge and glabella
    (27, 56, 98, 15, 6, FAR, 0, -1, 4.5),
    (44, 54, 85, 8, 7, 25, 1.5, 0, 3),
    (0, 53, 104, 9, 8, FAR, 0, 0, 2.5),
    # forehead eminences, temples
    (28, 84, 95, 20, 16, FAR, 0, 0, 2),
    (66, 60, 50, 14, 18, 18, -4.5, 0, 0),
    # cheekbone and its arch
    (46, 14, 80, 14, 11, 30, 3, 0, 6),
    (64, 14, 45, 12, 9, 22, 4, 0, 1),
    # hollow under the cheekbone, jaw angle, jaw body
    (55, -22, 55, 12, 15, 25, -4, 0, -2.5),
    (57, -36, 14, 20, 14, 18, 1.5, -2, 0),
    # beside the nose, fold from wing to mouth corner
    (24, 2, 98, 8, 12, FAR, 0, 0, -3.5),
    (31, -14, 95, 5, 10, FAR, 0, 0, -1.5),
    # muzzle around the teeth
    (0, -24, 105, 22, 15, FAR, 0, 0, 4.5),
    (33, -33, 90, 7, 8, FAR, 0, 0, -3),
    # groove between lower lip and chin, chin
    (0, -47, 105, 14, 5.5, FAR, 0, 0, -6),
    (0, -64, 105, 12, 9, FAR, 0, 0, 5),
    (12, -68, 100, 9, 8, FAR, 0, 0, 2),
    # throat, sternomastoid
    (0, -112, 43, 9, 14, 20, 0, 0, 4),
    (34, -125, 20, 9, 30, 20, 2, 0, 4),
])  # fmt: skip

# The nose along the midline: level of the row, height, depth, half width of the pyramid
NOSE = np.array([
    (52, 52, 106.5, 9),
    (44, 44, 106, 9.5),
    (38, 38, 107.5, 10.5),
    (30, 30.5, 112, 12),
    (20, 21, 118, 13.5),
    (10, 11.5, 125, 15.5),
    (4, 5, 129.5, 17),
    (0.5, 1, 131, 17.8),
    (-2.6, -3, 130, 18),
    (-4.4, -5.8, 127.5, 17.5),
    (-6, -7.2, 124, 17),
    (-7.6, -8, 120.2, 16),
    (-9.2, -8.8, 116.8, 14),
    (-10.8, -10, 114.6, 11),
    (-14.2, -14, 113.6, 9),
])  # fmt: skip

# Brushes over the nose, in the coordinates of the base
NOSE_BRUSHES = np.array([
    (0, 1, 103, 6.5, 5.5, FAR, 0, 0, 1.5),  # tip
    (6, 1, 103, 4, 4, FAR, 0.8, 0, 0.8),
    (14.5, -2.5, 104, 4.2, 5, FAR, 2.2, 0, 4.2),  # wings
    (19.5, 1, 104, 2.6, 6.5, FAR, 0, 0, -3),  # crease around the wing
    (11.5, 6.5, 103, 3.5, 3, FAR, 0, 0, -1.6),  # groove above the wing
    (6.8, -6.0, 107, 2.3, 1.9, FAR, 0, 4.5, -6.5),  # nostril
    (12, -7.2, 107, 3.4, 1.8, FAR, 0, 1.0, 0.5),  # lower rim of the wing
])  # fmt: skip


def brush(base: np.ndarray, table: np.ndarray) -> np.ndarray:
    """The movement [n, 3] that a table of brushes gives points of the base [n, 3], both sides' brushes."""
    moved = np.zeros_like(base)
    for row in table:
        centre, radius, move = row[:3], row[3:6], row[6:]
        moved += gauss(base, centre, radius)[:, None] * move
        if centre[0] > 0:
            moved += gauss(base, centre * (-1, 1, 1), radius)[:, None] * (move * (-1, 1, 1))
    return moved


def nose(sheet: Sheet, points: np.ndarray) -> np.ndarray:
    """Points [n, 3] with the nasal pyramid raised out of the face."""
    x, t = sheet.base[:, 0], sheet.base[:, 1]
    front = sheet.angle < 0.9
    order = np.argsort(NOSE[:, 0])
    height, depth, width = (curve(t, NOSE[order, 0], NOSE[order, c]) for c in (1, 2, 3))
    r = np.clip(x / width, 0, 1)
    ridge = 0.5 * (1 + np.cos(np.pi * r**0.92))
    along = smoothstep(56, 44, t) * smoothstep(-15, -9.5, t) * front
    level = curve(t, [-30, -14, -9, 0, 20, 38, 50], [112.5, 113, 110.5, 107, 100.5, 100, 105])
    rise = np.maximum(depth - level, 0)
    moved = points.copy()
    moved[:, 2] += rise * ridge * along
    under = smoothstep(1, 0.5, r) * along
    moved[:, 1] += (height - t) * under
    return moved + brush(sheet.base, NOSE_BRUSHES) * front[:, None]


def lips(sheet: Sheet, points: np.ndarray) -> np.ndarray:
    """Points [n, 3] with full lips, a bow, a philtrum and a closed line."""
    x, red = sheet.base[:, 0], sheet.lip_red
    front = sheet.angle < 0.9
    upper = sheet.lip >= 0
    middle = smoothstep(27, 10, x)
    profile_up = curve(red, [0, 0.25, 0.6, 1.0, 1.35, 2.2], [-4.2, 0.2, 2.2, 1.6, 0.5, 0])
    profile_low = curve(red, [0, 0.22, 0.55, 1.0, 1.4, 2.2], [-4.2, -0.3, 1.9, 0.2, -0.8, 0])
    moved = points.copy()
    corner = smoothstep(30, 24, x)
    moved[:, 2] += np.where(upper, profile_up, profile_low) * (0.35 + 0.65 * middle) * corner * front
    # A tubercle in the middle of the upper red, two pillows in the lower.
    moved[:, 2] += np.where(upper & (red < 1), 1, 0) * 0.7 * np.exp(-((x / 4) ** 2)) * np.sin(np.pi * np.clip(red, 0, 1))
    _, low_height = lip_heights(x)
    philtrum = upper * (red > 1) * smoothstep(1.0, 1.3, red) * smoothstep(MOUTH + 21, MOUTH + 16, sheet.base[:, 1])
    moved[:, 2] += front * philtrum * (0.8 * np.exp(-(((x - 5.5) / 2.2) ** 2)) - 1.3 * np.exp(-((x / 2.8) ** 2)))
    dimple = np.exp(-(((x - 28.5) / 2.5) ** 2) - ((sheet.base[:, 1] - MOUTH + 1.5) / 3.5) ** 2)
    moved[:, 2] -= 1.5 * dimple * front
    return moved


def lids(sheet: Sheet, points: np.ndarray) -> np.ndarray:
    """Points [n, 3] with lids that wrap the eyeball; the margins lie on its sphere."""
    moved = points.copy()
    front = (sheet.angle < 0.9) & (np.abs(sheet.lid) < 22)
    d = points[:, :2] - EYE_CENTRE[:2]
    r2 = (d**2).sum(1)
    dome = EYE_CENTRE[2] + np.sqrt(np.maximum(LID_OUTER**2 - r2, 0.0))
    dome = np.where(r2 < LID_OUTER**2, dome, EYE_CENTRE[2] - 3 * (np.sqrt(r2) - LID_OUTER))
    # The crease: the lid dips between margin and brow.
    crease = -1.5 * np.exp(-(((sheet.lid - 7.2) / 2.2) ** 2)) * smoothstep(15, 22, points[:, 0]) * smoothstep(49, 42, points[:, 0])
    z = smooth_max(points[:, 2], dome, 4.0) + crease
    moved[:, 2] = np.where(front, z, moved[:, 2])
    loop = sheet.eye_loop
    reach = np.sqrt(np.maximum(LID_OUTER**2 - r2[loop], 4.0**2))
    moved[loop, 2] = EYE_CENTRE[2] + reach
    return moved


def sculpt(sheet: Sheet) -> np.ndarray:
    """The sheet's vertices [n, 3] mm with all features."""
    points = sheet.base + brush(sheet.base, BRUSHES) * (sheet.angle < 2.2)[:, None]
    return lids(sheet, lips(sheet, nose(sheet, points)))
