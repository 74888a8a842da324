# SPDX-License-Identifier: GPL-3.0-or-later
"""The features of the face: brow ridge, sockets, cheeks, nose, lids, lips. Millimetres, left half.

Most of it is a table of soft brushes: where on the base, how wide, and how far it moves the skin.
"""

import numpy as np

from .curves import curve, gauss, smooth_max, smoothstep
from .sheet import EYE_INNER, MOUTH, Sheet

EYE_CENTRE = np.array([31.5, 35.4, 79.5])
EYE_RADIUS = 13.5
LID_OUTER = EYE_RADIUS + 1.7  # radius of the lids' outer skin about the eyeball's centre

FAR = 1e3  # a brush that reaches all along an axis
# centre (x, y, z), radius (x, y, z), movement (x, y, z)
BRUSHES = np.array([
    # eye socket, between brow and cheekbone; deepest towards the nose
    (28, 40, 95, 12, 7.5, FAR, 0, 0, -3.4),
    (17, 42, 95, 5.5, 7.5, FAR, 0, 0, -2.4),
    (56, 38, 78, 9, 12, 25, 0, 0, 2.5),
    # brow ridge and glabella
    (28, 57, 98, 15, 7, FAR, 0, -1, 2.2),
    (44, 53, 85, 8, 7, 25, 1.5, 0, 3),
    (0, 53, 104, 9, 8, FAR, 0, 0, 1.5),
    # forehead eminences, temples
    (28, 84, 95, 20, 16, FAR, 0, 0, 1.5),
    (66, 58, 52, 14, 18, 20, -2.6, 0, 0),
    # cheekbone and its arch
    (45, 14, 82, 14, 12, 30, 1, 0, 2.6),
    (60, 6, 64, 11, 17, 28, 1.5, 0, 3.2),
    (66, 12, 42, 12, 13, 26, 1.2, 0, 0.5),
    # hollow under the cheekbone, jaw angle
    (54, -20, 58, 13, 16, 25, -2.5, 0, -1.5),
    (57, -38, 14, 20, 13, 18, 1.5, -2, 0),
    # beside the nose, fold from wing to mouth corner
    (25, 3, 98, 7, 11, FAR, 0, 0, -2),
    (31, -15, 95, 5, 9, FAR, 0, 0, -1.2),
    # muzzle around the teeth
    (0, -24, 105, 20, 14, FAR, 0, 0, 5.2),
    (33, -33, 90, 8, 8, FAR, 0, 0, -1.6),
    (45, -53, 74, 11, 12, 30, -1.2, 0, -2.6),
    # groove between lower lip and chin, chin
    (0, -16, 105, 9, 6, FAR, 0, 0, 2.4),
    (0, -47, 105, 13, 5, FAR, 0, 0, -2.2),
    (0, -64, 105, 11, 9, FAR, 0, 0, 2),
    (11, -67, 100, 8, 8, FAR, 0, 0, 1),
    (33, -64, 85, 10, 12, 30, -1, 0, -1.8),
    # room for the ear's bowl
    (75, 15, 3, 30, 9, 8, -5, 0, 0),
    # throat, sternomastoid
    (0, -112, 43, 9, 14, 20, 0, 0, 4),
    (34, -125, 20, 9, 30, 20, 2, 0, 4),
])  # fmt: skip

# The nose along the midline: level of the row, height, depth, half width, roundness across
NOSE = np.array([
    (52, 52, 107, 10, 0.95),
    (44, 44, 106, 11, 0.95),
    (38, 38, 108, 14, 0.95),
    (30, 30.5, 113.6, 17, 0.98),
    (20, 21, 120.6, 20, 1.0),
    (10, 11.5, 126.4, 21, 1.02),
    (4, 5, 128.8, 20.5, 1.08),
    (0.5, 1.4, 129.2, 20, 1.12),
    (-2.6, -2.4, 128, 19.5, 1.2),
    (-4.4, -5.2, 125.8, 19, 1.25),
    (-6, -7, 122.6, 18.2, 1.3),
    (-7.6, -8.2, 119.4, 17, 1.3),
    (-9.2, -9.2, 116.8, 15, 1.3),
    (-10.8, -10.2, 114.6, 12, 1.1),
    (-14.2, -14, 113.6, 9, 1),
])  # fmt: skip

