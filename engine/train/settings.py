# SPDX-License-Identifier: GPL-3.0-or-later
"""How an avatar is trained: schedule, rates and weights of the losses; presets."""

from dataclasses import asdict, dataclass, field, replace

from ..avatar.config import ModelConfig


@dataclass(frozen=True)
class TrainSettings:
    """One training run; stored in the avatar's training record."""

    model: ModelConfig = field(default_factory=ModelConfig)
    """The avatar's shape."""
    steps: int = 1200
    """Optimiser steps."""
    samples: int = 6144
    """Samples per step that reach the nets; the number of rays adapts."""
    samples_per_ray: int = 6
    """Samples that a ray may have, about, where they count most; 0 = every step of it."""
    frames_per_step: int = 8
    """Frames per step: each needs its own bounding-volume hierarchy."""
    first_rays: int = 768
    """Rays of the first step."""
    warm_up: float = 0.25
    """Share of the steps with the hard heuristic partition (stage one)."""
    anneal: float = 0.4
    """Share of the steps after which all octaves of the position encoding are let through."""
    rate_table: float = 4e-2
    """Learning rate of the hash table."""
    rate_nets: float = 2e-2
    """Learning rate of all nets and codes."""
    rate_corrections: float = 1e-4
    """Learning rate of the per-frame corrections."""
    rate_bias: float = 4e-2
    """Learning rate of the tracker's bias."""
    ramp: int = 24
    """Steps in which the learning rates rise from zero."""
    last_rate: float = 0.05
    """Learning rates fall exponentially to this share."""
    codes: bool = False
    """Learn a deformation and an appearance code for each frame, beside what its pose foretells."""
    dropout: float = 0.5
    """Chance that a frame goes without its own corrections (and codes) in a step."""
    tracker_bias: bool = True
    """Learn the tracker's errors that the head's pose foretells (codes, rotation, place)."""
    corrections: bool = True
    """Learn small per-frame corrections of head pose and expression."""
    loss_alpha: float = 0.1
    """Weight of the alpha loss."""
    loss_offset: float = 1e-3
    """Weight of the mean squared offset (in units of `offset_scale`)."""
    loss_code: float = 1e-3
    """Weight of the mean squared codes."""
    loss_bias: float = 1e-3
    """Weight of the mean squared tracker bias."""
    loss_partition: float = 0.1
    """Weight of the assigner's cross-entropy to the heuristic partition in stage one …"""
    loss_partition_late: float = 0.01
    """… and in stage two, where it keeps the parts compact and their names true."""
    loss_correction: float = 1.0
    """Weight of the squared corrections (rad, m, coefficients)."""
    loss_float: float = 3.0
    """Weight of the height above face and hair (m) from where a ray's light comes (`floating`)."""
    occupancy_from: int = 96
    """Steps before anything counts as empty."""
    occupancy_every: int = 16
    """Steps between updates of the occupancy grid."""
    checkpoint_s: float = 60.0
    """Seconds between checkpoints."""

    def to_json(self) -> dict:
        """A JSON object."""
        return asdict(self)


# What each method changes, of the avatar's shape and of its training: the ablations. Fewer nets are
# wider and more are narrower, so that all have about the parameters of eight.
VARIANTS: dict[str, tuple[dict, dict]] = {
    "partnerface": ({}, {}),
    "global": ({"method": "global"}, {}),
    "none": ({"method": "none"}, {}),
    "hard": ({"blend": "hard"}, {}),
    "one-stage": ({}, {"warm_up": 0.0}),
    "no-offsets": ({"offsets": False}, {}),
    "leaky-masks": ({"mask_leak": 0.1}, {}),
    "all-expressions": ({"mask_leak": 1.0}, {}),
    "codes": ({}, {"codes": True}),
    "no-corrections": ({}, {"corrections": False}),
    "no-bias": ({}, {"tracker_bias": False}),
    "no-float": ({}, {"loss_float": 0.0}),
    "no-teeth": ({"teeth": False}, {}),
    "parts-1": ({"parts": 1, "local_width": 252}, {}),
    "parts-4": ({"parts": 4, "local_width": 105}, {}),
    "parts-16": ({"parts": 16, "local_width": 38}, {}),
}


def preset(name: str, method: str, steps: int = 0) -> TrainSettings:
    """The settings `draft`, `standard` or `high` of a method; `steps` > 0 replaces the preset's."""
    of_model, of_training = VARIANTS[method]
    settings = TrainSettings(model=ModelConfig(**of_model), **of_training)
    if name == "draft":
        small = replace(
            settings.model,
            table_bits=13,
            finest=128,
            step=0.004,
            occupancy_cells=64,
            field_width=32,
        )
        settings = replace(settings, model=small, steps=300, samples=4096, first_rays=512)
    if name == "high":
        large = replace(settings.model, table_bits=17, finest=512, step=0.002, frame_cell=0.01)
        settings = replace(settings, model=large, steps=4000, samples=8192, first_rays=1024)
    return replace(settings, steps=steps) if steps else settings
