# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion that was sampled at any times, on whole frames of a scene."""

import numpy as np

from ..rig.rotations import axis_angle_of_matrix, matrix_of_axis_angle

TOLERANCE = 1e-3  # frames, by which clocks may disagree before a value is interpolated


def whole_frames(seconds: np.ndarray, fps: float) -> np.ndarray:
    """The seconds [F] of a scene's whole frames from the first to the last of the times [N]."""
    last = int(np.floor((seconds[-1] - seconds[0]) * fps + TOLERANCE))
    return seconds[0] + np.arange(last + 1) / fps


def at_times(times: np.ndarray, seconds: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values [N, …] at seconds [N], rising, interpolated linearly at times [F]: [F, …]."""
    before, share = _between(times, seconds)
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    after = np.minimum(before + 1, len(seconds) - 1)
    return values[before] * (1 - share) + values[after] * share


def turns_at_times(times: np.ndarray, seconds: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Axis-angle rotations [N, J, 3] at seconds [N], turned evenly between them: [F, J, 3]."""
    before, share = _between(times, seconds)
    after = np.minimum(before + 1, len(seconds) - 1)
    first = matrix_of_axis_angle(turns[before])
    step = np.swapaxes(first, -1, -2) @ matrix_of_axis_angle(turns[after])
    part = axis_angle_of_matrix(step) * share[:, None, None]
    return axis_angle_of_matrix(first @ matrix_of_axis_angle(part))


def _between(times: np.ndarray, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sample [F] before each time, and how far [F] the time is on the way to the next one."""
    before = np.clip(np.searchsorted(seconds, times, side="right") - 1, 0, len(seconds) - 1)
    after = np.minimum(before + 1, len(seconds) - 1)
    gap = np.maximum(seconds[after] - seconds[before], 1e-12)
    share = np.clip((times - seconds[before]) / gap, 0, 1)
    # A clock that is a hair late must not mix two frames that were filmed apart.
    nearest = np.round(share)
    exact = np.abs(share - nearest) < TOLERANCE
    return before, np.where(exact, nearest, share)


def smoothed(values: np.ndarray, frames: float) -> np.ndarray:
    """Channels [F, C] under a Gaussian of so many frames; ends are held, 0 changes nothing."""
    if frames <= 0 or len(values) < 2:
        return values
    reach = max(1, int(np.ceil(3 * frames)))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / frames) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, kernel, "valid") for column in padded.T], 1)