# Brushes over the nose, in the coordinates of the base
NOSE_BRUSHES = np.array([
    (0, 0.5, 103, 7, 6, FAR, 0, 0, 1.8),  # tip
    (8.5, 6, 103, 5, 6, FAR, 0, 0, 3.4),  # sides of the tip
    (15, 0.5, 104, 4.4, 5.4, FAR, 1.2, 0.4, 5),  # wings
    (20.6, 1, 104, 2.4, 6, FAR, -0.6, 0, -2),  # crease around the wing
    (11.5, -1, 103, 2, 3.5, FAR, 0, 0, -1.2),  # groove between wing and tip
    (16, 9.5, 103, 4, 2.8, FAR, 0, 0, -1),  # groove above the wing
    (7.4, -6.2, 107, 2.5, 1.7, FAR, 0, 7.0, -3.0),  # nostril
    (13, -6.4, 107, 2.8, 2.2, FAR, 0.4, 0.8, 1.4),  # lower rim of the wing
    (0, -6.4, 107, 2.6, 2.4, FAR, 0, -1.0, 0.4),  # columella
])  # fmt: skip


def brush(base: np.ndarray, table: np.ndarray) -> np.ndarray:
    """The movement [n, 3] that a table of brushes, and its mirror image, gives the base [n, 3]."""
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
    height, depth, width, round_ = (curve(t, NOSE[order, 0], c) for c in NOSE[order, 1:].T)
    r = np.clip(x / width, 0, 1)
    ridge = 0.5 * (1 + np.cos(np.pi * r**round_))
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
    middle = smoothstep(26, 7, x)
    profile_up = curve(red, [0, 0.2, 0.6, 1.0, 1.35, 2.2], [0.2, 1.4, 3.1, 2.9, 1.3, 0])
    profile_low = curve(red, [0, 0.2, 0.55, 1.0, 1.4, 2.2], [0.1, 1.3, 2.5, 0.6, -0.4, 0])
    moved = points.copy()
    corner = smoothstep(30, 24, x)
    moved[:, 2] += (
        np.where(upper, profile_up, profile_low) * (0.35 + 0.65 * middle) * corner * front
    )
    # A tubercle in the middle of the upper red, two pillows in the lower.
    tubercle = np.exp(-((x / 4) ** 2)) * np.sin(np.pi * np.clip(red, 0, 1))
    moved[:, 2] += 0.7 * tubercle * upper * front
    philtrum = (
        upper
        * (red > 1)
        * smoothstep(1.0, 1.3, red)
        * smoothstep(MOUTH + 21, MOUTH + 16, sheet.base[:, 1])
    )
    moved[:, 2] += (
        front
        * philtrum
        * (0.8 * np.exp(-(((x - 5.5) / 2.2) ** 2)) - 1.3 * np.exp(-((x / 2.8) ** 2)))
    )
    dimple = np.exp(-(((x - 28.5) / 2.5) ** 2) - ((sheet.base[:, 1] - MOUTH + 1.5) / 3.5) ** 2)
    moved[:, 2] -= 1.5 * dimple * front
    return moved


def lid_radius(x: np.ndarray) -> np.ndarray:
    """How far from the eyeball's centre the lids lie at x mm: the inner corner stands off it."""
    return LID_OUTER + 2.8 * smoothstep(EYE_INNER + 7, EYE_INNER, x)


def lids(sheet: Sheet, points: np.ndarray) -> np.ndarray:
    """Points [n, 3] with lids that wrap the eyeball; the margins lie on its sphere."""
    moved = points.copy()
    front = (sheet.angle < 0.9) & (np.abs(sheet.lid) < 22)
    d = points[:, :2] - EYE_CENTRE[:2]
    r2 = (d**2).sum(1)
    radius = lid_radius(points[:, 0])
    dome = EYE_CENTRE[2] + np.sqrt(np.maximum(radius**2 - r2, 0.0))
    dome = np.where(r2 < radius**2, dome, EYE_CENTRE[2] - 3 * (np.sqrt(r2) - radius))
    # The crease: the lid dips between margin and brow.
    crease = (
        -0.9
        * np.exp(-(((sheet.lid - 7.2) / 2.2) ** 2))
        * smoothstep(15, 22, points[:, 0])
        * smoothstep(49, 42, points[:, 0])
    )
    z = smooth_max(points[:, 2], dome, 4.0) + crease
    moved[:, 2] = np.where(front, z, moved[:, 2])
    loop = sheet.eye_loop
    reach = np.sqrt(np.maximum(radius[loop] ** 2 - r2[loop], 4.0**2))
    moved[loop, 2] = EYE_CENTRE[2] + reach
    return moved


def sculpt(sheet: Sheet) -> np.ndarray:
    """The sheet's vertices [n, 3] mm with all features."""
    points = sheet.base + brush(sheet.base, BRUSHES) * (sheet.angle < 2.2)[:, None]
    return lids(sheet, lips(sheet, nose(sheet, points)))
