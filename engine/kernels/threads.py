# SPDX-License-Identifier: GPL-3.0-or-later
"""All cores for kernels on the CPU.

Warp runs a CPU launch on one core and lets go of Python's lock meanwhile, so slices of the samples
run in threads. Only for kernels whose samples write nothing in common.
"""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import CodeType

import torch

from ..cores import CORES

WORTH_IT = 4096  # samples below which a second thread costs more than it gives
_pool = ThreadPoolExecutor(CORES, "kernel")
_ready: set[CodeType] = set()  # of the functions whose kernels have run


def each_slice(
    count: int,
    device: torch.device,
    run: Callable[[slice], None],
    worth_it: int = WORTH_IT,
) -> None:
    """Call `run` on slices that cover 0…count: in threads on the CPU, else (or if few) once.

    The first time, one slice goes before the others: else every thread compiles the kernel.

    Args:
        count: samples, or rays.
        device: where they are.
        run: does one slice.
        worth_it: samples below which one thread does them all.
    """
    if device.type != "cpu" or count < worth_it or CORES == 1:
        run(slice(0, count))
        return
    slices = min(CORES, count)
    edges = [count * i // slices for i in range(slices + 1)]
    parts = [slice(a, b) for a, b in itertools.pairwise(edges)]
    if run.__code__ not in _ready:
        run(parts.pop(0))
        _ready.add(run.__code__)
    for _ in _pool.map(run, parts):
        pass
