# SPDX-License-Identifier: GPL-3.0-or-later
"""The small building blocks of the nets."""

import itertools
import math

import torch
from torch import Tensor, nn

from ..devices import net_dtype

SMALLEST_BLOCK = 256  # rows
BLOCKS = 32  # per doubling of the number of rows


def in_blocks(x: Tensor) -> Tensor:
    """[S, C] with rows of zeros added, so that numbers of rows recur from call to call.

    On a CPU oneDNN prepares every new shape of a bfloat16 product anew, which takes ten times as
    long as the product itself; thirty-two sizes per doubling cost three per cent of extra rows.
    Products in float32, and those of a GPU, are left as they are.
    """
    if x.device.type != "cpu" or net_dtype(x.device) == torch.float32:
        return x
    rows = len(x)
    block = max((1 << rows.bit_length()) // 2 // BLOCKS, SMALLEST_BLOCK)
    missing = -rows % block
    return nn.functional.pad(x, (0, 0, 0, missing)) if missing else x


def encode_frequencies(x: Tensor, octaves: int, window: float = math.inf) -> Tensor:
    """Position encoding with coarse-to-fine annealing (NeRF eq. 4; Nerfies eq. 8).

    Args:
        x: [S, 3] in about −1…1.
        octaves: frequencies π 2^0 … π 2^(octaves−1).
        window: how many octaves are let through so far; the next one fades in.

    Returns:
        [S, 3 + 6 octaves].
    """
    frequency = math.pi * 2.0 ** torch.arange(octaves, device=x.device)  # [O]
    angle = (x[:, None] * frequency[:, None]).flatten(1)  # [S, 3 O]
    if window >= octaves:
        return torch.cat([x, torch.sin(angle), torch.cos(angle)], 1)
    progress = (window - torch.arange(octaves, device=x.device)).clamp(0, 1)
    gain = (1 - torch.cos(math.pi * progress)) / 2  # [O]
    gain = gain.repeat_interleave(3)
    return torch.cat([x, gain * torch.sin(angle), gain * torch.cos(angle)], 1)


def encoded_size(octaves: int) -> int:
    """The width of `encode_frequencies`' result."""
    return 3 + 6 * octaves


class Mlp(nn.Sequential):
    """Linear layers with ReLU between them."""

    def __init__(self, *sizes: int) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True)]
        super().__init__(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """[S, inputs] → [S, outputs]."""
        return super().forward(in_blocks(x))[: len(x)]


class LocalMlps(nn.Module):
    """P nets of three layers, each evaluated on its own rows alone.

    The input is a piece that differs from sample to sample and a condition that is constant within
    a frame; the condition's share of the first layer is computed once per frame and reaches the
    samples through their one-hot frame rows, in the same product.

    Args:
        parts: P.
        inputs: width of the samples' own input.
        condition: width of the per-frame condition.
        width: hidden units.
        outputs: C.
    """

    def __init__(self, parts: int, inputs: int, condition: int, width: int, outputs: int) -> None:
        super().__init__()

        def weight(rows: int, columns: int, fan_in: int) -> nn.Parameter:
            return nn.Parameter((torch.rand(parts, rows, columns) * 2 - 1) * math.sqrt(6 / fan_in))

        self.first = weight(inputs, width, inputs + condition)
        self.first_condition = weight(condition, width, inputs + condition)
        self.first_bias = nn.Parameter(torch.zeros(parts, 1, width))
        self.second = weight(width, width, width)
        self.second_bias = nn.Parameter(torch.zeros(parts, 1, width))
        self.last = nn.Parameter(torch.randn(parts, width, outputs) * 1e-2)

    def forward(self, x: Tensor, counts: list[int], condition: Tensor) -> Tensor:
        """Evaluate each net on its group of rows.

        Args:
            x: [M, inputs + N], grouped by net; the last N columns are one-hot frame rows.
            counts: [P] rows of each net, adding up to M.
            condition: [N, P, condition].

        Returns:
            [M, C].
        """
        per_frame = torch.einsum("npc,pcw->pnw", condition, self.first_condition) + self.first_bias
        widest = torch.cat([self.first, per_frame], 1)  # [P, inputs + N, W]
        dtype, results = net_dtype(x.device), []  # all nets' weights are converted at once
        weights = (widest, self.second, self.second_bias, self.last)
        of_nets = zip(*(weight.to(dtype).unbind(0) for weight in weights), strict=True)
        for rows, (first, second, bias, last) in zip(
            x.to(dtype).split(counts), of_nets, strict=True
        ):
            if len(rows):
                hidden = (in_blocks(rows) @ first).relu_()  # [M_p, W]
                hidden = torch.addmm(bias, hidden, second).relu_()
                results.append((hidden @ last)[: len(rows)])
        return torch.cat(results) if results else x.new_zeros(0, self.last.shape[2])
