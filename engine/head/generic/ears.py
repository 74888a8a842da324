# SPDX-License-Identifier: GPL-3.0-or-later
"""The left ear: a relief of helix, antihelix, bowl, tragus and lobe. Millimetres."""

import numpy as np

from ..model import REGIONS
from .curves import smoothstep
from .half import Piece, grid_faces

_CENTRE = np.array([77.0, 17.0, 2.0])  # the bowl's middle
_TILT = np.radians(15)  # the top leans back
_FLARE = np.radians(30)  # the rim stands off the skull
# Outline about the centre: angle (degrees, 0 = towards the face, 90 = up, 180 = back), reach in mm
_OUTLINE = np.array([(0, 9), (30, 13), (55, 22), (80, 33), (105, 36), (130, 32.5),
                     (155, 28), (180, 25), (205, 23.5), (228, 24), (248, 27.5), (265, 30),
                     (282, 27.5), (305, 19), (330, 12), (360, 9)])  # fmt: skip
_SIZE = 0.92  # of that outline
_SEGMENTS = 32
_RINGS = np.array([0.0, 0.2, 0.36, 0.5, 0.61, 0.7, 0.79, 0.87, 0.94, 1.0])


def build_ear() -> Piece:
    """The left ear; its front edge and its back sink into the head."""
    phi = np.linspace(0, 2 * np.pi, _SEGMENTS, endpoint=False)
    reach = _SIZE * _periodic(np.degrees(phi))
    rings, heights = [], []
    for rho in _RINGS[1:]:
        rings.append(rho * reach)
        heights.append(_relief(rho, phi))
    # over the rim and down behind to the skull
    for rho, drop in ((1.0, -2.2), (0.95, -4.5), (0.82, -7.5), (0.66, -13.0), (0.56, -22.0)):
        rings.append(rho * reach)
        heights.append(np.full(_SEGMENTS, drop, float))
    radius, height = np.array(rings), np.array(heights)
    local = np.stack([-radius * np.cos(phi), radius * np.sin(phi), height], -1).reshape(-1, 3)
    local = np.concatenate([local, [(0, 0, _relief(0.0, phi[:1])[0])]])
    ring = np.arange(radius.size).reshape(radius.shape)
    ring = np.concatenate([ring, ring[:, :1]], 1)
    middle = len(local) - 1
    cap = np.stack([ring[0, 1:], ring[0, :-1], np.full(_SEGMENTS, middle)], 1)
    faces = np.concatenate([grid_faces(ring), cap])
    up = np.array([0, np.cos(_TILT), -np.sin(_TILT)])
    back = np.array(
        [np.sin(_FLARE), -np.sin(_TILT) * np.cos(_FLARE), -np.cos(_TILT) * np.cos(_FLARE)]
    )
    out = np.cross(up, back) * -1
    vertices = _CENTRE + local @ np.stack([back, up, out])
    # Unwrapped as a disc: the front in the middle, the back around it.
    share = np.append(np.repeat(np.linspace(0.1, 1, len(radius)), _SEGMENTS), 0.0)
    turn = np.append(np.tile(phi, len(radius)), 0.0)
    uv = np.stack([0.705 - 0.05 * share * np.cos(turn), 0.13 + 0.05 * share * np.sin(turn)], 1)
    region = np.full(len(local), REGIONS.index("ear"))
    return Piece("ear", vertices, faces, uv, region, np.zeros(len(local), bool))


def _periodic(degrees: np.ndarray) -> np.ndarray:
    """The outline's reach at angles, smoothed a little so that no corner shows."""
    fine = np.interp(np.arange(0, 360, 3), _OUTLINE[:, 0], _OUTLINE[:, 1])
    for _ in range(3):
        fine = 0.5 * fine + 0.25 * (np.roll(fine, 1) + np.roll(fine, -1))
    return np.interp(degrees, np.append(np.arange(0, 360, 3), 360), np.append(fine, fine[0]))


def _relief(rho: float, phi: np.ndarray) -> np.ndarray:
    """Height in mm over the ear's plane, at a share `rho` of the outline's reach."""
    degrees = np.degrees(phi)
    rim = smoothstep(25, 60, degrees) * smoothstep(
        262, 225, degrees
    )  # where helix and antihelix run
    lobe = smoothstep(222, 245, degrees) * smoothstep(318, 290, degrees)
    front = np.maximum(smoothstep(40, 15, degrees), smoothstep(315, 340, degrees))
    bowl = -6.5 * (1 - smoothstep(0.28, 0.56, rho))
    antihelix = 2.2 * np.exp(-(((rho - 0.62) / 0.085) ** 2))
    groove = -2.2 * np.exp(-(((rho - 0.79) / 0.08) ** 2))
    helix = 2.6 * np.exp(-(((rho - 0.93) / 0.07) ** 2))
    tragus = 5.5 * np.exp(-(((rho - 0.62) / 0.26) ** 2)) - 7.0 * smoothstep(0.75, 1.0, rho)
    lobe_height = 0.8 - 2.0 * smoothstep(0.75, 1.0, rho)
    return (
        bowl * (1 - 0.3 * lobe)
        + rim * (antihelix + groove + helix)
        + front * tragus
        + lobe * lobe_height
    )
