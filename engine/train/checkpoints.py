# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints without pickle: weights, optimiser and random state, curves, in one file."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..adam import Adam
from ..errors import InputError
from ..files import read_tensors, write_tensors

SCHEMA_VERSION = 2  # another one wherever what is learned has other names, or what is saved


@dataclass
class Progress:
    """How far a training run is."""

    step: int = 0
    begun: bool = False  # whether the field has been fitted to the head
    seconds: float = 0.0
    samples: int = 0
    rays: int = 0  # rays of the next step
    loss: float | None = None  # running means, as the curves show them
    psnr: float | None = None
    rate: float = 1.0  # factor of all learning rates, halved by every way back
    setbacks: list[str] = field(default_factory=list)  # what sent training back, and when
    curves: dict[str, list[float]] = field(
        default_factory=lambda: {"step": [], "loss": [], "psnr": [], "seconds": []}
    )

    def observe(self, loss: float, psnr: float, weight: float) -> None:
        """Take one step's figures into the running means."""
        self.loss = loss if self.loss is None else self.loss + weight * (loss - self.loss)
        self.psnr = psnr if self.psnr is None else self.psnr + weight * (psnr - self.psnr)

    def record(self) -> None:
        """Add a point to the curves."""
        point = (self.step, self.loss, self.psnr, self.seconds)
        for curve, value in zip(self.curves.values(), point, strict=True):
            curve.append(round(value, 6))


def run_key(settings: Mapping, capture_fingerprint: str) -> str:
    """What a checkpoint must share with a run that continues it; steps may differ."""
    relevant = {
        name: value for name, value in settings.items() if name not in ("steps", "checkpoint_s")
    }
    return hashlib.sha256(
        json.dumps([SCHEMA_VERSION, relevant, capture_fingerprint], sort_keys=True).encode()
    ).hexdigest()


def save_checkpoint(
    path: Path,
    key: str,
    model: nn.Module,
    optimiser: Adam,
    random: np.random.Generator,
    progress: Progress,
) -> None:
    """Write everything that going on needs, atomically.

    What was looked at once per frame (`step.Survey`) is not among it and is looked at anew: a
    resumed run comes out as good as an uninterrupted one, and very nearly the same.

    Raises:
        SpaceError: the file could not be written.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    names = {id(value): name for name, value in model.named_parameters()}
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            for entry, value in optimiser.state.get(parameter, {}).items():
                tensors[f"optimiser.{names[id(parameter)]}.{entry}"] = torch.as_tensor(value)
    tensors["torch_random"] = torch.get_rng_state()
    if (device := _device_of(model)).type == "cuda":
        tensors["cuda_random"] = torch.cuda.get_rng_state(device)
    header = {
        "kind": "checkpoint",
        "schema_version": SCHEMA_VERSION,
        "key": key,
        "numpy_random": random.bit_generator.state,
        "progress": vars(progress),
    }
    write_tensors(
        path, header, {name: value.detach().cpu().numpy() for name, value in tensors.items()}
    )


def load_checkpoint(
    path: Path, key: str, model: nn.Module, optimiser: Adam, random: np.random.Generator
) -> Progress | None:
    """Go back to a checkpoint; None, and nothing changed, if there is none or of another run."""
    if not path.is_file():
        return None
    try:
        header, arrays = read_tensors(path, "checkpoint", SCHEMA_VERSION)
    except InputError:
        return None  # cut short by a crash of the machine: begin anew
    if header["key"] != key:
        return None
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    state = {
        name.removeprefix("model."): value
        for name, value in tensors.items()
        if name.startswith("model.")
    }
    model.load_state_dict(state)
    optimiser.state.clear()  # the run's first checkpoint has no moments to put in their place
    for name, parameter in model.named_parameters():
        prefix = f"optimiser.{name}."
        entries = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
        if entries:
            optimiser.state[parameter] = {n: v.to(parameter.device) for n, v in entries.items()}
    torch.set_rng_state(tensors["torch_random"])
    if "cuda_random" in tensors and (device := _device_of(model)).type == "cuda":
        torch.cuda.set_rng_state(tensors["cuda_random"], device)
    random.bit_generator.state = header["numpy_random"]
    return Progress(**header["progress"])


def _device_of(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
