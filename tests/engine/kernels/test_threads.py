# SPDX-License-Identifier: GPL-3.0-or-later
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from engine.kernels import threads
from engine.kernels.hash_grid import hash_encode

CPU = torch.device("cpu")


@pytest.fixture
def four_threads(monkeypatch):
    """Four threads, however many cores there are."""
    monkeypatch.setattr(threads, "CORES", 4)
    with ThreadPoolExecutor(4) as pool:
        monkeypatch.setattr(threads, "_pool", pool)
        yield


@pytest.mark.parametrize("count", [4, 10, 4097])
def test_slices_cover_all_once(four_threads, count):
    seen = torch.zeros(count)

    def run(part):
        seen[part] += 1

    for times in (1, 2):
        threads.each_slice(count, CPU, run, worth_it=1)
        assert (seen == times).all()


def test_few_samples_are_one_slice(four_threads):
    parts = []
    threads.each_slice(9, CPU, parts.append, worth_it=10)
    assert parts == [slice(0, 9)]


def test_a_few_samples_of_a_new_kernel_go_before_the_others(four_threads):
    """It compiles the kernel; threads that start together would all do so, each for itself."""
    events, compiled, together = [], False, threading.Barrier(4)

    def run(part):
        events.append(("starts", part.start))
        if compiled:
            together.wait(timeout=60)
        time.sleep(0.05)
        events.append(("ends", part.start))

    threads.each_slice(8, CPU, run, worth_it=1)
    assert events[:2] == [("starts", 0), ("ends", 0)]
    compiled = True
    threads.each_slice(8, CPU, run, worth_it=1)  # raises unless all four run at once
    assert len(events) == 2 * (1 + 4 + 4)


def test_gradients_of_the_hash_grid_do_not_depend_on_the_cores(four_threads, monkeypatch):
    random = torch.Generator().manual_seed(0)
    table = torch.randn(6, 512, 2, generator=random).requires_grad_()
    x = torch.rand(9000, 3, generator=random).requires_grad_()
    resolutions = torch.tensor([4, 8, 16, 32, 48, 64], dtype=torch.int32)

    def gradients():
        total = hash_encode(x, table, resolutions).square().sum()
        return torch.autograd.grad(total, [x, table])

    many = gradients()
    monkeypatch.setattr(threads, "CORES", 1)
    assert all(map(torch.equal, many, gradients()))
