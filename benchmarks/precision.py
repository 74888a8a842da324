# SPDX-License-Identifier: GPL-3.0-or-later
"""How much quicker the nets' products are in bfloat16 than in float32 on this machine.

    python -m benchmarks.precision

A ratio below one says that bfloat16 is slower: torch imitates it. Beside it stands what the engine
has chosen (`engine/devices`).
"""

import time

import torch

from engine.bench.machine import describe_machine
from engine.devices import multiplies_bfloat16, resolve_device

ROWS, WIDTH = 6144, 64  # a training step's samples through one layer
REPEATS = 200


def seconds(dtype: torch.dtype, device: torch.device) -> float:
    """One product [ROWS, WIDTH] · [WIDTH, WIDTH], the mean of many after a few."""
    rows = torch.randn(ROWS, WIDTH, device=device).to(dtype)
    weight = torch.randn(WIDTH, WIDTH, device=device).to(dtype)
    for repeats in (5, REPEATS):
        if device.type == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(repeats):
            rows @ weight
        if device.type == "cuda":
            torch.cuda.synchronize()
    return (time.perf_counter() - began) / REPEATS


def main() -> None:
    """Print both times, the ratio, and the engine's choice."""
    device = resolve_device("auto")
    full, half = seconds(torch.float32, device), seconds(torch.bfloat16, device)
    chosen = "bfloat16" if multiplies_bfloat16(device.type) else "float32"
    print(f"{describe_machine(device)}")
    print(f"float32 {full * 1e3:.3f} ms, bfloat16 {half * 1e3:.3f} ms, ratio {full / half:.2f}")
    print(f"the engine computes in {chosen}")


if __name__ == "__main__":
    main()
