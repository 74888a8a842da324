# SPDX-License-Identifier: GPL-3.0-or-later
"""The canonical radiance field: hash grid and two small nets (Müller et al. 2022, §5.4)."""

import torch
from torch import Tensor, nn

from ..kernels.hash_grid import hash_encode
from .config import ModelConfig
from .nets import Mlp

DENSITY_BIAS = 2.5  # exp(2.5) ≈ 12 / m: nearly clear at the start, else the outer shell goes opaque
DENSITY_LIMIT = 9.0  # exp(9) ≈ 8100 / m: a millimetre of it is opaque


class CanonicalField(nn.Module):
    """Density and colour at points of canonical space."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        growth = torch.linspace(0, 1, config.levels)
        resolutions = config.coarsest * (config.finest / config.coarsest) ** growth
        self.register_buffer("resolutions", resolutions.round().int())
        self.table = nn.Parameter(
            (torch.rand(config.levels, 2**config.table_bits, 2) * 2 - 1) * 1e-2
        )
        self.density = Mlp(2 * config.levels, config.field_width, 1 + config.geometry_size)
        self.feature_size = 2 * config.levels + config.geometry_size
        self.colour = Mlp(
            self.feature_size + 3 + config.ambient_size + config.appearance_size,
            config.field_width,
            config.field_width,
            3,
        )

    def forward(
        self, u: Tensor, view: Tensor, ambient: Tensor, appearance: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Density and colour.

        Args:
            u: [S, 3] canonical position in the unit cube.
            view: [S, 3] unit view direction in canonical space.
            ambient: [S, K].
            appearance: [S, A].

        Returns:
            sigma [S] 1/m and rgb [S, 3] in 0…1, display-referred.
        """
        sigma, features = self.geometry(u)
        return sigma, self.radiance(features, view, ambient, appearance)

    def sigma(self, u: Tensor) -> Tensor:
        """Density [S] 1/m alone."""
        return self.geometry(u)[0]

    def radiance(self, features: Tensor, view: Tensor, ambient: Tensor, looks: Tensor) -> Tensor:
        """Colour [S, 3] of points whose features [S, F] `geometry` said; `looks`: appearance."""
        told = torch.cat([features, view, ambient, looks], 1)
        return torch.sigmoid(self.colour(told).float())

    def geometry(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Density [S] 1/m, and the features [S, F] that the colour is made from.

        The encoding itself is among them: colour learns faster than through the density net alone.
        """
        encoded = hash_encode(u.float(), self.table, self.resolutions)
        features = self.density(encoded)
        sigma = torch.exp((features[:, 0].float() + DENSITY_BIAS).clamp(max=DENSITY_LIMIT))
        return sigma, torch.cat([encoded, features[:, 1:]], 1)
