# SPDX-License-Identifier: GPL-3.0-or-later
"""Where canonical space holds anything: a grid of densities, updated while training.

The grid lives in the space where inverse skinning lands, before the learned offsets. Cells outside
the shell, or deeper under the skin than anything visible, are never occupied.
"""

import numpy as np
import torch
from torch import Tensor, nn

from ..head.model import PARTS
from ..head.skinning import HeadTensors, canonical_vertices
from ..kernels.nearest import signed_distance

DECAY = 0.8  # of a cell's remembered density, per look
THRESHOLD = 0.04  # opacity of one step that counts as something; an untrained field stays below it
START = 30.0  # 1/m; nothing is known yet: enough to count as something, too little to hide anything
MOST = 1e3  # 1/m that are remembered: no more, since a cell's densest point says little of the rest
INNER_DEPTH = 0.015  # m under the skin that may be seen …
MOUTH_DEPTH = 0.03  # … and around the mouth
TEAR = 0.008  # m, by which a point must have come closer to the skin to count as torn


class OccupancyGrid(nn.Module):
    """A cube of G³ cells over canonical space.

    Args:
        cells: G.
        step: m, the sampling step that turns density into opacity.
    """

    def __init__(self, cells: int, step: float) -> None:
        super().__init__()
        self.cells, self.step = cells, step
        self.register_buffer("density", torch.zeros(cells, cells, cells))  # 1/m, remembered
        self.register_buffer("occupied", torch.zeros(cells, cells, cells, dtype=torch.uint8))
        # m, how far a cell's centre lies outside the canonical skin, at most the shell's width
        self.register_buffer("clearance", torch.zeros(cells, cells, cells, dtype=torch.float16))
        self._reachable: Tensor | None = None
        self._sure: Tensor | None = None
        self.register_load_state_dict_post_hook(_forget)

    def start(self, skin: HeadTensors, low: Tensor, size: float, shell: float) -> None:
        """Allow the cells near the canonical head and take all of them as occupied."""
        centres = self.centres(torch.arange(self.cells**3, device=low.device)) * size + low
        distance, face = signed_distance(canonical_vertices(skin), skin.faces, centres, shell)
        part = skin.part_weights[skin.faces[face.clamp_min(0).long()].long()].mean(1).argmax(1)
        depth = torch.where(part == PARTS.index("mouth"), MOUTH_DEPTH, INNER_DEPTH)
        reachable = (distance < shell) & (distance > -depth)
        self.density.view(-1)[reachable] = START
        self.clearance.view(-1).copy_(distance)
        self.refresh()

    def centres(self, flat: Tensor) -> Tensor:
        """Centres [K, 3] in the unit cube of the cells with flat indices [K]."""
        g = self.cells
        cell = torch.stack([flat // (g * g), flat // g % g, flat % g], 1)
        return (cell + 0.5) / g

    def flat(self, u: Tensor) -> Tensor:
        """Flat cell indices [S] of points [S, 3] in the unit cube (clamped to it)."""
        g = self.cells
        cell = (u.detach() * g).long().clamp(0, g - 1)
        return (cell[:, 0] * g + cell[:, 1]) * g + cell[:, 2]

    def reachable(self) -> Tensor:
        """Flat indices of the cells that can ever be occupied."""
        if self._reachable is None:
            self._reachable = self.density.flatten().nonzero()[:, 0]
        return self._reachable

    @property
    def sure(self) -> Tensor:
        """[G, G, G] 1/m: the least density remembered of a cell and its neighbours.

        A cell's own is that of its densest point. A ray that grazes the skin passes many cells that
        are dense a millimetre below it, and sees what lies behind: only within the skin, where the
        neighbours are dense as well, nothing does. What lies too deep to be seen counts as dense.
        """
        if self._sure is None:
            buried = (self.density == 0) & (self.clearance < 0)
            self._sure = -_grown(-self.density.masked_fill(buried, MOST), 1)
        return self._sure

    def remember(self, flat: Tensor, sigma: Tensor, *, anew: bool = False) -> None:
        """Take new densities [K] 1/m at cells [K]: a decaying maximum, or just they; never zero."""
        memory = self.density.view(-1)
        old = memory[flat] * (0 if anew else DECAY)
        memory[flat] = torch.maximum(old, sigma).clamp(1e-6, MOST)
        self._sure = None

    def refresh(self) -> None:
        """Derive `occupied` from the densities, one cell wider than they are (offsets, jitter)."""
        opaque = 1 - torch.exp(-self.density * self.step) > THRESHOLD
        self.occupied.copy_(_grown(opaque.byte(), 1) * (self.density > 0))

    def holds(self, flat: Tensor, distance: Tensor) -> Tensor:
        """[S] bool: points in occupied cells [S], `distance` [S] m off the skin, not torn."""
        return (self.occupied.view(-1)[flat] > 0) & ~self.torn(flat, distance)

    def torn(self, flat: Tensor, distance: Tensor) -> Tensor:
        """[S] bool: points that inverse skinning put where another surface is nearer.

        Unposing keeps the distance [S] m to the nearest skin. Where a canonical cell is much
        closer to the skin than that, the point came from a gap that is closed in canonical space
        (the middle of a wide open mouth would land in the lower lip): nothing is there.
        """
        return self.clearance.view(-1)[flat].abs() < distance - TEAR

    def deep(self, flat: Tensor, distance: Tensor, margin: float) -> Tensor:
        """[S] bool: points that lie, with `margin` m around them, deeper than anything is sampled.

        Both the posed distance [S] m and the canonical one must say so: where they differ, the
        point came from a gap.
        """
        depth = INNER_DEPTH + margin
        return (distance > depth) & (self.clearance.view(-1)[flat] < -depth)

    def grown(self, cells: int) -> Tensor:
        """`occupied` [G, G, G] uint8, grown by a number of cells on every side."""
        return _grown(self.occupied, cells)


def _forget(grid: OccupancyGrid, _keys: object) -> None:
    """What was derived from densities that are no longer there."""
    grid._reachable = grid._sure = None


def _grown(grid: Tensor, cells: int) -> Tensor:
    """A grid [G, G, G] of any kind with every cell the largest of its neighbourhood's."""
    for axis in range(3):
        wide = grid.clone()
        side = grid.shape[axis]
        for shift in range(1, cells + 1):
            near, far = wide.narrow(axis, 0, side - shift), grid.narrow(axis, shift, side - shift)
            torch.maximum(near, far, out=near)
            near, far = wide.narrow(axis, shift, side - shift), grid.narrow(axis, 0, side - shift)
            torch.maximum(near, far, out=near)
        grid = wide
    return grid


def coarse_growth(frame_cell: float, size: float, cells: int) -> int:
    """Canonical cells to grow by, so that a frame cell's centre speaks for its corners too."""
    return int(np.ceil(frame_cell * np.sqrt(3) / 2 / (size / cells)))
