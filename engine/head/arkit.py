# SPDX-License-Identifier: GPL-3.0-or-later
"""ARKit's shapes for a head whose coefficients have other names, or none that mean anything.

The generic head does ARKit's shapes by name. What each of them does to its skin is carried onto the
other head's skin, and a combination of that head's own coefficients (and a turn of its jaw) does
the same, by least squares: see `transfer`. ARKit's names A.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..errors import HeadError, HeadMismatchError
from .generic import build_generic_head
from .model import Head
from .transfer import Transfer, make_transfer

WHOLES = ("browInnerUp", "cheekPuff")  # ARKit's; the generic head has a left and a right half
JAW_OPEN = 0.4  # rad that a full jawOpen turns the generic head's jaw
MOST_LOST = 0.75  # of a shape's motion: a head that loses more of it cannot do it


@dataclass(frozen=True)
class ArkitShapes:
    """What stands for those of ARKit's names that the head itself does not have."""

    names: tuple[str, ...]  # A, in no order that matters
    psi: np.ndarray  # [A, E] float32, for a slider of 1
    jaw: np.ndarray  # [A, 3] float32 rad, axis-angle, head space, for a slider of 1


def arkit_shapes(head: Head) -> ArkitShapes:
    """ARKit's shapes that the head can do and has no coefficient for, the looks of eyes aside.

    None for a head that speaks ARKit by itself, nor for one without landmarks to compare it by.
    """
    count = len(head.expression_names)
    nothing = ArkitShapes((), np.zeros((0, count), np.float32), np.zeros((0, 3), np.float32))
    wanted = _missing(head)
    if not wanted:
        return nothing
    try:
        transfer = make_transfer(_generic(), head)
    except (HeadError, HeadMismatchError):
        return nothing
    return _solve(transfer, wanted)


def _missing(head: Head) -> list[str]:
    """ARKit's names without a coefficient; a head with any such name opens its jaw by the bone."""
    have = set(head.expression_names)
    have |= {whole for whole in WHOLES if {f"{whole}Left", f"{whole}Right"} <= have}
    halves = {f"{whole}{side}" for whole in WHOLES for side in ("Left", "Right")}
    names = [*(set(_generic().expression_names) - halves), *WHOLES]
    named = bool(have & set(names))
    return sorted(set(names) - have) + ([] if named else ["jawOpen"])


def _solve(transfer: Transfer, wanted: list[str]) -> ArkitShapes:
    source = transfer.source.expression_names
    kept, rows = [], []
    for name in wanted:
        unit = np.zeros(len(source) + 3)
        if name == "jawOpen":
            unit[-3] = JAW_OPEN
        elif name in WHOLES:
            unit[[source.index(f"{name}Left"), source.index(f"{name}Right")]] = 1
        else:
            unit[source.index(name)] = 1
        goal = np.tensordot(unit, transfer.carried, 1)
        solved = transfer.linear @ unit
        lost = np.linalg.norm(goal - np.tensordot(solved, transfer.columns, 1))
        if lost < MOST_LOST * np.linalg.norm(goal):  # nothing to do, as a tongue, is lost as well
            kept.append(name)
            rows.append(solved)
    found = np.array(rows, np.float32).reshape(len(kept), transfer.linear.shape[0])
    return ArkitShapes(tuple(kept), found[:, :-3], found[:, -3:])


@cache
def _generic() -> Head:
    return build_generic_head().mean
