# SPDX-License-Identifier: GPL-3.0-or-later
"""LPIPS (Zhang et al. 2018), the AlexNet one, from weights that the user brings.

The weights are not ours to ship. Who has the package `lpips` writes them once to a file from which
nothing can be executed:

    import lpips, safetensors.torch as s
    weights = lpips.LPIPS(net="alex").state_dict()
    s.save_file({name: value.clone() for name, value in weights.items()}, "lpips.safetensors")
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from ..errors import InputError

# of each of AlexNet's five convolutions: name in the file, shape, stride, padding, pooled before
LAYERS = (
    ("net.slice1.0", (64, 3, 11, 11), 4, 2, False),
    ("net.slice2.3", (192, 64, 5, 5), 1, 2, True),
    ("net.slice3.6", (384, 192, 3, 3), 1, 1, True),
    ("net.slice4.8", (256, 384, 3, 3), 1, 1, False),
    ("net.slice5.10", (256, 256, 3, 3), 1, 1, False),
)
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of colours in −1…1
SMALLEST = 32  # px, below which nothing is left after the second pooling
TINY = 1e-10


class Lpips:
    """The distance of two pictures as AlexNet's features see it."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights by their names in the package.

        Raises:
            InputError: one is missing or has another shape.
        """
        self._layers = []
        for number, (name, shape, *_) in enumerate(LAYERS):
            found = (
                weights.get(f"{name}.weight"),
                weights.get(f"{name}.bias"),
                weights.get(
                    f"lin{number}.model.1.weight", weights.get(f"lins.{number}.model.1.weight")
                ),
            )
            wanted = (shape, shape[:1], (1, shape[0], 1, 1))
            for value, expected in zip(found, wanted, strict=True):
                if value is None or tuple(value.shape) != expected:
                    raise InputError(
                        f"The LPIPS weights do not fit AlexNet (at {name}).",
                        "Write the file as engine/train/lpips.py says.",
                    )
            self._layers.append(tuple(value.float() for value in found))

    @classmethod
    def read(cls, path: Path, device: torch.device) -> "Lpips":
        """The weights from a safetensors file.

        Raises:
            InputError: it cannot be read, or holds other weights.
        """
        try:
            return cls(load_file(path, device=str(device)))
        except (OSError, SafetensorError) as error:
            raise InputError(
                f"The LPIPS weights {path} cannot be read ({error}).",
                "Write the file as engine/train/lpips.py says.",
            ) from error

    @torch.no_grad()
    def distance(self, truth: np.ndarray, found: np.ndarray) -> float | None:
        """LPIPS of two pictures [H, W, 3] in 0…1; None where they are too small for it."""
        if min(truth.shape[:2]) < SMALLEST:
            return None
        device = self._layers[0][0].device
        pair = torch.from_numpy(np.stack([truth, found]).astype(np.float32)).to(device)
        x = (pair * 2 - 1 - pair.new_tensor(SHIFT)) / pair.new_tensor(SCALE)
        x, total = x.permute(0, 3, 1, 2), 0.0  # [2, C, h, w]
        for (weight, bias, lin), (*_, stride, padding, pooled) in zip(
            self._layers, LAYERS, strict=True
        ):
            if pooled:
                x = functional.max_pool2d(x, 3, 2)
            x = functional.relu(functional.conv2d(x, weight, bias, stride, padding))
            unit = x / (x.square().sum(1, keepdim=True).sqrt() + TINY)
            total += float(((unit[0] - unit[1]).square() * lin[0]).sum(0).mean())
        return total
