# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tracker gets wrong in the same way each time: errors that follow the head's own pose.

A head tracked in one clip is a little off, and off in the same way whenever it is turned the same
way: depth is mistaken for size, a nod for a shift. Codes and corrections learned frame by frame
absorb this, and are missing in frames that were not trained on. Here the part that the head's
rotation and place foretell is learned once, as a linear map, and holds for every pose.
"""

import torch
from torch import Tensor, nn

from .config import ModelConfig

FEATURES = 9  # rotation and translation, two squares and a product
TURN = 0.001  # rad, unit of the rotations' bias: small, or in long trainings it wanders off …
SHIFT = 0.0003  # m, unit of the translations' bias … where nets can undo what it does
FLAT = 1e-3  # rad or m, deviations below which a parameter counts as still


class TrackerBias(nn.Module):
    """Pose → what is to be added to rotation, translation and codes; zero at the start."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.code = nn.Parameter(torch.zeros(FEATURES, config.code_size))
        self.appearance = nn.Parameter(torch.zeros(FEATURES, config.appearance_size))
        self.pose = nn.Parameter(torch.zeros(FEATURES, 6))
        self.register_buffer("middle", torch.zeros(6))
        self.register_buffer("spread", torch.ones(6))
        self.register_buffer("low", torch.zeros(6))
        self.register_buffer("high", torch.zeros(6))

    def observe(self, theta: Tensor, translation: Tensor) -> None:
        """Take the range of the training frames' poses, theta [N, J, 3] and translation [N, 3].

        Poses outside the range are held at its border.
        """
        pose = torch.cat([theta[:, 0], translation], 1)
        self.middle.copy_(pose.mean(0))
        self.spread.copy_(pose.std(0, correction=0).clamp_min(FLAT))
        self.low.copy_(pose.amin(0))
        self.high.copy_(pose.amax(0))

    def features(self, theta: Tensor, translation: Tensor) -> Tensor:
        """[N, FEATURES] of root rotations in theta [N, J, 3] rad and translations [N, 3] m."""
        pose = torch.cat([theta[:, 0], translation], 1).detach()
        x = (pose.clamp(self.low, self.high) - self.middle) / self.spread  # [N, 6]
        bent = torch.stack([x[:, 0] ** 2 - 1, x[:, 1] ** 2 - 1, x[:, 0] * x[:, 1]], 1)
        return torch.cat([x, bent], 1)

    def size(self) -> Tensor:
        """Mean squares of the map's three parts, added up, for its loss."""
        return sum((value**2).mean() for value in self.parameters())

    def corrected(
        self, features: Tensor, theta: Tensor, translation: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tracked theta [N, J, 3] rad and translation [N, 3] m with the bias made good.

        Args:
            features: [N, FEATURES], see `features`.
            theta: [N, J, 3] rad; the root's rotation changes.
            translation: [N, 3] m.
        """
        bias = features @ self.pose
        root = theta[:, :1] + TURN * bias[:, None, :3]
        return torch.cat([root, theta[:, 1:]], 1), translation + SHIFT * bias[:, 3:]
