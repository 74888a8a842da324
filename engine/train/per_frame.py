# SPDX-License-Identifier: GPL-3.0-or-later
"""What training learns for each frame: latent codes, and corrections of the tracked parameters."""

import torch
from torch import Tensor, nn

from ..avatar.config import ModelConfig
from ..avatar.deformation import Condition
from ..avatar.model import Avatar
from ..avatar.tracking import TrackerBias
from ..head.model import JOINTS, PARTS


class PerFrame(nn.Module):
    """Codes and corrections of N training frames.

    Corrections are added to the tracked rotations [N, J, 3] rad, translation [N, 3] m and
    expressions [N, E]; they start at zero and are held small.
    """

    def __init__(
        self,
        config: ModelConfig,
        frames: int,
        expressions: int,
        *,
        codes: bool = True,
        corrections: bool = True,
    ) -> None:
        super().__init__()
        spread = 0.01 if codes else 0.0
        self.code = nn.Parameter(spread * torch.randn(frames, config.code_size), codes)
        self.appearance = nn.Parameter(spread * torch.randn(frames, config.appearance_size), codes)
        self.corrections = nn.ParameterDict(
            {
                "psi": nn.Parameter(torch.zeros(frames, expressions)),
                "theta": nn.Parameter(torch.zeros(frames, len(JOINTS), 3)),
                "translation": nn.Parameter(torch.zeros(frames, 3)),
            }
            if corrections
            else {}
        )

    def corrected(
        self, chosen: Tensor, psi: Tensor, theta: Tensor, translation: Tensor, kept: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The parameters of the chosen rows [n] with their corrections, where `kept` [n] is one.

        The corrections' mean over all frames is taken off: the avatar itself must learn what all
        frames share, or frames without corrections would not fit it.
        """
        if not self.corrections:
            return psi, theta, translation
        own = {name: value[chosen] - value.mean(0) for name, value in self.corrections.items()}
        return (
            psi + kept[:, None] * own["psi"],
            theta + kept[:, None, None] * own["theta"],
            translation + kept[:, None] * own["translation"],
        )

    def condition(
        self,
        bias: TrackerBias,
        chosen: Tensor,
        psi: Tensor,
        theta: Tensor,
        translation: Tensor,
        kept: Tensor | None = None,
    ) -> Condition:
        """The nets' condition of the chosen rows [n].

        Codes are what the pose foretells (`bias`) and what the frame has of its own; the frame's
        own share counts where `kept` [n] is one (all of it when None).
        """
        features = bias.features(theta, translation)
        own = 1.0 if kept is None else kept[:, None]
        return Condition(
            psi=psi[:, None].expand(-1, len(PARTS), -1),
            theta=theta,
            code=features @ bias.code + own * self.code[chosen],
            appearance=features @ bias.appearance + own * self.appearance[chosen],
        )

    @torch.no_grad()
    def leave_means(self, avatar: Avatar) -> None:
        """The avatar's keyed frames have the mean of these codes, and what their pose foretells."""
        avatar.mean_code.copy_(self.code.mean(0))
        avatar.mean_appearance.copy_(self.appearance.mean(0))

    def size(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Mean square of the chosen codes, and squares of the corrections per frame."""
        codes = (self.code[chosen] ** 2).mean() + (self.appearance[chosen] ** 2).mean()
        squares = [
            (value[chosen] ** 2).flatten(1).sum(1).mean() for value in self.corrections.values()
        ]
        return codes, torch.stack(squares).sum() if squares else codes.new_zeros(())
