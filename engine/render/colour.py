# SPDX-License-Identifier: GPL-3.0-or-later
"""From the colours that the avatar learns to the colours that Blender computes with."""

import numpy as np


def linear_from_srgb(colour: np.ndarray) -> np.ndarray:
    """The sRGB electro-optical transfer function (IEC 61966-2-1); Rec.709 primaries both sides."""
    colour = np.clip(colour, 0.0, None)
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def scene_linear(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Unpremultiply, make linear, premultiply again.

    Linearising a premultiplied colour would darken every soft edge.

    Args:
        colour: [H, W, 3], display-referred sRGB times alpha.
        alpha: [H, W] in 0…1.

    Returns:
        [H, W, 4] float32, scene-linear Rec.709 premultiplied, and alpha. Zero where alpha is.
    """
    alpha = np.asarray(alpha, np.float32)[..., None]  # [H, W, 1]
    inverse = np.divide(1.0, alpha, out=np.zeros_like(alpha), where=alpha > 0)
    straight = np.minimum(np.asarray(colour, np.float32) * inverse, 1.0)
    return np.concatenate([linear_from_srgb(straight) * alpha, alpha], axis=-1)
