# SPDX-License-Identifier: GPL-3.0-or-later
"""Posed points back to the canonical pose: inverse linear blend skinning through surface points.

x_canonical = T_c (T_p⁻¹ x_posed − B_p + B_c), with T the joint transforms blended by the skinning
weights of the nearest surface point and B the blendshape offsets there (design §5.2; IMavatar
eq. 2-4 run backwards). Differentiable with respect to x, the joint transforms and the offsets;
face ids and barycentrics are constants.
"""

import torch
import warp as wp
from torch import Tensor

from .threads import each_slice


@wp.func
def _weight(weights: wp.array2d(dtype=wp.float32), corner: wp.vec3i, b: wp.vec3, j: wp.int32):
    """Joint j's skinning weight at barycentrics b of a triangle."""
    w = wp.vec3(weights[corner[0], j], weights[corner[1], j], weights[corner[2], j])
    return wp.dot(b, w)


@wp.func
def unpose_point(
    x: wp.vec3,
    n: wp.int32,
    corner: wp.vec3i,
    b: wp.vec3,
    weights: wp.array2d(dtype=wp.float32),
    transforms: wp.array3d(dtype=wp.vec4),
    canonical: wp.array2d(dtype=wp.vec4),
    offsets: wp.array2d(dtype=wp.vec3),
):
    """x_canonical and canonical_from_posed of a point nearest to barycentrics b of a triangle."""
    linear = wp.mat33(0.0)
    repose = wp.mat33(0.0)
    shift = wp.vec3(0.0)
    repose_shift = wp.vec3(0.0)
    for j in range(weights.shape[1]):
        w = _weight(weights, corner, b, j)
        for a in range(3):
            posed = transforms[n, j, a]
            rest = canonical[j, a]
            shift[a] += w * posed[3]
            repose_shift[a] += w * rest[3]
            for c in range(3):
                linear[a, c] += w * posed[c]
                repose[a, c] += w * rest[c]
    inverse = wp.inverse(linear)
    offset = wp.vec3(0.0)
    for k in range(3):
        offset += b[k] * offsets[n, corner[k]]
    return repose @ (inverse @ (x - shift) - offset) + repose_shift, repose @ inverse


@wp.kernel
def _inverse_skin(
    x: wp.array(dtype=wp.vec3),
    frame: wp.array(dtype=wp.int32),
    face: wp.array(dtype=wp.int32),
    bary: wp.array(dtype=wp.vec3),
    faces: wp.array2d(dtype=wp.int32),
    weights: wp.array2d(dtype=wp.float32),
    transforms: wp.array3d(dtype=wp.vec4),
    canonical: wp.array2d(dtype=wp.vec4),
    offsets: wp.array2d(dtype=wp.vec3),
    x_canonical: wp.array(dtype=wp.vec3),
    turn: wp.array(dtype=wp.mat33),
):
    i = wp.tid()
    f = face[i]
    corner = wp.vec3i(faces[f, 0], faces[f, 1], faces[f, 2])
    landed, turned = unpose_point(
        x[i], frame[i], corner, bary[i], weights, transforms, canonical, offsets
    )
    x_canonical[i] = landed
    turn[i] = turned


@wp.kernel
def _inverse_skin_backward(
    x: wp.array(dtype=wp.vec3),
    frame: wp.array(dtype=wp.int32),
    face: wp.array(dtype=wp.int32),
    bary: wp.array(dtype=wp.vec3),
    faces: wp.array2d(dtype=wp.int32),
    weights: wp.array2d(dtype=wp.float32),
    transforms: wp.array3d(dtype=wp.vec4),
    canonical: wp.array2d(dtype=wp.vec4),
    gradient: wp.array(dtype=wp.vec3),
    x_gradient: wp.array(dtype=wp.vec3),
    transforms_gradient: wp.array3d(dtype=wp.vec4),
    offsets_gradient: wp.array2d(dtype=wp.vec3),
):
    # With A, s the blended linear part and shift, y = A⁻¹ (x − s), g = repose' dL/dx_canonical and
    # h = A⁻' g:  dL/dx = h,  dL/doffset = −g,  dL/d[A s] = −h [y 1]'.
    i = wp.tid()
    n = frame[i]
    b = bary[i]
    corner = wp.vec3i(faces[face[i], 0], faces[face[i], 1], faces[face[i], 2])
    linear = wp.mat33(0.0)
    repose = wp.mat33(0.0)
    shift = wp.vec3(0.0)
    for j in range(weights.shape[1]):
        w = _weight(weights, corner, b, j)
        for a in range(3):
            posed = transforms[n, j, a]
            rest = canonical[j, a]
            shift[a] += w * posed[3]
            for c in range(3):
                linear[a, c] += w * posed[c]
                repose[a, c] += w * rest[c]
    inverse = wp.inverse(linear)
    y = inverse @ (x[i] - shift)
    g = wp.transpose(repose) @ gradient[i]
    h = wp.transpose(inverse) @ g
    x_gradient[i] = h
    for k in range(3):
        wp.atomic_add(offsets_gradient, n, corner[k], -b[k] * g)
    for j in range(weights.shape[1]):
        w = _weight(weights, corner, b, j)
        for a in range(3):
            wp.atomic_add(transforms_gradient, n, j, a, -w * h[a] * wp.vec4(y[0], y[1], y[2], 1.0))


