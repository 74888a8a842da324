# SPDX-License-Identifier: GPL-3.0-or-later
"""How much quicker the nets are in bfloat16 than in float32 on this machine.

    python -m benchmarks.precision [AVATAR]

One product of a training step's size, and, where an avatar file is given, its most expressive frame
at 256² in every quality; both precisions in turn. A ratio below one says that bfloat16 is slower:
torch imitates it. The last line is what the engine chooses by itself (`engine/devices`).
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from engine import devices
from engine.avatar.model import Avatar
from engine.bench.clocks import seconds_of
from engine.bench.machine import describe_machine
from engine.bench.rendering import QUALITIES
from engine.bench.subject import sized, subject_of
from engine.bench.swapping import swapped

from .performance import machine

ROWS, WIDTH = 6144, 64  # a training step's samples through one layer
REPEATS = 100
SIZE = 256  # px
ROUNDS = 3


def compare(title: str, work: Callable[[], object], device: torch.device) -> None:
    """Print the fastest of `ROUNDS` calls in each precision, after one of each, and their ratio."""
    found: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(ROUNDS + 1):
        for half, seconds in found.items():
            with swapped((devices, "multiplies_bfloat16", lambda _, half=half: half)):
                seconds.append(seconds_of(work, device))
    full, half = (min(seconds[1:]) for seconds in found.values())
    print(f"{title}: float32 {full:.3g} s, bfloat16 {half:.3g} s, ratio {full / half:.2f}")


def product(device: torch.device) -> Callable[[], None]:
    """`REPEATS` products [ROWS, WIDTH] · [WIDTH, WIDTH] as a net makes them."""
    rows = torch.randn(ROWS, WIDTH, device=device)
    weight = torch.randn(WIDTH, WIDTH, device=device)

    def run() -> None:
        with devices.autocast(device):
            for _ in range(REPEATS):
                rows @ weight

    return run


def main() -> None:
    """Print the machine, a line for each comparison, and the engine's choice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("avatar", nargs="?", type=Path, help="an avatar file, for its frames")
    avatar = parser.parse_args().avatar
    device = devices.resolve_device("auto")
    print(machine(describe_machine(device)))
    compare(f"{REPEATS} products", product(device), device)
    if avatar is not None:
        subject = subject_of(Avatar.load(avatar, device))
        camera = sized(subject.camera, SIZE, SIZE)
        for quality in QUALITIES:
            compare(quality, lambda q=quality: subject.render(camera, q), device)
    chosen = "bfloat16" if devices.multiplies_bfloat16(device.type) else "float32"
    print(f"The engine computes in {chosen}.")


if __name__ == "__main__":
    main()
