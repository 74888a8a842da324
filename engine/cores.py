# SPDX-License-Identifier: GPL-3.0-or-later
"""Independent items, shared out among the processor's cores, their results in order.

Threads are enough: NumPy, OpenCV, torch and Warp let go of Python's lock while they compute. In
each of them torch and BLAS keep to one core; many small operations on several cores at once would
only wait for each other. (`kernels.threads` cuts one kernel's samples among cores.)
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import CodeType
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

CORES = max(min(os.cpu_count() or 1, 16), 1)
AHEAD = CORES + 2  # items that are under way at once, so that memory is bounded

Item, Result = TypeVar("Item"), TypeVar("Result")
_pool, _second = (
    ThreadPoolExecutor(CORES, name, initializer=torch.set_num_threads, initargs=(1,))
    for name in ("core", "beside")  # apart: an item may have something done beside it
)
_ready: set[CodeType] = set()  # of the functions that have been through `in_order` once


@contextmanager
def shared_out() -> Iterator[None]:
    """Within it torch and BLAS leave the other cores to `each` and `in_order`, in every thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, "blas"):
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def beside(work: Callable[[], Result], device: torch.device) -> Iterator[Callable[[], Result]]:
    """Do `work` on another core than the block within; what is yielded waits for its result.

    Torch keeps to one core in both. When the block is left, however that is, `work` has ended. On
    a device that is no CPU, where cores only launch what it does, `work` goes first.
    """
    if device.type != "cpu":
        result = work()
        yield lambda: result
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    under_way = _second.submit(_done, lambda _: work(), None)
    try:
        yield under_way.result
    finally:
        wait([under_way])
        torch.set_num_threads(threads)


def each(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`work` of every item, without gradients. Not from within another one's work."""
    return list(_pool.map(lambda item: _done(work, item), items))


def over_cores(
    work: Callable[[Item], Result], items: Iterable[Item], device: torch.device
) -> Iterator[Result]:
    """`in_order` where cores compute; on a device of its own one item after the other."""
    if device.type == "cpu":
        yield from in_order(work, items)
    else:
        yield from map(work, items)


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work` of one item after the other, a few ahead of whoever takes the results.

    The first that is ever done is done alone: what it loads and compiles is there for the others.
    When `items` or `work` raise, or the generator is closed, what is under way is waited for, and
    nothing follows.
    """
    under_way: deque[Future[Result]] = deque()
    try:
        for item in items:
            under_way.append(_pool.submit(_done, work, item))
            if len(under_way) > AHEAD or work.__code__ not in _ready:
                yield under_way.popleft().result()
                _ready.add(work.__code__)
        while under_way:
            yield under_way.popleft().result()
    finally:
        for future in under_way:
            future.cancel()
        wait(under_way)


def _done(work: Callable[[Item], Result], item: Item) -> Result:
    with torch.no_grad():  # each thread has its own say
        return work(item)
