# SPDX-License-Identifier: GPL-3.0-or-later
"""How the head's turn is shared between neck and torso.

The face shows where the head is, not what carries it. But a torso that sits or stands moves less
than the head on it: the neck's share is chosen so that the root joint stays where it is as well as
it can, and the skull stays where it was found in any case.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from ..head.model import NECK, Head

USUAL = 0.7  # the neck's share of a turn, where the clip says little
SHARES = np.linspace(0.3, 1.0, 15)
TRUST = 0.002  # m, how far a still torso strays


def bend_neck(
    head: Head, theta: np.ndarray, translation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Joint rotations [N, J, 3] rad and translations [N, 3] m of the same head on a bent neck.

    Args:
        head: the subject's.
        theta: [N, J, 3] rad, with a straight neck: the root makes the whole turn.
        translation: [N, 3] m.
    """
    turn = Rotation.from_rotvec(theta[:, 0].astype(np.float64))
    usual = turn.mean()  # the torso faces where the head does in the mean
    away = (turn * usual.inv()).as_rotvec()
    arm = (head.joints[NECK] - head.joints[0]).astype(np.float64)
    nape = turn.apply(arm) + translation  # [N, 3] m beyond the root joint, where the neck begins

    def torso(share: float) -> tuple[Rotation, np.ndarray]:
        root = Rotation.from_rotvec((1 - share) * away) * usual
        return root, nape - root.apply(arm)

    def cost(share: float) -> float:
        place = torso(share)[1]
        stray = np.linalg.norm(place - np.median(place, axis=0), axis=1).mean()
        return stray / TRUST + ((share - USUAL) / 0.2) ** 2

    share = min(SHARES, key=cost)
    root, place = torso(share)
    bent = theta.copy()
    bent[:, 0] = root.as_rotvec()
    bent[:, NECK] = (root.inv() * turn).as_rotvec()
    return bent, place.astype(np.float32)
