# SPDX-License-Identifier: GPL-3.0-or-later
"""The head's parameters over time."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Motion:
    """N frames of parameters of one head."""

    psi: (
        np.ndarray
    )  # [N, E] float32, expression coefficients, 0 = neutral, 1 = full for ARKit shapes
    theta: np.ndarray  # [N, J, 3] float32 rad, axis-angle, order of `model.JOINTS`
    translation: np.ndarray  # [N, 3] float32 m, world space, of the whole head after all rotations

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.psi)

    def __getitem__(self, index: object) -> "Motion":
        """The frames selected by a slice or an index array."""
        return Motion(self.psi[index], self.theta[index], self.translation[index])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays as a file holds them."""
        return {
            "motion.psi": self.psi,
            "motion.theta": self.theta,
            "motion.translation": self.translation,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Motion":
        """Undo `to_arrays`; KeyError where one is missing."""
        return cls(arrays["motion.psi"], arrays["motion.theta"], arrays["motion.translation"])
