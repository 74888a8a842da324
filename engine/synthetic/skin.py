# SPDX-License-Identifier: GPL-3.0-or-later
"""What every point of the head is made of: albedo, gloss and grain, procedural in the rest pose.

S points. Colours are linear albedos. `grain` is the width of a picture's sample in metres: detail
finer than that fades out instead of flickering.
"""

from dataclasses import dataclass

import numpy as np

from .creases import CHIN_FOLD, forehead_ripple
from .fields import Face, field_names
from .look import Look
from .noise import Noise

IRIS_RADIUS, PUPIL_RADIUS = 0.0060, 0.0024  # m
BLOOD = np.array([1.10, 0.72, 0.72], np.float32)  # what more blood does to an albedo


@dataclass(frozen=True)
class Matter:
    """The stuff at S points."""

    albedo: np.ndarray  # [S, 3]
    gloss: np.ndarray  # [S], strength of the highlight
    sharpness: np.ndarray  # [S], exponent of the highlight
    bump: np.ndarray  # [S, 3] slope added to the normal, rest space


def skin_matter(
    points: np.ndarray,
    fields: np.ndarray,
    acts: dict[str, float],
    jaw: float,
    face: Face,
    look: Look,
    noise: Noise,
    grain: float,
) -> Matter:
    """Skin at the points.

    Args:
        points: [S, 3] m, neutral rest pose.
        fields: [S, C], order of `field_names`.
        acts: activations of the crease terms.
        jaw: rad.
        face: measures of the head.
        look: colours and habits.
        noise: the person's noise.
        grain: m.
    """
    at = dict(zip(field_names(), fields.T, strict=True))
    albedo = np.broadcast_to(look.skin.astype(np.float32), (len(points), 3)).copy()
    _mottle(albedo, points, at, acts, jaw, look, noise, grain)
    _spots(albedo, points, at, look, noise, grain)
    _crease_lines(albedo, points, at, acts, look, noise, grain)
    _stubble(albedo, points, at, look, noise, grain)
    lips = _lips(albedo, points, at, acts, look, noise, grain)
    _brows(albedo, points, at, look, noise, grain)
    _lids(albedo, at, look, grain)
    _scalp(albedo, at, look)
    oily = _near(at["nose"], 0.022) + 0.7 * smooth(at["forehead"], 0.0, 0.03)
    gloss = 0.32 + 0.22 * oily + 0.9 * lips
    gloss *= 1 + 0.25 * noise.value(points, 0.006, 20) * _kept(0.006, grain)
    sharpness = 16 + 4 * oily + 34 * lips
    return Matter(
        albedo.clip(0.004, 0.95),
        gloss.clip(0.05, 2),
        sharpness,
        _bump(points, at, lips, look, noise, grain),
    )


def eye_matter(from_centre: np.ndarray, look: Look, noise: Noise, grain: float) -> Matter:
    """An eyeball at points [S, 3] m relative to its centre, rest pose, looking along +z."""
    x, y, z = from_centre.T
    radius = np.hypot(x, y) + np.where(z < 0, 1.0, 0.0)
    around = np.arctan2(y, x)
    spokes = np.stack([np.cos(around) * 0.004, np.sin(around) * 0.004, radius * 0.25], 1)
    fibre = noise.value(spokes, 0.0012, 30) * _kept(0.0006, grain)
    vein = noise.value(from_centre * (1, 2.2, 1), 0.0035, 31) * smooth(radius, 0.007, 0.013)
    white = rgb(0.52, 0.485, 0.455) * (1 - 0.06 * np.maximum(vein, 0)[:, None] * (0.2, 1, 1))
    iris = look.iris * (1 + 0.38 * fibre + 0.5 * smooth(radius, 0.0046, 0.0030))[:, None].clip(
        0.3, 2.2
    )
    iris = iris * (1 - 0.72 * smooth(radius, IRIS_RADIUS - 0.0013, IRIS_RADIUS))[:, None]
    edge = max(0.00035, 0.6 * grain)
    albedo = _mix(white, iris, smooth(radius, IRIS_RADIUS + edge, IRIS_RADIUS - edge))
    albedo = _mix(
        albedo, np.full(3, 0.004), smooth(radius, PUPIL_RADIUS + edge, PUPIL_RADIUS - edge)
    )
    ones = np.ones(len(x), np.float32)
    return Matter(albedo, 2.6 * ones, 260 * ones, np.zeros_like(from_centre))


