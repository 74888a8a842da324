# SPDX-License-Identifier: GPL-3.0-or-later
"""How the studio's lamps, which stand still in the world, light S points; and the tone curve."""

import numpy as np

from .look import Light, Look
from .skin import Matter

SCATTER = np.array(
    [0.34, 0.14, 0.08], np.float32
)  # how far light creeps round into the shade, per colour
BLEED = np.array([0.30, 0.10, 0.05], np.float32)  # how reddish the edge of a shadow is
EXPOSURE = 0.62


def light_skin(
    matter: Matter,
    normal: np.ndarray,
    view: np.ndarray,
    open_sky: np.ndarray,
    lit: np.ndarray,
    look: Look,
    scatter: float = 1.0,
) -> np.ndarray:
    """Radiance [S, 3] of skin, eyes, teeth.

    Args:
        matter: what is there.
        normal: [S, 3] unit, world space.
        view: [S, 3] unit, towards the camera.
        open_sky: [S] 0…1, how much of the surroundings a point sees.
        lit: [S] 0…1, how much of the key lamp it sees.
        look: the studio.
        scatter: 1 for skin, 0 for what light does not enter.
    """
    ambient = _ambient(normal, look) * _bled(open_sky, scatter)
    diffuse, shine = np.zeros_like(matter.albedo), np.zeros_like(matter.albedo)
    for lamp, seen in ((look.key, lit), (look.fill, open_sky), (look.rim, open_sky)):
        facing = (normal @ lamp.towards)[:, None]
        wrap = scatter * SCATTER + 0.25 * lamp.width
        diffuse += (
            lamp.colour * np.clip((facing + wrap) / (1 + wrap), 0, 1) ** 1.2 * _bled(seen, scatter)
        )
        half = view + lamp.towards
        half /= np.linalg.norm(half, axis=1, keepdims=True)
        power = matter.sharpness / (1 + 2.0 * lamp.width)
        lobe = np.clip(np.sum(normal * half, 1), 0, 1) ** power * (power + 2) / 26
        grazing = 0.04 + 0.96 * (1 - np.clip(np.sum(view * half, 1), 0, 1)) ** 5
        shine += lamp.colour * (lobe * grazing * matter.gloss * seen * (facing[:, 0] > 0))[:, None]
    return matter.albedo * (diffuse / np.pi * 2.4 + ambient) + shine


def light_hair(
    albedo: np.ndarray,
    normal: np.ndarray,
    tangent: np.ndarray,
    view: np.ndarray,
    open_sky: np.ndarray,
    lit: np.ndarray,
    look: Look,
) -> np.ndarray:
    """Radiance [S, 3] of hair: Kajiya and Kay's model with two highlights."""
    total = albedo * _ambient(normal, look) * open_sky[:, None]
    for lamp, seen in ((look.key, lit), (look.fill, open_sky), (look.rim, 0.7 * open_sky)):
        along = tangent @ lamp.towards
        facing = np.clip((normal @ lamp.towards + 0.35) / 1.35, 0, 1)
        half = view + lamp.towards
        half /= np.linalg.norm(half, axis=1, keepdims=True)
        cosine = np.sum(tangent * half, 1)
        sine = np.sqrt(np.clip(1 - cosine**2, 0, 1))
        shine = 0.035 * np.clip(sine, 0, 1) ** 60
        tinted = 0.9 * np.clip(np.sqrt(np.clip(1 - (cosine + 0.12) ** 2, 0, 1)), 0, 1) ** 18
        body = np.sqrt(np.clip(1 - along**2, 0, 1))[:, None] * albedo * 0.75
        glow = shine[:, None] + tinted[:, None] * albedo
        total += lamp.colour * (facing * seen)[:, None] * (body + glow)
    return total


def display(radiance: np.ndarray) -> np.ndarray:
    """Linear radiance [..., 3] → display-referred sRGB: exposure, a soft shoulder, the curve."""
    x = np.maximum(radiance, 0) * EXPOSURE
    x = x * (1 + x / 6.0) / (1 + 0.75 * x)
    x = np.clip(x, 0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055).astype(np.float32)


def towards_lamp(lamp: Light, spread: np.ndarray) -> np.ndarray:
    """Directions [S, 3] to points of a wide lamp, for soft shadows; `spread` [S, 2] in -1…1."""
    side = np.cross(lamp.towards, np.array((0, 1, 0), np.float32))
    side /= np.linalg.norm(side)
    up = np.cross(side, lamp.towards)
    aim = lamp.towards + lamp.width * (spread[:, :1] * side + spread[:, 1:] * up)
    return aim / np.linalg.norm(aim, axis=1, keepdims=True)


def _ambient(normal: np.ndarray, look: Look) -> np.ndarray:
    height = 0.5 + 0.5 * normal[:, 1:2]
    return look.ground + (look.sky - look.ground) * height


def _bled(seen: np.ndarray, scatter: float) -> np.ndarray:
    """Shade whose edge is reddish, since light bleeds through skin: [S, 3]."""
    return np.clip(seen, 0, 1)[:, None] ** (1 - scatter * BLEED)
