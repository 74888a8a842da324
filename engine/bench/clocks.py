# SPDX-License-Identifier: GPL-3.0-or-later
"""Time and memory: best of several runs, milliseconds by stage, peak of what a section allocates.

On a GPU every reading waits for the work that was asked for. Of several runs the fastest counts:
what else the machine does can only make a run slower.
"""

import functools
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import warp as wp

from ..adam import Adam
from ..avatar.deformation import DEFORMATIONS
from ..avatar.field import CanonicalField
from ..avatar.lattice import CanonicalLattice
from ..avatar.model import Avatar
from ..cores import beside, over_cores
from ..kernels.compositing import composite
from ..kernels.landing import land_steps
from ..kernels.marching import march
from ..kernels.nearest import PosedMeshes
from ..kernels.posed_cells import land
from ..kernels.preview import march_preview
from ..render.fine_cells import posed_cells
from ..render.posing import Poser
from .swapping import Change, places_of, swapped

WATCH_S = 0.01  # between two looks at the memory
KIB, GIB = 1024, 2**30


def wait_for(device: torch.device) -> None:
    """Return when the device has done all it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(function: Callable[[], object], device: torch.device) -> float:
    """Wall seconds of one call."""
    wait_for(device)
    began = time.perf_counter()
    function()
    wait_for(device)
    return time.perf_counter() - began


def best_of(
    function: Callable[[], object], device: torch.device, *, most: int = 5, budget_s: float = 2.0
) -> float:
    """Seconds of the fastest call: up to `most` calls, none begun once `budget_s` have passed."""
    found = [seconds_of(function, device)]
    while len(found) < most and sum(found) < budget_s:
        found.append(seconds_of(function, device))
    return min(found)


class StageClocks:
    """Seconds spent in each stage; within a stage no other clock runs."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = {}
        self._busy = False

    def timed(self, stage: str, function: Callable) -> Callable:
        """The same function, with its time taken down."""

        @functools.wraps(function)
        def run(*arguments: object, **options: object) -> object:
            if self._busy:
                return function(*arguments, **options)
            self._busy = True
            wait_for(self.device)
            began = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                wait_for(self.device)
                passed = time.perf_counter() - began
                self.seconds[stage] = self.seconds.get(stage, 0.0) + passed
                self._busy = False

        return run

    def milliseconds(self, total_s: float, runs: int = 1) -> dict[str, float]:
        """Milliseconds per run of each stage, the rest of `total_s` as `other`."""
        stages = {stage: 1e3 * seconds / runs for stage, seconds in self.seconds.items()}
        return stages | {"other": max(1e3 * total_s / runs - sum(stages.values()), 0.0)}


@contextmanager
def stage_clocks(device: torch.device) -> Iterator[StageClocks]:
    """Clocks on the stages of rendering and training: pose, survey … backward, optimiser.

    What cores do side by side is done in turn under them, so that stages add up.
    """
    clocks = StageClocks(device)
    methods: list[tuple[str, type, str]] = [
        ("pose", Poser, "pose"),
        ("survey", Poser, "frame_cells"),
        ("nearest", PosedMeshes, "nearest"),
        ("unpose", Poser, "unpose"),
        ("bake", CanonicalLattice, "deformation"),
        ("evaluate", CanonicalLattice, "at"),
        ("evaluate", Avatar, "evaluate"),
        ("evaluate", CanonicalField, "geometry"),
        ("evaluate", CanonicalField, "radiance"),
        *(("evaluate", kind, "forward") for kind in DEFORMATIONS.values()),
        ("backward", torch.autograd, "grad"),
        ("optimiser", Adam, "step"),
    ]
    changes: list[Change] = [
        (owner, name, clocks.timed(stage, vars(owner)[name])) for stage, owner, name in methods
    ]
    functions = (
        ("march", march),
        ("march", march_preview),
        ("survey", posed_cells),
        ("land", land),
        ("land", land_steps),
        ("composite", composite),
    )
    for stage, function in functions:
        watched = clocks.timed(stage, function)
        changes += [(owner, name, watched) for owner, name in places_of(function)]
    for together, in_turn in ((beside, _in_turn), (over_cores, _one_by_one)):
        changes += [(owner, name, in_turn) for owner, name in places_of(together)]
    with swapped(*changes):
        yield clocks


@contextmanager
def _in_turn(work: Callable[[], object], _device: torch.device) -> Iterator[Callable[[], object]]:
    """In place of `beside`."""
    result = work()
    yield lambda: result


def _one_by_one(
    work: Callable[[object], object], items: Iterable[object], *_rest: object
) -> Iterator[object]:
    """In place of `over_cores`."""
    yield from map(work, items)


class MemoryWatch:
    """The most memory in use while the context lasts, GiB: the process's own, or the GPU's.

    Pages of mapped files do not count where the system tells them apart (Linux); elsewhere the
    process's peak so far stands in. On a GPU Warp's share is its largest since the process began.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.peak_gb = device, 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "MemoryWatch":
        """Begin."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """End; `peak_gb` stands."""
        if self.device.type == "cuda":
            warp = wp.get_mempool_used_mem_high(wp.device_from_torch(self.device))
            self.peak_gb = (torch.cuda.max_memory_allocated(self.device) + warp) / GIB
            return
        self._done.set()
        self._thread.join()
        self.peak_gb = max(self.peak_gb, own_memory_gb())

    def _watch(self) -> None:
        while not self._done.wait(WATCH_S):
            self.peak_gb = max(self.peak_gb, own_memory_gb())


def own_memory_gb() -> float:
    """Memory of this process without the page cache, GiB; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if status.is_file():
        entries = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return sum(int(entries[name].split()[0]) for name in ("RssAnon", "RssShmem")) * KIB / GIB
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else KIB) / GIB
