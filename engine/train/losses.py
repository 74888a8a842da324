# SPDX-License-Identifier: GPL-3.0-or-later
"""The losses of both stages."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..avatar.deformation import Deformed
from ..render.sampling import Samples
from .settings import TrainSettings

ROBUST = 0.03  # below this error the colour loss is quadratic, above it linear


@dataclass(frozen=True)
class Losses:
    """The weighted sum to minimise, and the plain colour error for the curve."""

    total: Tensor
    value: float  # of the sum
    mse: float  # over the rays' colours on their random backgrounds


def losses(
    settings: TrainSettings,
    colour: Tensor,
    alpha: Tensor,
    weights: Tensor,
    target: Tensor,
    background: Tensor,
    samples: Samples,
    deformed: Deformed,
    code_size: Tensor,
    correction_size: Tensor,
    bias_size: Tensor,
    floating: Tensor,
    *,
    stage_two: bool,
) -> Losses:
    """All losses of one step.

    Args:
        settings: weights of the losses.
        colour: [R, 3] premultiplied and
        alpha: [R], as rendered.
        weights: [S] of the samples, detached.
        target: [R, 4] colour as filmed and matte, 0…1.
        background: [R, 3] random.
        samples: S samples.
        deformed: what the deformation said of them.
        code_size: mean square of the codes.
        correction_size: squares of the corrections.
        bias_size: mean squares of the tracker's bias.
        floating: [R] m above the skin, as rendered (`floating_heights`).
        stage_two: whether the partition is soft by now.
    """
    matte = target[:, 3:]
    wanted = target[:, :3] * matte + background * (1 - matte)
    error = colour + background * (1 - alpha[:, None]) - wanted
    total = robust(error) + settings.loss_alpha * (alpha - matte[:, 0]).abs().mean()
    # Offsets are held small everywhere, more where nothing is seen and no colour holds them.
    size = (deformed.offset / settings.model.offset_scale).square().sum(1)
    count = max(len(samples), 1)  # a few rays may all miss
    total = total + settings.loss_offset * (size * (1 + 10 * (weights < 1e-3))).sum() / count
    partition = settings.loss_partition_late if stage_two else settings.loss_partition
    heuristic = samples.surface_part
    cross = -(heuristic * torch.log_softmax(deformed.logits.float(), 1)).sum() / count
    total = total + partition * cross
    total = total + settings.loss_code * code_size + settings.loss_correction * correction_size
    total = total + settings.loss_bias * bias_size
    total = total + settings.loss_float * floating.mean()
    return Losses(total, float(total.detach()), float(error.detach().square().mean()))


def robust(error: Tensor) -> Tensor:
    """Mean over errors [R, 3] of what grows with their square below `ROBUST`, linearly above."""
    return (torch.sqrt(1 + (error / ROBUST) ** 2) - 1).mean() * ROBUST
