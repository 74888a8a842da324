# SPDX-License-Identifier: GPL-3.0-or-later
"""The avatar's shape: sizes of nets and grids, and the constants of the method."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

from ..errors import AvatarError


@dataclass(frozen=True)
class ModelConfig:
    """Everything that decides what the weights mean; stored in the avatar file."""

    method: Literal["partnerface", "global", "none"] = "partnerface"
    """Local nets blended by a part assigner, one global net with as many parameters, or none."""
    parts: int = 8
    """Local nets: 8 as the head model's parts; 1, 2, 4 join parts, more split them."""
    blend: Literal["soft", "hard"] = "soft"
    """Parts blended by the assigner's weights, or the assigner's first choice alone."""
    offsets: bool = True
    """Inverse skinning undoes the expressions' offsets too, not the joints' turns alone."""
    teeth: bool = True
    """Teeth and tongue, where the head has them, belong to what nearest points are sought on, and
    with it to the start, the occupancy and what may float; the mouth's lining always does."""
    local_width: int = 64
    """Hidden units of each local net (Local Deformation Fields, appendix A: 40)."""
    position_octaves: int = 6
    """Frequencies of the position encoding of the local nets."""
    mask_leak: float = 0.0
    """What a part hears of expressions and joints that do not move it: nothing at 0 (the masks of
    LDF §3.3), as much as of its own at 1."""
    mask_threshold: float = 0.25
    """Share of an expression's largest displacement below which it does not move a part."""
    code_size: int = 16
    """Per-frame deformation code (LDF: 32)."""
    ambient_size: int = 4
    """Extra channels that the local nets hand to the colour (HyperNeRF's ambient dimensions)."""
    offset_scale: float = 0.01
    """m; the unit of the nets' offsets."""
    assigner_width: int = 64
    """Hidden units of the part assigner."""
    assigner_octaves: int = 2
    """Frequencies of the assigner's position encoding: low, so that parts stay compact."""
    levels: int = 8
    """Levels of the hash grid."""
    table_bits: int = 15
    """log2 of the hash table's entries per level."""
    coarsest: int = 16
    """Cells per axis at the first level."""
    finest: int = 256
    """Cells per axis at the last level."""
    field_width: int = 64
    """Hidden units of the density and colour nets."""
    geometry_size: int = 15
    """Features that the density net hands to the colour net."""
    appearance_size: int = 8
    """Per-frame appearance code."""
    shell: float = 0.05
    """m; farther than this from the posed head is empty."""
    step: float = 0.0025
    """m between samples on a ray."""
    frame_cell: float = 0.0125
    """m; cell of the coarse occupancy grid of each frame."""
    occupancy_cells: int = 96
    """Cells per axis of the canonical occupancy grid."""

    def to_json(self) -> dict:
        """A JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping) -> "ModelConfig":
        """Undo `to_json`.

        Raises:
            AvatarError: an entry that this version does not know.
        """
        unknown = set(data) - {field.name for field in fields(cls)}
        if unknown:
            raise AvatarError(
                f"The avatar's configuration holds {sorted(unknown)}, unknown here.",
                "Update PartNerFace.",
            )
        return cls(**data)
