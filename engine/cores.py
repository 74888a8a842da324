# SPDX-License-Identifier: GPL-3.0-or-later
"""Independent items, shared out among the processor's cores, their results in order.

Threads are enough: NumPy, OpenCV, torch and Warp let go of Python's lock while they compute. In
each of them torch keeps to one core (within `shared_out` BLAS as well); many small operations on
several cores at once would only wait for each other. Nothing in them has gradients, unless it says
so itself. (`kernels.threads` cuts one kernel's samples among cores.)
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

MOST = 16  # cores that are used


def usable_cores() -> int:
    """How many cores this process may use: a container or a scheduler may have left it few."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


CORES = min(usable_cores(), MOST)
AHEAD = CORES + 2  # items that are under way at once, so that memory is bounded

Item, Result = TypeVar("Item"), TypeVar("Result")
_pool, _second = (
    ThreadPoolExecutor(CORES, name, initializer=torch.set_num_threads, initargs=(1,))
    for name in ("core", "beside")  # apart: an item may have something done beside it
)
_ready: set[tuple[object, str]] = set()  # what has been through `in_order` once


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
        result = _done(lambda _: work(), None)
        yield lambda: result
        return
    threads = torch.get_num_threads()
    under_way = _second.submit(_done, lambda _: work(), None)
    try:
        torch.set_num_threads(1)
        yield under_way.result
    finally:
        wait([under_way])
        torch.set_num_threads(threads)


def each(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`work` of every item, without gradients. Not from within another one's work."""
    return list(_pool.map(lambda item: _done(work, item), items))


def over_cores(
    work: Callable[[Item], Result], items: Iterable[Item], device: torch.device, kind: str = ""
) -> Iterator[Result]:
    """`in_order` where cores compute; on a device that is no CPU one item after the other."""
    if device.type == "cpu":
        yield from in_order(work, items, kind)
    else:
        yield from (_done(work, item) for item in items)


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], kind: str = ""
) -> Iterator[Result]:
    """`work` of one item after the other, a few ahead of whoever takes the results.

    The first time that this `work` is done, and this `kind` of it, one item goes before the others:
    what it loads and compiles is there for them. When `items` or `work` raise, or the generator is
    closed, what is under way is waited for, and nothing follows.
    """
    about = getattr(work, "__code__", work), kind
    under_way: deque[Future[Result]] = deque()
    try:
        for item in items:
            under_way.append(_pool.submit(_done, work, item))
            if len(under_way) > AHEAD or about not in _ready:
                yield under_way.popleft().result()
                _ready.add(about)
        while under_way:
            yield under_way.popleft().result()
    finally:
        for future in under_way:
            future.cancel()
        wait(under_way)


def _done(work: Callable[[Item], Result], item: Item) -> Result:
    with torch.no_grad():  # each thread has its own say
        return work(item)
