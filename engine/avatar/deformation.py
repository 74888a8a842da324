# SPDX-License-Identifier: GPL-3.0-or-later
"""What is added to inverse skinning: fine motion in canonical space, by parts, one net or none.

S samples, N frames of the batch, P parts, E expressions, K ambient channels. All deformations have
the same signature, so that everything else is the same for all methods.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..head.model import JOINTS, Head
from .config import ModelConfig
from .masks import expression_mask, joint_mask
from .nets import LocalMlps, Mlp, encode_frequencies, encoded_size
from .partition import Partition

FAINT = 1e-3  # weight below which a net is not asked


@dataclass(frozen=True)
class Condition:
    """What the nets are told about the N frames of a batch."""

    psi: Tensor  # [N, H, E], of the head model's own parts
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
            config.parts,
        )
        self.octaves = config.assigner_octaves

    def forward(self, x: Tensor) -> Tensor:
        """[S, 3] in −1…1 → [S, P]."""
        return super().forward(encode_frequencies(x, self.octaves))


class Deformation(nn.Module):
    """What all deformations share: the part assigner, and what its opinion is as weights."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.assigner = PartAssigner(config)

    def weights(self, logits: Tensor, labels: Tensor | None) -> Tensor:
        """[S, P] part weights: one-hot labels [S] where given, else by the assigner's logits."""
        if labels is None and self.config.blend == "hard":
            labels = logits.argmax(1)
        if labels is None:
            return torch.softmax(logits.float(), 1)
        return nn.functional.one_hot(labels, self.config.parts).float()


class PartDeformation(Deformation):
    """P local nets blended softly by the assigner (PartNerFace; LDF eq. 4-7).

    Each part sees the expressions and joints that move it, so that hair does not move when an
    artist keys a smile, the frame's code and the encoded position; of other expressions as much as
    `config.mask_leak` says. Only the two nets of the largest weights are asked at a sample.
    """

    def __init__(self, config: ModelConfig, head: Head, partition: Partition) -> None:
        super().__init__(config)
        joints = 3 * (len(JOINTS) - 1)
        condition = len(head.expression_names) + joints + config.code_size
        self.nets = LocalMlps(
            config.parts,
            encoded_size(config.position_octaves),
            condition,
            config.local_width,
            3 + config.ambient_size,
        )
        expressions = expression_mask(head, partition, config.mask_threshold)
        turns = joint_mask(head, partition)
        own = np.concatenate([expressions, turns.repeat(3, 1)], 1)  # [P, E + 3 (J-1)]
        mask = np.where(own, 1, config.mask_leak)
        self.register_buffer("mask", torch.from_numpy(mask).float())
        self.register_buffer("share", torch.from_numpy(partition.share), persistent=False)  # [P, H]

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
        parts = self.weights(logits, labels)
        told = self.told(condition)
        encoded = encode_frequencies(x, self.config.position_octaves, window)
        pairs = two_largest(parts)
        rows = torch.cat([encoded, frame_rows], 1).index_select(0, pairs.sample)
        local = self.nets(rows, pairs.counts, told).float() * pairs.weight[:, None]  # [M, 3 + K]
        blended = local.new_zeros(len(x), local.shape[1]).index_add(0, pairs.sample, local)
        return Deformed(blended[:, :3] * self.config.offset_scale, blended[:, 3:], parts, logits)

    def told(self, condition: Condition) -> Tensor:
        """What each net is told of each frame: [N, P, E + 3 (J-1) + code_size]."""
        psi = self.share @ condition.psi  # [N, P, E]
        turns, code = (
            value[:, None].expand(-1, self.config.parts, -1)
            for value in (condition.theta[:, 1:].flatten(1), condition.code)
        )
        seen = torch.cat([psi, turns], -1) * self.mask
        return torch.cat([seen, code], -1)


class GlobalDeformation(Deformation):
    """One net with as many parameters as all local nets together, told everything.

    The assigner is kept for the part map alone; it does not touch the deformation.
    """

    def __init__(self, config: ModelConfig, head: Head, partition: Partition) -> None:
        super().__init__(config)
        told = len(head.expression_names) + 3 * (len(JOINTS) - 1) + config.code_size
        inputs, outputs = encoded_size(config.position_octaves), 3 + config.ambient_size
        width = equal_width(config.parts, inputs + told, config.local_width, outputs)
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
        told = torch.cat(
            [condition.psi.mean(1), condition.theta[:, 1:].flatten(1), condition.code], -1
        )[:, None]
        encoded = encode_frequencies(x, self.config.position_octaves, window)
        out = self.nets(torch.cat([encoded, frame_rows], 1), [len(x)], told).float()
        parts = self.weights(logits, labels)
        return Deformed(out[:, :3] * self.config.offset_scale, out[:, 3:], parts, logits)


class NoDeformation(Deformation):
    """Inverse skinning alone (an ablation); the assigner fills the part map."""

    def __init__(self, config: ModelConfig, head: Head, partition: Partition) -> None:
        super().__init__(config)

    def forward(
        self,
        x: Tensor,
        frame_rows: Tensor,
        condition: Condition,
        window: float,
        labels: Tensor | None,
    ) -> Deformed:
        """See `PartDeformation.forward`; offsets and ambient channels are zero."""
        logits = self.assigner(x)
        nothing = x.new_zeros(len(x), 3 + self.config.ambient_size)
        return Deformed(nothing[:, :3], nothing[:, 3:], self.weights(logits, labels), logits)


@dataclass(frozen=True)
class Pairs:
    """Which nets are asked at which samples, and how much each counts: M pairs, grouped by net."""

    sample: Tensor  # [M] int64
    weight: Tensor  # [M]
    counts: list[int]  # [P] pairs of each net


def two_largest(parts: Tensor) -> Pairs:
    """The pairs of the two largest weights of every sample.

    The third largest is taken off both before they are made to sum to one, so that nothing jumps
    where the second and the third change places.

    Args:
        parts: [S, P] weights, rows sum to 1.
    """
    largest, index = parts.topk(min(3, parts.shape[1]), 1)
    if parts.shape[1] > 2:
        largest = largest[:, :2] - largest[:, 2:]
    weight = (largest / largest.sum(1, keepdim=True).clamp_min(1e-9)).flatten()
    some = (weight.detach() > FAINT).nonzero()[:, 0]
    asked = largest.shape[1]
    part = index[:, :asked].flatten()[some]
    pair = some[order_of(part)]
    counts = torch.bincount(part, minlength=parts.shape[1]).tolist()
    return Pairs(pair // asked, weight[pair], counts)


def order_of(part: Tensor) -> Tensor:
    """Stable argsort [M] int64 of parts [M]."""
    if part.device.type != "cpu":
        return part.argsort(stable=True)
    # numpy's radix sort of small integers takes a third of the time of torch's sort
    return torch.from_numpy(part.to(torch.int16).numpy().argsort(kind="stable"))


def equal_width(parts: int, inputs: int, width: int, outputs: int) -> int:
    """Hidden units of one three-layer net with the parameters of `parts` nets of `width` units."""
    budget = parts * (inputs * width + width * width + 2 * width + width * outputs)
    linear = inputs + outputs + 2
    return round((-linear + math.sqrt(linear * linear + 4 * budget)) / 2)


DEFORMATIONS = {
    "partnerface": PartDeformation,
    "global": GlobalDeformation,
    "none": NoDeformation,
}