def tooth_matter(points: np.ndarray, face: Face, noise: Noise, grain: float) -> Matter:
    """Teeth and their gums at points [S, 3] m, rest pose; the back ones are lost in the dark."""
    ivory = rgb(0.88, 0.82, 0.705) * (1 + 0.05 * noise.value(points, 0.008, 40))[:, None]
    back = smooth(face.landmarks[62, 2] - points[:, 2], 0.010, 0.027)
    gap = np.abs(np.sin(np.pi * points[:, 0] / 0.0078))
    albedo = ivory * (1 - 0.35 * (1 - smooth(gap, 0.0, 0.22)) * _kept(0.003, grain))[:, None]
    above = points[:, 1] - face.landmarks[62, 1]  # m, of where the lips meet
    gum = smooth(above, 0.0066, 0.0078) + smooth(above, -0.0085, -0.0097)
    albedo = _mix(albedo, rgb(0.50, 0.19, 0.17), gum)
    albedo = _mix(albedo, rgb(0.045, 0.013, 0.012), back)
    ones = np.ones(len(points), np.float32)
    return Matter(albedo, 0.9 * (1 - back), 60 * ones, np.zeros_like(points))


def mouth_matter(points: np.ndarray, tongue: np.ndarray, face: Face, noise: Noise) -> Matter:
    """The inside of the mouth, the tongue (where `tongue` [S] is set), the sockets of the eyes."""
    depth = smooth(face.landmarks[62, 2] - points[:, 2], 0.004, 0.040)
    flesh = np.where(tongue[:, None], (0.46, 0.17, 0.155), (0.34, 0.095, 0.085))
    flesh = flesh * (1 + 0.08 * noise.value(points, 0.005, 45))[:, None]
    ones = np.ones(len(points), np.float32)
    return Matter(
        flesh * (1 - 0.80 * depth)[:, None], 0.5 * (1 - depth), 40 * ones, np.zeros_like(points)
    )


def rgb(red: float, green: float, blue: float) -> np.ndarray:
    """Three numbers as float32, so that pictures are not computed in float64 by accident."""
    return np.array((red, green, blue), np.float32)


