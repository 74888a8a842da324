# SPDX-License-Identifier: GPL-3.0-or-later
"""Volume rendering along rays: flat samples in, one value per ray out (Max 1995; NeRF eq. 3)."""

import torch
import warp as wp
from torch import Tensor


@wp.kernel
def _composite(
    optical: wp.array(dtype=wp.float32),
    values: wp.array2d(dtype=wp.float32),
    start: wp.array(dtype=wp.int32),
    count: wp.array(dtype=wp.int32),
    weights: wp.array(dtype=wp.float32),
    total: wp.array2d(dtype=wp.float32),
    alpha: wp.array(dtype=wp.float32),
):
    r = wp.tid()
    left = wp.float32(1.0)  # transmittance
    for k in range(count[r]):
        s = start[r] + k
        through = wp.exp(-optical[s])
        w = left * (1.0 - through)
        weights[s] = w
        for c in range(values.shape[1]):
            total[r, c] = total[r, c] + w * values[s, c]
        left = left * through
    alpha[r] = 1.0 - left


@wp.kernel
def _composite_backward(
    optical: wp.array(dtype=wp.float32),
    values: wp.array2d(dtype=wp.float32),
    start: wp.array(dtype=wp.int32),
    count: wp.array(dtype=wp.int32),
    weights: wp.array(dtype=wp.float32),
    alpha: wp.array(dtype=wp.float32),
    total_gradient: wp.array2d(dtype=wp.float32),
    alpha_gradient: wp.array(dtype=wp.float32),
    optical_gradient: wp.array(dtype=wp.float32),
    values_gradient: wp.array2d(dtype=wp.float32),
):
    # d total / d optical_s = T_{s+1} v_s − sum_{k>s} w_k v_k;  d alpha / d optical_s = T_end.
    r = wp.tid()
    end = 1.0 - alpha[r]
    behind = wp.float32(0.0)  # sum over samples behind of w_k <v_k, g>
    left = end  # transmittance just behind sample s
    for back in range(count[r]):
        s = start[r] + count[r] - 1 - back
        along = wp.float32(0.0)
        for c in range(values.shape[1]):
            g = total_gradient[r, c]
            values_gradient[s, c] = weights[s] * g
            along += values[s, c] * g
        optical_gradient[s] = left * along - behind + end * alpha_gradient[r]
        behind += weights[s] * along
        left = left + weights[s]


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx, optical, values, start, count):
        optical, values = optical.detach().contiguous(), values.detach().contiguous()
        weights = torch.zeros_like(optical)
        total = torch.zeros(len(start), values.shape[1], device=values.device)
        alpha = torch.zeros(len(start), device=values.device)
        wp.launch(
            _composite,
            dim=len(start),
            inputs=[wp.from_torch(array) for array in (optical, values, start, count)],
            outputs=[wp.from_torch(array) for array in (weights, total, alpha)],
            device=wp.device_from_torch(values.device),
        )
        ctx.save_for_backward(optical, values, start, count, weights, alpha)
        ctx.mark_non_differentiable(weights)
        return total, alpha, weights

    @staticmethod
    def backward(ctx, total_gradient, alpha_gradient, _weights_gradient):
        optical, values, start, count, weights, alpha = ctx.saved_tensors
        optical_gradient, values_gradient = torch.zeros_like(optical), torch.zeros_like(values)
        inputs = (optical, values, start, count, weights, alpha,
                  total_gradient.contiguous(), alpha_gradient.contiguous())  # fmt: skip
        wp.launch(
            _composite_backward,
            dim=len(start),
            inputs=[wp.from_torch(array.detach()) for array in inputs],
            outputs=[wp.from_torch(array) for array in (optical_gradient, values_gradient)],
            device=wp.device_from_torch(values.device),
        )
        return optical_gradient, values_gradient, None, None


def composite(
    optical: Tensor, values: Tensor, ray_start: Tensor, ray_count: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Alpha-composite samples front to back.

    Differentiable with respect to `optical` and `values`.

    Args:
        optical: [S] optical depth of each sample, sigma · step, ≥ 0.
        values: [S, C] float32.
        ray_start: [R] int32, first sample of each ray.
        ray_count: [R] int32.

    Returns:
        total [R, C] = sum w v (premultiplied), alpha [R] = sum w, and the weights w [S] (not
        differentiable).
    """
    return _Composite.apply(optical, values, ray_start, ray_count)