_KINDS = (wp.vec3, None, None, wp.vec3, None, None, wp.vec4, wp.vec4)


class _InverseSkin(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, frame, face, bary, faces, weights, transforms, canonical, offsets):
        arguments = [
            a.detach().contiguous()
            for a in (x, frame, face, bary, faces, weights, transforms, canonical)
        ]
        x_canonical = torch.empty_like(arguments[0])
        turn = torch.empty(len(x), 3, 3, device=x.device)
        offsets = offsets.detach().contiguous()
        samples, shared = arguments[:4], arguments[4:]

        def run(part: slice) -> None:
            wp.launch(
                _inverse_skin,
                dim=part.stop - part.start,
                inputs=[
                    *(
                        wp.from_torch(a[part], dtype=kind)
                        for a, kind in zip(samples, _KINDS[:4], strict=True)
                    ),
                    *(
                        wp.from_torch(a, dtype=kind)
                        for a, kind in zip(shared, _KINDS[4:], strict=True)
                    ),
                    wp.from_torch(offsets, dtype=wp.vec3),
                ],
                outputs=[
                    wp.from_torch(x_canonical[part], dtype=wp.vec3),
                    wp.from_torch(turn[part], dtype=wp.mat33),
                ],
                device=wp.device_from_torch(x.device),
            )

        each_slice(len(x), x.device, run)
        ctx.save_for_backward(*arguments)
        ctx.offsets_shape = offsets.shape
        ctx.mark_non_differentiable(turn)
        return x_canonical, turn

    @staticmethod
    def backward(ctx, gradient, _turn_gradient):
        arguments = ctx.saved_tensors
        x, transforms = arguments[0], arguments[6]
        x_gradient, transforms_gradient = torch.empty_like(x), torch.zeros_like(transforms)
        offsets_gradient = torch.zeros(ctx.offsets_shape, device=x.device)
        wp.launch(
            _inverse_skin_backward,
            dim=len(x),
            inputs=[
                *(wp.from_torch(a, dtype=kind) for a, kind in zip(arguments, _KINDS, strict=True)),
                wp.from_torch(gradient.contiguous(), dtype=wp.vec3),
            ],
            outputs=[
                wp.from_torch(x_gradient, dtype=wp.vec3),
                wp.from_torch(transforms_gradient, dtype=wp.vec4),
                wp.from_torch(offsets_gradient, dtype=wp.vec3),
            ],
            device=wp.device_from_torch(x.device),
        )
        return x_gradient, None, None, None, None, None, transforms_gradient, None, offsets_gradient


def inverse_skin(
    x: Tensor,
    frame: Tensor,
    face: Tensor,
    bary: Tensor,
    faces: Tensor,
    weights: Tensor,
    transforms: Tensor,
    canonical: Tensor,
    offsets: Tensor,
) -> tuple[Tensor, Tensor]:
    """Bring posed points to canonical space.

    Args:
        x: [S, 3] m, posed space.
        frame: [S] int32 into the N poses.
        face: [S] int32 into `faces`, never negative.
        bary: [S, 3] barycentrics of the nearest surface point.
        faces: [F, 3] int32.
        weights: [V, J] skinning weights.
        transforms: [N, J, 3, 4] posed_from_rest of every joint.
        canonical: [J, 3, 4] canonical_from_rest of every joint.
        offsets: [N, V, 3] m, B(psi, theta) − B(0, theta_c).

    Returns:
        x_canonical [S, 3] m, and the linear part canonical_from_posed [S, 3, 3] (not
        differentiable; for view directions).
    """
    return _InverseSkin.apply(x, frame, face, bary, faces, weights, transforms, canonical, offsets)
