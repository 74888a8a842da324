# SPDX-License-Identifier: GPL-3.0-or-later
"""ARKit's names as combinations of a head's own coefficients, where it has others.

The engine tells them when an avatar is opened; the rig's armature keeps them, so that they are
there after a file was sent, linked or appended. Combinations A, coefficients E.
"""

from collections.abc import Mapping, Sequence

import bpy
import numpy as np

PROPERTY = "partnerface_arkit"


def store_combinations(
    rig: bpy.types.Object, names: Sequence[str], coefficients: Sequence[str], psi: np.ndarray
) -> None:
    """Keep psi [A, E], what a slider of 1 stands for, with its names, on the armature."""
    if not len(names):
        return
    rig.data[PROPERTY] = {
        "names": "\n".join(names),
        "coefficients": "\n".join(coefficients),
        "psi": np.asarray(psi, np.float64).ravel().tolist(),
    }


def add_combinations(
    rig: bpy.types.Object, values: Mapping[str, float], psi: dict[str, float]
) -> None:
    """Add what the sliders' values stand for to the coefficients in `psi`."""
    kept = rig.data.get(PROPERTY)
    if kept is None:
        return
    names, coefficients = kept["names"].split("\n"), kept["coefficients"].split("\n")
    strength = np.array([values.get(name, 0.0) for name in names])
    if strength.any():
        table = np.array(kept["psi"], np.float64).reshape(len(names), len(coefficients))
        for name, value in zip(coefficients, strength @ table, strict=True):
            psi[name] = psi.get(name, 0.0) + float(value)
