# SPDX-License-Identifier: GPL-3.0-or-later
"""One head's motion on another, from a neutral frame of each.

psi         target's neutral + gain · (source − source's neutral)
rotations   target's neutral ∘ (source's neutral⁻¹ ∘ source)^gain: a nod stays a nod
translation target's neutral + gain · (source − source's neutral), as the neutral head sees it
"""

from dataclasses import dataclass, replace

import numpy as np

from ..rig.rotations import axis_angle_of_matrix, matrix_of_axis_angle

ROOT, NECK, JAW, EYE_LEFT, EYE_RIGHT = range(5)  # the engine's joints


@dataclass(frozen=True)
class Posed:
    """N frames of parameters, or one neutral frame of them (without the first dimension)."""

    psi: np.ndarray  # [N, E]
    theta: np.ndarray  # [N, J, 3] rad, axis-angle, head space
    translation: np.ndarray  # [N, 3] m, head space

    def __getitem__(self, index: int) -> "Posed":
        """One frame."""
        return Posed(self.psi[index], self.theta[index], self.translation[index])


def calmest_frame(motion: Posed) -> int:
    """The frame whose expression is nearest to none, the jaw's turn counted as an expression."""
    return int(((motion.psi**2).sum(1) + (4 * motion.theta[:, JAW] ** 2).sum(1)).argmin())


def relative_motion(source: Posed, source_neutral: Posed, target_neutral: Posed) -> Posed:
    """The source's motion from its neutral frame on, done by the target from its own."""
    back = np.swapaxes(matrix_of_axis_angle(source_neutral.theta), -1, -2)  # [J, 3, 3]
    begin = matrix_of_axis_angle(target_neutral.theta)
    theta = axis_angle_of_matrix(begin @ back @ matrix_of_axis_angle(source.theta))
    target_from_source = begin[ROOT] @ back[ROOT]
    moved = (source.translation - source_neutral.translation) @ target_from_source.T
    return Posed(
        target_neutral.psi + source.psi - source_neutral.psi,
        theta,
        target_neutral.translation + moved,
    )


def gained(motion: Posed, neutral: Posed, expression: float, pose: float) -> Posed:
    """The motion's way from a neutral frame, so many times as far.

    Args:
        motion: N frames.
        neutral: what stays where it is.
        expression: gain of the coefficients and of the jaw.
        pose: gain of head, eyes and translation.
    """
    begin = matrix_of_axis_angle(neutral.theta)
    step = axis_angle_of_matrix(np.swapaxes(begin, -1, -2) @ matrix_of_axis_angle(motion.theta))
    gains = np.full(motion.theta.shape[-2], pose)
    gains[JAW] = expression
    theta = axis_angle_of_matrix(begin @ matrix_of_axis_angle(step * gains[:, None]))
    return replace(
        motion,
        psi=neutral.psi + expression * (motion.psi - neutral.psi),
        theta=theta,
        translation=neutral.translation + pose * (motion.translation - neutral.translation),
    )
