# SPDX-License-Identifier: GPL-3.0-or-later
"""The head as it is posed in one frame of a motion."""

import numpy as np
import torch

from ..head.motion import Motion
from ..head.skinning import HeadTensors, posed_vertices


def posed_frame(tensors: HeadTensors, motion: Motion, index: int) -> np.ndarray:
    """The head's vertices [V, 3] m in frame `index`, world space."""
    one = motion[[index]]
    arrays = (torch.as_tensor(array, device=tensors.vertices.device)
              for array in (one.psi, one.theta, one.translation))  # fmt: skip
    with torch.no_grad():
        return posed_vertices(tensors, *arrays)[0].cpu().numpy()
