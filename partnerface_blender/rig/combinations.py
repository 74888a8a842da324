# SPDX-License-Identifier: GPL-3.0-or-later
"""ARKit's names as combinations of a head's own coefficients, where it has others.

The engine tells them when an avatar is opened; the rig's armature keeps them, so that they are
there after a file was sent, linked or appended. Combinations A, coefficients E.
"""

from collections.abc import Mapping, Sequence

import bpy
import numpy as np

from .arkit import JAW_OPEN

PROPERTY = "partnerface_arkit"


def store_combinations(
    rig: bpy.types.Object,
    names: Sequence[str],
    coefficients: Sequence[str],
    psi: np.ndarray,
    jaw: np.ndarray,
) -> None:
    """Keep what a slider of 1 stands for, psi [A, E] and jaw [A, 3] rad, on the armature."""
    rig.data[PROPERTY] = {
        "names": "\n".join(names),
        "coefficients": "\n".join(coefficients),
        "psi": np.asarray(psi, np.float64).ravel().tolist(),
        "jaw": np.asarray(jaw, np.float64).ravel().tolist(),
    }


def coefficient_names(rig: bpy.types.Object) -> list[str]:
    """The head's own coefficients in the engine's order; [] for a rig from an older .blend."""
    kept = rig.data.get(PROPERTY)
    return kept["coefficients"].split("\n") if kept is not None else []


def _combined_names(rig: bpy.types.Object) -> list[str]:
    kept = rig.data.get(PROPERTY)
    return kept["names"].split("\n") if kept is not None and kept["names"] else []


def _table(rig: bpy.types.Object, name: str, names: Sequence[str]) -> np.ndarray:
    return np.array(rig.data[PROPERTY][name], np.float64).reshape(len(names), -1)


def add_combinations(
    rig: bpy.types.Object, values: Mapping[str, float], psi: dict[str, float]
) -> None:
    """Add what the sliders' values stand for to the coefficients in `psi`."""
    names = _combined_names(rig)
    strength = np.array([values.get(name, 0.0) for name in names])
    if strength.any():
        added = strength @ _table(rig, "psi", names)
        for name, value in zip(coefficient_names(rig), added, strict=True):
            psi[name] = psi.get(name, 0.0) + float(value)


def jaw_turn(rig: bpy.types.Object, values: Mapping[str, float]) -> np.ndarray:
    """The jaw's rotation [3] rad, axis-angle in head space, that the sliders' values stand for."""
    names, turn = _combined_names(rig), np.zeros(3)
    if "jawOpen" not in names:
        turn[0] = JAW_OPEN * values.get("jawOpen", 0.0)
    if names:
        turn += np.array([values.get(name, 0.0) for name in names]) @ _table(rig, "jaw", names)
    return turn
