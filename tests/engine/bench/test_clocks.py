# SPDX-License-Identifier: GPL-3.0-or-later
"""Clocks and functions swapped for a while."""

import time
import types

import numpy as np
import pytest
import torch

from engine.bench import clocks
from engine.bench.clocks import MemoryWatch, best_of, own_memory_gb, stage_clocks
from engine.bench.subject import sized
from engine.bench.swapping import places_of, swapped
from engine.kernels import compositing
from engine.render import shading

CPU = torch.device("cpu")


def test_what_was_swapped_comes_back_even_after_an_error():
    box = types.SimpleNamespace(a=1, b=2)
    with pytest.raises(KeyError), swapped((box, "a", 7), (box, "b", 8)):  # noqa: PT012
        assert (box.a, box.b) == (7, 8)
        raise KeyError
    assert (box.a, box.b) == (1, 2)


def test_a_function_is_found_wherever_it_was_imported_to():
    places = places_of(compositing.composite)
    assert (compositing, "composite") in places
    assert (shading, "composite") in places


def test_best_of_stops_when_its_time_is_up_and_keeps_the_fastest(monkeypatch):
    seconds = iter([0.02, 0.01, 0.025, 0.001])
    monkeypatch.setattr(clocks, "seconds_of", lambda function, device: next(seconds))
    assert best_of(lambda: None, CPU, most=50, budget_s=0.05) == 0.01
    assert list(seconds) == [0.001]  # three calls, the budget was gone


def test_best_of_makes_no_more_calls_than_it_may():
    calls = []
    best_of(lambda: calls.append(0), CPU, most=4, budget_s=60)
    assert len(calls) == 4


def test_stages_add_up_to_the_whole_and_do_not_nest(subject):
    camera = sized(subject.camera, 16, 16)
    subject.render(camera)
    with stage_clocks(CPU) as found:
        began = time.perf_counter()
        subject.render(camera)
        total = time.perf_counter() - began
    stages = found.milliseconds(total)
    assert {"pose", "survey", "march", "land", "evaluate", "composite"} <= set(stages)
    assert all(value >= 0 for value in stages.values())
    assert sum(stages.values()) == pytest.approx(1e3 * total)


def test_the_memory_of_a_section_is_seen_while_it_lasts():
    before = own_memory_gb()
    with MemoryWatch(CPU) as memory:
        block = np.ones(1 << 27, np.uint8)
        time.sleep(0.05)
        del block
    assert memory.peak_gb > before + 0.1
