# SPDX-License-Identifier: GPL-3.0-or-later
"""What is added to inverse skinning: fine motion in canonical space, by parts or by one net.

S samples, N frames of the batch, P parts, E expressions, K ambient channels. Both deformations have
the same signature, so that everything else is the same for both methods.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..head.model import JOINTS, PARTS, Head
from .config import ModelConfig
from .masks import expression_mask, joint_mask
from .nets import LocalMlps, Mlp, encode_frequencies, encoded_size


@dataclass(frozen=True)
class Condition:
    """What the nets are told about the N frames of a batch."""

    psi: Tensor  # [N, P, E]
    theta: Tensor  # [N, J, 3] rad
    code: Tensor  # [N, code_size]
    appearance: Tensor  # [N, appearance_size]


@dataclass(frozen=True)
class Deformed:
    """What a deformation says of S samples."""

    offset: Tensor  # [S, 3] m, to be added to x_canonical
    ambient: Tensor  # [S, K]
    parts: Tensor  # [S, P] the weights the blend used, rows sum to 1
    logits: Tensor  # [S, P] the assigner's own opinion


class PartAssigner(Mlp):
    """x_canonical → logits over parts: a small net on a low-frequency encoding."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(
            encoded_size(config.assigner_octaves),
            config.assigner_width,
            config.assigner_width,
            len(PARTS),
        )
        self.octaves = config.assigner_octaves

    def forward(self, x: Tensor) -> Tensor:
        """[S, 3] in −1…1 → [S, P]."""
        return super().forward(encode_frequencies(x, self.octaves))


class PartDeformation(nn.Module):
    """P local nets blended softly by the assigner (PartNerFace; LDF eq. 4-7).

    Each part sees the expressions and joints that move it (`config.masked`), the per-frame code
    and the encoded position.
    """

    def __init__(self, config: ModelConfig, head: Head) -> None:
        super().__init__()
        self.config = config
        self.assigner = PartAssigner(config)
        joints = 3 * (len(JOINTS) - 1)
        condition = len(head.expression_names) + joints + config.code_size
        self.nets = LocalMlps(
            len(PARTS),
            encoded_size(config.position_octaves),
            condition,
            config.local_width,
            3 + config.ambient_size,
        )
        expressions, turns = expression_mask(head, config.mask_threshold), joint_mask(head)
        if not config.masked:
            expressions, turns = np.ones_like(expressions), np.ones_like(turns)
        self.register_buffer("expression_mask", torch.from_numpy(expressions).float())  # [P, E]
        self.register_buffer(
            "joint_mask", torch.from_numpy(turns).float().repeat_interleave(3, 1)
        )  # [P, 3 (J-1)]

    def forward(
        self,
        x: Tensor,
        frame_rows: Tensor,
        condition: Condition,
        window: float,
        labels: Tensor | None,
    ) -> Deformed:
        """Offsets and ambient channels at canonical points.

        Args:
            x: [S, 3] in −1…1, canonical space normalised.
            frame_rows: [S, N] one-hot.
            condition: of the N frames.
            window: octaves let through so far.
            labels: [S] hard part labels for stage one; None blends softly.
        """
        logits = self.assigner(x)
        parts = (
            torch.softmax(logits.float(), 1)
            if labels is None
            else nn.functional.one_hot(labels, len(PARTS)).float()
        )
        turns = condition.theta[:, 1:].flatten(1)[:, None] * self.joint_mask  # [N, P, 3 (J-1)]
        code = condition.code[:, None].expand(-1, len(PARTS), -1)
        told = torch.cat([condition.psi * self.expression_mask, turns, code], -1)  # [N, P, ·]
        encoded = encode_frequencies(x, self.config.position_octaves, window)
        local = self.nets(encoded, frame_rows, told)  # [P, S, 3 + K]
        blended = torch.einsum("sp,psc->sc", parts, local.float())
        return Deformed(blended[:, :3] * self.config.offset_scale, blended[:, 3:], parts, logits)


class GlobalDeformation(nn.Module):
    """One net with as many parameters as all local nets together, told everything.

    The assigner is kept for the part map alone; it does not touch the deformation.
    """

    def __init__(self, config: ModelConfig, head: Head) -> None:
        super().__init__()
        self.config = config
        self.assigner = PartAssigner(config)
        told = len(head.expression_names) + 3 * (len(JOINTS) - 1) + config.code_size
        inputs, outputs = encoded_size(config.position_octaves), 3 + config.ambient_size
        width = equal_width(len(PARTS), inputs + told, config.local_width, outputs)
        self.nets = LocalMlps(1, inputs, told, width, outputs)

    def forward(
        self,
        x: Tensor,
        frame_rows: Tensor,
        condition: Condition,
        window: float,
        labels: Tensor | None,
    ) -> Deformed:
        """See `PartDeformation.forward`; `labels` only fill the part map."""
        logits = self.assigner(x)
        parts = (
            torch.softmax(logits.float(), 1)
            if labels is None
            else nn.functional.one_hot(labels, len(PARTS)).float()
        )
        told = torch.cat(
            [condition.psi.mean(1), condition.theta[:, 1:].flatten(1), condition.code], -1
        )[:, None]
        encoded = encode_frequencies(x, self.config.position_octaves, window)
        out = self.nets(encoded, frame_rows, told)[0].float()
        return Deformed(out[:, :3] * self.config.offset_scale, out[:, 3:], parts, logits)


def equal_width(parts: int, inputs: int, width: int, outputs: int) -> int:
    """Hidden units of one three-layer net with the parameters of `parts` nets of `width` units."""
    budget = parts * (inputs * width + width * width + 2 * width + width * outputs)
    linear = inputs + outputs + 2
    return round((-linear + math.sqrt(linear * linear + 4 * budget)) / 2)


DEFORMATIONS = {"partnerface": PartDeformation, "global": GlobalDeformation}
