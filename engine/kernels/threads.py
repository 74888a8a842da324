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
FIRST = 64  # one of so many samples goes first, the first time
_pool = ThreadPoolExecutor(CORES, "kernel")
_ready: set[CodeType] = set()  # of the functions whose kernels have run


def each_slice(
    count: int,
    device: torch.device,
    run: Callable[[slice], None],
    worth_it: int = WORTH_IT,
) -> None:
    """Call `run` on slices that cover 0…count: in threads on the CPU, else (or if few) once.

    The first time, a few samples go before the others: else every thread compiles the kernel.

    Args:
        count: samples, or rays.
        device: where they are.
        run: does one slice.
        worth_it: samples below which one thread does them all.
    """
    if device.type != "cpu" or count < worth_it or CORES == 1:
        run(slice(0, count))
        return
    done = 0
    if run.__code__ not in _ready:
        done = max(count // FIRST, 1)
        run(slice(0, done))
        _ready.add(run.__code__)
    rest = count - done
    slices = min(CORES, rest)
    edges = [done + rest * i // max(slices, 1) for i in range(slices + 1)]
    for _ in _pool.map(run, itertools.starmap(slice, itertools.pairwise(edges))):
        pass