def smooth(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 at `low`, 1 at `high`, an S between (high may be below low)."""
    u = np.clip((x - low) / (high - low), 0, 1)
    return u * u * (3 - 2 * u)


def _kept(wavelength: float, grain: float) -> float:
    """How much of a detail of this wavelength a picture can show: 0…1."""
    return float(np.clip(wavelength / (2.5 * grain) - 0.6, 0, 1))


def _near(distance: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-np.square(distance / width))


def _mix(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return a + (b - a) * weight[:, None]


def _mottle(albedo, points, at, acts, jaw, look, noise, grain):
    """Blood and pigment: patches, warm cheeks, nose and ears, shadows round the eyes, flush."""
    broad, patch = noise.value(points, 0.055, 10), noise.value(points, 0.013, 11)
    fine = noise.value(points, 0.0028, 12) * _kept(0.0028, grain)
    albedo *= np.exp(0.035 * broad + 0.035 * patch + 0.045 * fine)[:, None]
    cheek = _near(at["cheek"], 0.026) * (1 + 0.3 * patch)
    flush = 0.5 * min(jaw / 0.3, 1.5) ** 2 + 0.35 * (
        acts["pout"] + acts["grinLeft"] + acts["grinRight"]
    )
    blood = (
        look.ruddy * (cheek * (0.45 + flush) + 0.6 * _near(at["nose"], 0.016)) + 0.55 * at["ear"]
    )
    blood += (
        0.35 * look.ruddy * _near(at["chin"], 0.016) + 0.10 * patch + 0.25 * _near(at["bag"], 0.006)
    )
    albedo *= BLOOD ** blood.clip(-0.3, 2.0)[:, None]
    around_eye = _near(np.maximum(at["eye"] - 0.001, 0), 0.008)
    albedo *= 1 - around_eye[:, None] * rgb(0.16, 0.24, 0.20) * (0.6 + 0.6 * look.age)
    forehead = smooth(at["forehead"], 0.005, 0.04)[:, None]
    albedo *= 1 + forehead * rgb(0.02, 0.015, -0.03)


def _spots(albedo, points, at, look, noise, grain):
    """Freckles over nose and cheeks, a few moles, pores as darker dots."""
    zone = _near(np.minimum(at["cheek"], 1.2 * at["nose"]), 0.032) + 0.25
    freckle = smooth(
        noise.value(points, 0.0042, 13) + 0.5 * noise.value(points, 0.02, 14), 1.15, 1.7
    )
    albedo *= 1 - (0.5 * look.freckles * zone * freckle * _kept(0.004, grain))[:, None] * rgb(
        0.45, 0.75, 0.95
    )
    for place, radius in zip(look.mole_places, look.mole_radii, strict=True):
        away = np.linalg.norm(points - place, axis=1) + 0.0002 * freckle
        mole = smooth(away, radius + 0.4 * grain, 0.6 * radius - 0.3 * grain)
        albedo *= 1 - 0.62 * mole[:, None] * rgb(0.8, 1.0, 1.0)
    pore = smooth(noise.value(points, 0.0016, 16), 0.9, 2.0) * _kept(0.0016, grain)
    albedo *= 1 - 0.22 * pore[:, None] * rgb(0.7, 1.0, 1.0)


def _crease_lines(albedo, points, at, acts, look, noise, grain):
    """Dark lines in the folds: their part at rest (age), and what expression draws."""
    rest = 0.10 * look.age
    left = points[:, 0] > 0

    def side(name: str) -> np.ndarray:
        return np.where(left, acts[name + "Left"], acts[name + "Right"])

    broken = 1 + 0.3 * noise.value(points, 0.012, 17)
    wide = 0.5 * grain
    line = (
        2.0
        * np.maximum(-forehead_ripple(at["forehead"], points[:, 0]), 0)
        * (acts["forehead"] + 0.5 * rest)
    )
    line = line + _near(at["frown"], 0.0018 + wide) * (0.9 * acts["frown"] + rest)
    line += _near(at["bunny"], 0.0022 + wide) * 0.8 * acts["bunny"]
    line += _near(at["crow"], 0.0011 + wide) * (0.9 * side("crow") + 0.7 * rest)
    line += at["fold_held"] * _near(at["fold"], 0.0021 + wide) * (0.9 * side("fold") + 1.2 * rest)
    line += _near(at["bag"], 0.0014 + wide) * (0.45 * side("crow") + 1.3 * rest)
    line += _near(at["corner"] - 0.012, 0.002 + wide) * at["outside"] * 0.4 * side("dimple")
    under_lip = (at["seam"] < 0) * smooth(at["corner"], 0.014, 0.026)
    line += _near(at["lip"] - CHIN_FOLD, 0.0022 + wide) * under_lip * 0.9 * acts["chin"]
    dark = (0.35 * look.age + 0.70) * (line * broken).clip(0, 1.3)
    albedo *= 1 - dark[:, None] * rgb(0.40, 0.52, 0.54)


def _stubble(albedo, points, at, look, noise, grain):
    if look.stubble == 0:
        return
    edge = smooth(at["beard"] + 0.18 * noise.value(points, 0.012, 18), 0.25, 0.8) * smooth(
        at["lip"], 0.0005, 0.004
    )
    dots = noise.value(points, 0.0013, 19) * _kept(0.0013, grain)
    cover = (
        look.stubble
        * edge
        * (0.62 + 0.30 * dots + 0.12 * noise.value(points, 0.006, 21)).clip(0.1, 1)
    )
    tint = 0.65 * look.hair + 0.16 * look.skin * (0.85, 0.95, 1.1)
    albedo += (tint - albedo) * cover[:, None]


def _lips(albedo, points, at, acts, look, noise, grain):
    edge = max(0.0007, 0.7 * grain)
    inside = smooth(at["lip"] + 0.00035 * noise.value(points, 0.004, 22), edge, -edge)
    stripes = noise.value(points * rgb(1.0, 0.22, 0.22), 0.0016, 23) * _kept(0.0016, grain)
    pale = (
        1
        + 0.10 * min(acts["stretch"] + acts["grinLeft"] + acts["grinRight"], 1.5)
        - 0.10 * acts["pout"]
    )
    colour = (
        look.lips * pale * np.exp(0.10 * stripes + 0.05 * noise.value(points, 0.009, 24))[:, None]
    )
    depth = smooth(at["lip"], -0.001, -0.009)[:, None]
    colour = colour * (1 - 0.18 * depth * rgb(0.5, 1.0, 0.9))
    albedo += (colour - albedo) * (0.9 * inside)[:, None]
    return inside


def _brows(albedo, points, at, look, noise, grain):
    along, up = at["brow_along"], at["brow_up"]
    width = look.brow_width * np.interp(along, [0, 0.25, 0.6, 1.0], [0.85, 1.1, 0.9, 0.35])
    slant = np.interp(along, [0, 0.3, 1], [0.9, 0.55, 0.2])
    strand = np.stack(
        [along * 0.048 - slant * up, 0.16 * up + 0.05 * along * 0.048, np.sign(points[:, 0]) * 0.1],
        1,
    )
    hairs = (noise.value(strand, 0.0011, 25) + 0.6 * noise.value(strand, 0.0022, 29)) * _kept(
        0.0011, grain
    )
    ragged = at["brow"] + 0.0011 * noise.value(strand, 0.003, 26)
    cover = smooth(ragged, width * 1.25, width * 0.55) * smooth(along, -0.02, 0.10).clip(0.35, 1)
    cover = cover * (0.93 + 0.17 * hairs).clip(0.4, 1)
    albedo += (look.brows - albedo) * cover[:, None]


def _lids(albedo, at, look, grain):
    liner = _near(at["lash"], 0.0014 + 0.3 * grain) * (np.abs(at["eye"]) < 0.004)
    albedo *= 1 - 0.80 * liner[:, None]
    rim = smooth(at["eye"], 0.0006, -0.0006) * (1 - liner)  # the wet, pink edge of the lids
    albedo += (np.minimum(look.skin * (1.0, 0.62, 0.6), 0.7) - albedo) * (0.5 * rim)[:, None]


def _scalp(albedo, at, look):
    covered = smooth(at["hair"], -0.002, 0.010) * (at["ear"] < 0.5)
    albedo += (0.7 * look.hair + 0.12 * look.skin - albedo) * (0.85 * covered)[:, None]


def _bump(points, at, lips, look, noise, grain):
    """Slopes of the skin's relief [S, 3]: pores, and the lips' stripes."""
    slope = np.zeros_like(points, dtype=np.float32)
    for wavelength, height, place in (
        (0.0016, 0.000035, 16),
        (0.0035, 0.00005, 27),
        (0.011, 0.00005, 28),
    ):
        kept = _kept(wavelength, grain)
        if kept > 0:
            slope += (
                kept
                * height
                * (1 - 0.5 * lips)[:, None]
                * noise.slope(points, wavelength, place)[1]
            )
    kept = _kept(0.0016, grain)
    if kept > 0:
        stripes = noise.slope(points * rgb(1.0, 0.22, 0.22), 0.0016, 23)[1] * rgb(1.0, 0.22, 0.22)
        slope += (kept * 0.00007 * lips)[:, None] * stripes
    return slope
