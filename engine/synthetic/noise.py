# SPDX-License-Identifier: GPL-3.0-or-later
"""Smooth periodic noise in space, with its gradient: the grain of every procedural texture."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

CELLS_PER_WAVE = 5.0
TURN = np.array([[0.36, 0.48, -0.80], [-0.80, 0.60, 0.0], [0.48, 0.64, 0.60]])  # off the axes


class Noise:
    """A noise volume of one seed; every octave looks it up at another scale and place.

    Args:
        seed: another seed, another pattern.
        cells: edge of the periodic volume, voxels.
    """

    def __init__(self, seed: int, cells: int = 64) -> None:
        random = np.random.default_rng((seed, 71))
        volume = gaussian_filter(random.standard_normal((cells,) * 3), 1.0, mode="wrap")
        volume /= volume.std()
        slopes = np.stack([(np.roll(volume, -1, k) - np.roll(volume, 1, k)) / 2 for k in range(3)])
        both = np.pad(
            np.concatenate([volume[None], slopes]), ((0, 0), (0, 1), (0, 1), (0, 1)), mode="wrap"
        )
        self._volume = torch.from_numpy(both.astype(np.float32))[None]  # [1, 4, n+1, n+1, n+1]
        self._cells = cells

    def value(self, points: np.ndarray, wavelength: float, place: int = 0) -> np.ndarray:
        """Noise [S] float32 of mean 0 and deviation 1 at points [S, 3] (m, any space)."""
        return self._look_up(points, wavelength, place, 1)[0]

    def slope(
        self, points: np.ndarray, wavelength: float, place: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Noise [S] and its gradient [S, 3] (1/m)."""
        found = self._look_up(points, wavelength, place, 4)
        gradient = found[1:].T @ TURN.astype(np.float32) * (CELLS_PER_WAVE / wavelength)
        return found[0], gradient

    def _look_up(
        self, points: np.ndarray, wavelength: float, place: int, channels: int
    ) -> np.ndarray:
        turn = (TURN.T * (CELLS_PER_WAVE / wavelength)).astype(np.float32)
        at = np.asarray(points, np.float32) @ turn + np.float32(17.3 * (place + 1))  # [S, 3] voxels
        at = np.remainder(at, self._cells) * np.float32(2 / self._cells) - 1
        grid = torch.from_numpy(np.ascontiguousarray(at[:, ::-1]))[
            None, :, None, None
        ]  # last axis first
        found = torch.nn.functional.grid_sample(
            self._volume[:, :channels],
            grid,
            mode="bilinear",
            padding_mode="border",
            align_corners=True,
        )
        return found[0, :, :, 0, 0].numpy()
