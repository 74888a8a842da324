# SPDX-License-Identifier: GPL-3.0-or-later
"""From the colours that the avatar learns to the colours that Blender computes with."""

from collections.abc import Callable

import numpy as np


def linear_from_srgb(colour: np.ndarray) -> np.ndarray:
    """The sRGB electro-optical transfer function (IEC 61966-2-1); Rec.709 primaries both sides."""
    colour = np.clip(colour, 0.0, None)
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def scene_linear(
    colour: np.ndarray,
    alpha: np.ndarray,
    linearise: Callable[[np.ndarray], np.ndarray] = linear_from_srgb,
) -> np.ndarray:
    """Unpremultiply, make linear, premultiply again.

    Linearising a premultiplied colour would darken every soft edge.

    Args:
        colour: [H, W, 3], display-referred sRGB times alpha.
        alpha: [H, W] in 0…1.
        linearise: straight sRGB → scene-linear; a `looks.Look`, where the scene's view transform
            is to show the video's colours.

    Returns:
        [H, W, 4] float32, scene-linear Rec.709 premultiplied, and alpha. Zero where alpha is.
    """
    alpha = np.asarray(alpha, np.float32)
    result = np.zeros((*alpha.shape, 4), np.float32)
    seen = alpha > 0
    cover = alpha[seen][:, None]  # [S, 1]
    straight = np.minimum(np.asarray(colour, np.float32)[seen] / cover, 1.0)
    result[seen] = np.concatenate([linearise(straight) * cover, cover], axis=-1)
    return result
