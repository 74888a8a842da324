# SPDX-License-Identifier: GPL-3.0-or-later
"""Where training starts: a field whose density is the head model's.

An untrained field is fog, and fog takes most of a short training to settle into a surface. Fitting
the density to the canonical head first takes seconds and leaves everything free to move: hair
grows out of a thin haze, and the skin is where the tracker saw it (Local Deformation Fields hold
the density to the mesh by a loss during training instead, §3.5).
"""

import math

import numpy as np
import torch

from ..adam import Adam
from ..avatar.model import Avatar
from ..head.skinning import canonical_vertices
from ..kernels.nearest import signed_distance

SOLID = math.log(600.0)  # log of 1/m, 2 mm under the skin and deeper
HAZE = math.log(4.0)  # 4 mm above it and farther out
INSIDE, OUTSIDE = -0.002, 0.004  # m
POINTS = 1 << 17
BATCH = 1 << 13
STEPS = 96
NEAR = 0.006  # m, spread of the points around the skin
SMALLEST = 1e-6


def start_from_head(avatar: Avatar, random: np.random.Generator) -> None:
    """Fit the field's density to the canonical head: solid under the skin, thin haze above."""
    points = _points(avatar, random)
    skin = avatar.skin
    distance, _ = signed_distance(canonical_vertices(skin), skin.faces, points, avatar.size)
    ramp = ((distance - INSIDE) / (OUTSIDE - INSIDE)).clamp(0, 1)
    wanted = SOLID + (HAZE - SOLID) * ramp  # [K]
    unit = avatar.unit(points)
    field = avatar.field
    optimiser = Adam(
        [{"params": [field.table], "lr": 1e-2}, {"params": field.density.parameters(), "lr": 3e-3}],
        betas=(0.9, 0.99), eps=1e-15, fused=True,
    )  # fmt: skip
    for _ in range(STEPS):
        chosen = torch.from_numpy(random.integers(len(points), size=BATCH)).to(avatar.device)
        found = torch.log(field.sigma(unit[chosen]).clamp_min(SMALLEST))
        loss = (found - wanted[chosen]).abs().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()


def _points(avatar: Avatar, random: np.random.Generator) -> torch.Tensor:
    """[K, 3] m: half of them all over the cube, half around the vertices of skin and mouth."""
    anywhere = random.random((POINTS // 2, 3), np.float32) * avatar.size
    skin = canonical_vertices(avatar.skin).cpu().numpy()
    around = skin[random.integers(len(skin), size=POINTS // 2)]
    around = around + NEAR * random.standard_normal(around.shape, np.float32)
    points = np.concatenate([anywhere + avatar.low.cpu().numpy(), around]).astype(np.float32)
    return torch.from_numpy(points).to(avatar.device)
