# SPDX-License-Identifier: GPL-3.0-or-later
"""The avatar: a head, a deformation, a canonical field, and the grid that says where it is empty.

S samples, N frames of a batch, P parts, E expressions. Canonical space is head space in the
canonical pose (metres); u is the same in a unit cube around the head.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import AvatarError
from ..head.model import LINED_REGIONS, PARTS, QUERIED_REGIONS, Head
from ..head.skinning import HeadTensors, canonical_theta, canonical_vertices
from .config import ModelConfig
from .deformation import DEFORMATIONS, Condition, Deformed
from .field import CanonicalField
from .file import LATER_WEIGHTS, AvatarFile
from .occupancy import OccupancyGrid
from .partition import divide
from .tracking import TrackerBias

Made = TypeVar("Made")
MARGIN = 0.01  # m around the shell, so that offsets do not leave the cube


@dataclass(frozen=True)
class Evaluated:
    """What the avatar is at S samples."""

    sigma: Tensor  # [S] 1/m
    rgb: Tensor  # [S, 3] display-referred
    deformed: Deformed


class Avatar(nn.Module):
    """A trained or untrained avatar on one device."""

    def __init__(self, config: ModelConfig, head: Head, device: torch.device) -> None:
        super().__init__()
        self.config, self.head = config, head
        regions = QUERIED_REGIONS if config.teeth else LINED_REGIONS
        # what nearest points are sought on, teeth included where asked for; the head's own rows
        self.skin, self.skin_rows = HeadTensors.in_regions(head, regions, device)
        vertices = canonical_vertices(self.skin)
        low = vertices.amin(0) - config.shell - MARGIN
        self.size = (
            float((vertices.amax(0) - low).max()) + config.shell + MARGIN
        )  # m, edge of the cube
        self.low = low  # [3] m
        self.partition = divide(head, config.parts)
        parts = self.partition.weights[self.skin_rows]  # [V, P]
        self.surface_parts = torch.from_numpy(parts).to(device)
        self.share = torch.from_numpy(self.partition.share).to(device)  # [P, H]
        self.deformation = DEFORMATIONS[config.method](config, head, self.partition)
        self.field = CanonicalField(config)
        self.tracking = TrackerBias(config)
        self.occupancy = OccupancyGrid(config.occupancy_cells, config.step)
        self.register_buffer("mean_code", torch.zeros(config.code_size))
        self.register_buffer("mean_appearance", torch.zeros(config.appearance_size))
        self.window = float("inf")  # octaves of the position encoding let through so far
        self.file: AvatarFile | None = None
        self.kept: dict[Hashable, object] = {}  # what rendering makes once for a finished avatar
        self.to(device)

    @property
    def device(self) -> torch.device:
        """Where the avatar computes."""
        return self.low.device

    @classmethod
    def load(cls, path: Path, device: torch.device) -> "Avatar":
        """Open an avatar file, ready to render.

        Raises:
            AvatarError: missing, truncated, of a newer schema, not finite, or inconsistent.
        """
        file = AvatarFile.read(path)
        config = ModelConfig.from_json(file.config)
        if config.method not in DEFORMATIONS:
            raise AvatarError(
                f"The avatar's method “{config.method}” is unknown here.", "Update PartNerFace."
            )
        avatar = cls(config, file.head, device)
        weights = {
            name: torch.from_numpy(np.asarray(array)) for name, array in file.weights.items()
        }
        untrained = {n: t for n, t in avatar.state_dict().items() if n.startswith(LATER_WEIGHTS)}
        try:
            avatar.load_state_dict(untrained | {n: w.to(device) for n, w in weights.items()})
        except RuntimeError as error:
            raise AvatarError(
                f"The avatar {path} does not fit its own configuration.", "Train it again."
            ) from error
        avatar.file = file
        return avatar.eval().requires_grad_(False)

    def once(self, name: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` makes of the finished avatar, whatever the frame is; made once."""
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]

    def weights(self) -> dict[str, np.ndarray]:
        """Parameters and buffers by name, for the avatar file."""
        return {name: tensor.detach().cpu().numpy() for name, tensor in self.state_dict().items()}

    def unit(self, x_canonical: Tensor) -> Tensor:
        """[S, 3] m, canonical space → the unit cube."""
        return (x_canonical - self.low) / self.size

    def condition(
        self, psi: np.ndarray, theta: np.ndarray, translation: np.ndarray | None = None
    ) -> Condition:
        """The condition of one keyed frame, with the codes that its pose foretells.

        Args:
            psi: [E] or [H, E].
            theta: [J, 3] rad.
            translation: [3] m; without it the codes are the training frames' mean.
        """

        def tensor(array: np.ndarray) -> Tensor:
            return torch.as_tensor(np.asarray(array, np.float32), device=self.device)[None]

        told, turned = tensor(psi), tensor(theta)
        code, appearance = self.mean_code[None], self.mean_appearance[None]
        if translation is not None:
            features = self.tracking.features(turned, tensor(translation))
            code = code + features @ self.tracking.code
            appearance = appearance + features @ self.tracking.appearance
        return Condition(
            psi=told[:, None].expand(-1, len(PARTS), -1) if told.ndim == 2 else told,
            theta=turned,
            code=code,
            appearance=appearance,
        )

    def rest_condition(self) -> Condition:
        """The condition of the canonical pose with mean codes."""
        return self.condition(np.zeros(len(self.head.expression_names)), canonical_theta().numpy())

    def evaluate(
        self,
        x_canonical: Tensor,
        view: Tensor,
        frame_rows: Tensor,
        condition: Condition,
        labels: Tensor | None = None,
    ) -> Evaluated:
        """Deform, then look up the field.

        Args:
            x_canonical: [S, 3] m, where inverse skinning landed.
            view: [S, 3] unit view direction in canonical space.
            frame_rows: [S, N] one-hot.
            condition: of the N frames.
            labels: [S] hard part labels (stage one), or None.
        """
        u = self.unit(x_canonical)
        deformed = self.deformation(u * 2 - 1, frame_rows, condition, self.window, labels)
        appearance = frame_rows @ condition.appearance
        sigma, rgb = self.field(u + deformed.offset / self.size, view, deformed.ambient, appearance)
        return Evaluated(sigma, rgb, deformed)

    def canonical_density_colour(self, x_canonical: Tensor) -> tuple[Tensor, Tensor]:
        """Density [S] 1/m and rgb [S, 3] in the canonical pose, with mean codes, from the front."""
        rows = torch.ones(len(x_canonical), 1, device=self.device)
        view = torch.tensor([0.0, 0.0, -1.0], device=self.device).expand_as(x_canonical)
        result = self.evaluate(x_canonical, view, rows, self.rest_condition())
        return result.sigma, result.rgb

    def part_weights(self, x_canonical: Tensor) -> Tensor:
        """The assigner's weights [S, H] of the head model's parts at canonical points [S, 3] m."""
        logits = self.deformation.assigner(self.unit(x_canonical) * 2 - 1)
        return self.artist_parts(self.deformation.weights(logits, None))

    def artist_parts(self, parts: Tensor) -> Tensor:
        """Weights [S, P] of the local nets → weights [S, H] of the parts that artists know."""
        return parts @ self.share
