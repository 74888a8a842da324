# SPDX-License-Identifier: GPL-3.0-or-later
"""ARKit-named expressions as soft local fields over the neutral head. Millimetres.

Sided fields are written for the left and mirrored for the right. `jawOpen` and `eyeLook*` are
joints, not expressions. ARKit's `browInnerUp` and `cheekPuff` come as halves whose sum they are:
the two sides of a face need not do the same.
"""

from collections.abc import Callable

import numpy as np

from ..model import CANONICAL_JAW, JAW
from .curves import gauss, smoothstep
from .eyelids import move_lids
from .half import Body
from .landmarks import lip_line
from .rig import JOINT_PLACES, jaw_weights
from .sculpt import EYE_CENTRE
from .sheet import MOUTH

FAR = 1e3


class Face:
    """What the fields need to know of the neutral head: points, and which lip they belong to."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.p = body.vertices
        front = smoothstep(10, 45, self.p[:, 2])  # blobs without depth end before the ears
        self.soft = (body.pieces["skin"] | body.pieces["bag"]) * front
        self.sign = np.where(body.tag("lip_side") < 0, -1.0, 1.0)
        self.upper = (self.sign > 0) * self.soft
        self.lower = (self.sign < 0) * self.soft
        self.red = body.tag("lip_red", 9.0)  # 0 on the line … 1 on the border of the red
        self.left = smoothstep(-7, 9, self.p[:, 0])
        self.left_share = smoothstep(-11, 11, self.p[:, 0])  # with its mirror image it sums to 1
        self.parted = smoothstep(
            27, 13, np.abs(self.p[:, 0])
        )  # 1 where the lips can part, 0 at the corners
        self.jaw = jaw_weights(body)
        # Brows slide over the lids without dragging them along.
        over = np.where(body.tag("lid_side") > 0, body.tag("lid", 99), 0)
        beside = np.abs(np.abs(self.p[:, 0]) - EYE_CENTRE[0]) / 20
        above = smoothstep(30, 50, self.p[:, 1])
        self.brow = np.maximum(smoothstep(5, 15, over), smoothstep(0.8, 1.2, beside) * above)

    def blob(
        self, centre: tuple, radius: tuple, move: tuple, mask: np.ndarray | float = 1.0
    ) -> np.ndarray:
        """Movement [V, 3] of a soft blob of skin."""
        weight = gauss(self.p, centre, radius) * self.soft * mask
        return weight[:, None] * np.asarray(move, float)

    def both(
        self, centre: tuple, radius: tuple, move: tuple, mask: np.ndarray | float = 1.0
    ) -> np.ndarray:
        """A blob and its mirror image."""
        one = self.blob(centre, radius, move, mask)
        return one + one[self.body.mirror] * (-1, 1, 1)


def _brow_down(f: Face) -> np.ndarray:
    return (
        f.blob((20, 58, 100), (14, 9, FAR), (-2.6, -5.5, 0.8))
        + f.blob((38, 57, 92), (11, 9, 30), (-0.5, -3.2, 0))
    ) * (f.left * f.brow)[:, None]


def _brow_inner_up(f: Face) -> np.ndarray:
    both = f.both((11, 61, 103), (10, 12, FAR), (1.0, 6.0, -0.6), f.brow)
    return both * f.left_share[:, None]


def _brow_outer_up(f: Face) -> np.ndarray:
    return f.blob((42, 60, 88), (15, 12.5, 30), (0.3, 7.5, -1)) * (f.left * f.brow)[:, None]


def _eye_blink(f: Face) -> np.ndarray:
    return move_lids(f.body, 0.83, 0.2)


def _eye_squint(f: Face) -> np.ndarray:
    cheek = f.blob((34, 22, 90), (14, 7, 25), (0, 2.2, 0.8)) * f.left[:, None]
    return move_lids(f.body, 0.18, 0.28) + cheek * (f.body.tag("lid", -99) < -6)[:, None]


def _eye_wide(f: Face) -> np.ndarray:
    return move_lids(f.body, -0.28, -0.08)


def _cheek_puff(f: Face) -> np.ndarray:
    cheeks = f.both((44, -22, 82), (15, 16, 28), (8.0, 0, 6.5))
    lip = f.blob((0, -20, 112), (14, 8, 20), (0, 0, 1.5))
    return (cheeks + lip) * f.left_share[:, None]


def _cheek_squint(f: Face) -> np.ndarray:
    return (f.blob((38, 12, 88), (15, 12, 28), (0.5, 4.5, 2.8))) * f.left[:, None] + move_lids(
        f.body, 0.0, 0.14
    )


def _nose_sneer(f: Face) -> np.ndarray:
    lift = f.blob((14, 1, 108), (8, 9, 25), (0.8, 4.2, -0.6)) + f.blob(
        (11, 24, 104), (8, 9, 20), (0.3, 2.2, 0.6)
    )
    return (lift + f.blob((14, -18, 108), (8, 7, 20), (0, 2.8, 0), f.upper)) * f.left[:, None]


def _mouth_smile(f: Face) -> np.ndarray:
    corner = f.blob((27, -31, 100), (13, 11, 30), (7.5, 7.0, -4.5))
    cheek = f.blob((41, 4, 85), (13, 12, 28), (1.2, 4.0, 2.6))
    fold = f.blob((35, -14, 92), (5, 9, 25), (0.5, 1.0, -1.6))
    return (corner + cheek + fold) * f.left[:, None]


def _mouth_frown(f: Face) -> np.ndarray:
    corner = f.blob((26, -32, 100), (12, 10, 30), (1.0, -7.0, -1.5))
    return (corner + f.blob((24, -46, 98), (11, 10, 30), (0, -2.5, 0.8))) * f.left[:, None]


def _mouth_dimple(f: Face) -> np.ndarray:
    return f.blob((28, -30, 98), (9, 9, 28), (3.8, 0.8, -5.0)) * f.left[:, None]


def _mouth_stretch(f: Face) -> np.ndarray:
    corner = f.blob((27, -33, 98), (14, 14, 30), (7.5, -3.0, -5.0))
    return (corner + f.blob((32, -55, 85), (16, 14, 30), (2.5, -2.0, 0))) * f.left[:, None]


def _mouth_press(f: Face) -> np.ndarray:
    near = gauss(f.p, (13, MOUTH, 112), (12, 9, FAR)) * f.soft * f.left
    squeeze = np.stack([0 * near, -1.6 * near * f.sign * np.clip(f.red, 0, 1), -1.8 * near], 1)
    return squeeze * smoothstep(2.6, 1.0, f.red)[:, None]


def _mouth_upper_up(f: Face) -> np.ndarray:
    lip = f.blob((11, MOUTH + 4, 112), (12, 10, FAR), (0.3, 5.2, 0.6), f.upper * f.parted)
    return (lip + f.blob((17, -8, 105), (7, 7, 25), (0.3, 1.6, 0.4), f.upper)) * f.left[:, None]


def _mouth_lower_down(f: Face) -> np.ndarray:
    return (
        f.blob((11, MOUTH - 5, 112), (12, 11, FAR), (0.3, -5.2, 0.4), f.lower * f.parted)
        * f.left[:, None]
    )


def _around_mouth(f: Face, rx: float, ry: float) -> np.ndarray:
    """1 on the lips, falling off around them [V]."""
    return gauss(f.p, (0, MOUTH, 108), (rx, ry, 28)) * f.soft


def _mouth_pucker(f: Face) -> np.ndarray:
    near = _around_mouth(f, 26, 13)
    middle = gauss(f.p, (0, MOUTH, 112), (15, 11, FAR)) * f.soft
    thicker = 1.6 * f.sign * middle * f.parted * np.clip(f.red, 0, 1) * smoothstep(3, 1, f.red)
    return np.stack([-0.42 * f.p[:, 0] * near, thicker, 7.5 * middle + 2.0 * near], 1)


def _mouth_funnel(f: Face) -> np.ndarray:
    near = _around_mouth(f, 26, 14)
    middle = gauss(f.p, (0, MOUTH, 112), (14, 12, FAR)) * f.soft
    return np.stack(
        [-0.30 * f.p[:, 0] * near, 4.6 * f.sign * middle * f.parted, 5.5 * middle + near], 1
    )


def _mouth_left(f: Face) -> np.ndarray:
    near = _around_mouth(f, 26, 16)
    return np.stack(
        [
            8.5 * near,
            0.8 * near * np.clip(f.p[:, 0] / 20, -1, 1),
            -1.5 * near * np.clip(f.p[:, 0] / 25, -1, 1),
        ],
        1,
    )


def _mouth_roll(f: Face, lip: np.ndarray, sign: float) -> np.ndarray:
    near = gauss(f.p, (0, MOUTH, 112), (19, 11, FAR)) * lip * f.parted * smoothstep(2.2, 0.8, f.red)
    return np.stack([0 * near, -sign * 3.2 * near * np.clip(f.red, 0, 1.2), -4.2 * near], 1)


def _mouth_roll_upper(f: Face) -> np.ndarray:
    return _mouth_roll(f, f.upper, 1)


def _mouth_roll_lower(f: Face) -> np.ndarray:
    return _mouth_roll(f, f.lower, -1)


def _mouth_shrug_upper(f: Face) -> np.ndarray:
    return f.blob((0, MOUTH + 6, 112), (17, 9, FAR), (0, 3.6, 1.8), f.upper * f.parted)


def _mouth_shrug_lower(f: Face) -> np.ndarray:
    lip = f.blob((0, MOUTH - 7, 112), (18, 10, FAR), (0, 3.4, 2.4), f.lower * f.parted)
    return lip + f.blob((0, -60, 108), (15, 11, 30), (0, 4.0, 1.5), f.lower)


def _mouth_close(f: Face) -> np.ndarray:
    """Brings the lips together again where the jaw is open by the canonical angle.

    Both lips are to meet at a share of the way that the lower one goes down; the move is made in
    the rest pose, so the jaw's rotation, as far as a vertex follows it, is undone.
    """
    angle, joint, share = CANONICAL_JAW, JOINT_PLACES[JAW], 0.5
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    there = (f.p[lip_line(f.body, -1)[0]] - joint)[1:]  # the lower lip's middle
    meet = share * (turn @ there - there)  # in y and z; about what the corners do by themselves
    x = np.abs(f.p[:, 0])
    local = f.p[:, 1:] - joint[1:]
    mixed = np.eye(2) + f.jaw[:, None, None] * (turn - np.eye(2))  # [V, 2, 2]
    rest = np.linalg.solve(mixed, (local + meet)[..., None])[..., 0] - local
    fade = np.where(f.sign > 0, smoothstep(2.5, 0.9, f.red), smoothstep(3.6, 0.9, f.red))
    near = fade * smoothstep(34, 26, x) * f.soft * (f.p[:, 2] > 60)
    near *= np.where(f.body.pieces["bag"], f.body.tag("ring") < 3.5, True)
    return np.concatenate([np.zeros((len(x), 1)), near[:, None] * rest], 1)


def _jaw_forward(f: Face) -> np.ndarray:
    return f.jaw[:, None] * np.array([0, -0.5, 7.0])


def _jaw_left(f: Face) -> np.ndarray:
    return f.jaw[:, None] * np.array([8.0, 0, 0])


def _tongue_out(f: Face) -> np.ndarray:
    on = f.body.pieces["tongue"]
    along = np.clip((f.p[:, 2] - 46) / 49, 0, 1) ** 1.2 * on
    return np.stack([0 * along, 4.0 * along * (1 - 1.6 * along), 34 * along], 1)


SIDED: dict[str, Callable[[Face], np.ndarray]] = {
    "browDown": _brow_down, "browOuterUp": _brow_outer_up, "eyeBlink": _eye_blink,
    "eyeSquint": _eye_squint, "eyeWide": _eye_wide, "cheekSquint": _cheek_squint,
    "noseSneer": _nose_sneer, "mouthSmile": _mouth_smile, "mouthFrown": _mouth_frown,
    "mouthDimple": _mouth_dimple, "mouthStretch": _mouth_stretch, "mouthPress": _mouth_press,
    "mouthUpperUp": _mouth_upper_up, "mouthLowerDown": _mouth_lower_down,
    "mouth": _mouth_left, "jaw": _jaw_left, "browInnerUp": _brow_inner_up, "cheekPuff": _cheek_puff,
}  # fmt: skip
WHOLE: dict[str, Callable[[Face], np.ndarray]] = {
    "mouthPucker": _mouth_pucker, "mouthFunnel": _mouth_funnel, "mouthRollUpper": _mouth_roll_upper,
    "mouthRollLower": _mouth_roll_lower, "mouthShrugUpper": _mouth_shrug_upper,
    "mouthShrugLower": _mouth_shrug_lower, "mouthClose": _mouth_close,
    "jawForward": _jaw_forward, "tongueOut": _tongue_out,
}  # fmt: skip


def expression_basis(body: Body) -> dict[str, np.ndarray]:
    """Name → movement [V, 3] mm at full strength."""
    face = Face(body)
    basis = {}
    for name, field in SIDED.items():
        left = field(face)
        basis[f"{name}Left"] = left
        basis[f"{name}Right"] = left[body.mirror] * (-1, 1, 1)
    for name, field in WHOLE.items():
        basis[name] = field(face)
    return basis
