# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine with every Warp kernel replaced by its plain torch reference.

Nets, coarse grids, occupancy and sampling stay as they are, so that the ratio of times says what
the kernels are worth. Trying every triangle would make them look better than they are: nearest
points are sought in patches of triangles whose boxes are near enough, the reference's stand-in for
the bounding-volume hierarchy.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ..avatar.model import Avatar
from ..kernels import reference
from ..kernels.compositing import composite
from ..kernels.hash_grid import hash_encode
from ..kernels.inverse_skinning import inverse_skin
from ..kernels.landing import land_steps
from ..kernels.marching import march
from ..kernels.nearest import PosedMeshes
from .swapping import places_of, swapped

PATCH = 48  # triangles
SPARSE = 18  # every so many of a patch's corners stand in for it
ROWS = 8192  # queries at once
SLACK = 1e-6  # m
MORTON_BITS = 10


@contextmanager
def reference_kernels(avatar: Avatar) -> Iterator[None]:
    """Within the context the engine computes without a Warp kernel; it forgets what it keeps."""
    changes: list[tuple[object, str, object]] = []
    for original in (march, composite, hash_encode, inverse_skin, land_steps):
        slow = on_device(avatar.device, getattr(reference, original.__name__))
        changes += [(owner, name, slow) for owner, name in places_of(original)]
    changes += [(owner, name, ReferenceMeshes) for owner, name in places_of(PosedMeshes)]
    kept = dict(avatar.kept)
    avatar.kept.clear()
    try:
        with swapped(*changes):
            yield
    finally:
        avatar.kept.clear()
        avatar.kept.update(kept)


def on_device(device: torch.device, function: Callable) -> Callable:
    """The same function; tensors that it makes lie on the device."""

    @functools.wraps(function)
    def run(*arguments: object, **options: object) -> object:
        with device:
            return function(*arguments, **options)

    return run


class ReferenceMeshes:
    """`PosedMeshes` in plain torch: patches of neighbouring triangles, and a box around each."""

    def __init__(self, faces: Tensor, device: torch.device, built_on: Tensor | None = None) -> None:
        self._faces = faces.to(device).long()
        self._patches = [] if built_on is None else self._patches_of(built_on)  # face indices
        self._vertices = torch.zeros(0, 0, 3)

    def pose(self, vertices: Tensor) -> None:
        """Take the poses [N, V, 3] m."""
        self._vertices = vertices.detach().float()
        self._patches = self._patches or self._patches_of(self._vertices[0])

    def _patches_of(self, vertices: Tensor) -> list[Tensor]:
        centres = vertices[self._faces].mean(1)
        return list(torch.argsort(morton_codes(centres)).split(PATCH))

    def nearest(self, x: Tensor, frame: Tensor, reach: float) -> tuple[Tensor, Tensor, Tensor]:
        """See `PosedMeshes.nearest`."""
        x = x.detach()
        face = torch.full((len(x),), -1, dtype=torch.int32, device=x.device)
        bary = torch.zeros(len(x), 3, device=x.device)
        distance = torch.full((len(x),), reach, device=x.device)
        for n, vertices in enumerate(self._vertices):
            for rows in (frame == n).nonzero()[:, 0].split(ROWS):
                face[rows], bary[rows], distance[rows] = self._nearest(vertices, x[rows], reach)
        return face, bary, distance

    def _nearest(self, vertices: Tensor, x: Tensor, reach: float) -> tuple[Tensor, Tensor, Tensor]:
        """One pose: face [S], barycentrics [S, 3], distance [S]."""
        corners = [vertices[self._faces[patch]].view(-1, 3) for patch in self._patches]
        low = torch.stack([patch.amin(0) for patch in corners])  # [C, 3]
        high = torch.stack([patch.amax(0) for patch in corners])
        outside = torch.maximum(low - x[:, None], x[:, None] - high).clamp_min(0)
        bound = outside.norm(dim=-1)  # [S, C] m, no triangle of the patch is nearer
        some = torch.cat([patch[::SPARSE] for patch in corners])  # [K, 3] points of the surface
        best = (torch.cdist(x, some).amin(1) + SLACK).clamp(max=reach)
        face = torch.full((len(x),), -1, dtype=torch.int32, device=x.device)
        bary = torch.zeros(len(x), 3, device=x.device)
        distance = torch.full((len(x),), reach, device=x.device)
        for c, patch in enumerate(self._patches):
            rows = (bound[:, c] <= best).nonzero()[:, 0]
            if not len(rows):
                continue
            found, at, away = reference.nearest(vertices, self._faces[patch], x[rows])
            closer = away <= best[rows]
            rows = rows[closer]
            face[rows], bary[rows] = patch[found[closer]].int(), at[closer]
            best[rows] = distance[rows] = away[closer]
        return face, bary, distance


def morton_codes(x: Tensor) -> Tensor:
    """[S] codes of points [S, 3] along a space-filling curve: near codes, near points."""
    low, high = x.amin(0), x.amax(0)
    cells = ((x - low) / (high - low).max() * (2**MORTON_BITS - 1)).long()  # [S, 3]
    code = torch.zeros(len(x), dtype=torch.long, device=x.device)
    for bit in range(MORTON_BITS):
        for axis in range(3):
            code |= (cells[:, axis] >> bit & 1) << (3 * bit + axis)
    return code
