# SPDX-License-Identifier: GPL-3.0-or-later
"""Items shared out among cores: in order, a few at a time, and nothing runs on."""

import threading
import time
from contextlib import closing

import pytest
import torch

from engine.cores import AHEAD, beside, each, in_order, shared_out


def test_results_are_in_order_and_few_items_are_under_way():
    taken, begun = 0, []

    def work(number):
        time.sleep(0.002 * (5 - number % 5))  # later ones are done sooner
        return number**2

    def items():
        for number in range(40):
            begun.append(number - taken)
            yield number

    for number, result in enumerate(in_order(work, items())):
        assert result == number**2
        taken += 1
    assert taken == 40
    assert max(begun) <= AHEAD + 1


def test_the_first_is_done_alone():
    first_done, early = threading.Event(), []

    def work(number):
        if number == 0:
            time.sleep(0.05)
            first_done.set()
        elif not first_done.is_set():
            early.append(number)

    assert len(list(in_order(work, range(8)))) == 8
    assert not early


@pytest.mark.parametrize("where", ["work", "items", "taker"])
def test_nothing_runs_on_after_an_error(where):
    finished = []

    def work(number):
        if where == "work" and number == 3:
            raise ValueError("three")
        time.sleep(0.01)
        finished.append(number)
        return number

    def items():
        for number in range(100):
            if where == "items" and number == 3:
                raise ValueError("three")
            yield number

    def take():
        with closing(in_order(work, items())) as results:
            for result in results:
                if where == "taker" and result == 3:
                    raise ValueError("three")

    with pytest.raises(ValueError, match="three"):
        take()
    count = len(finished)
    time.sleep(0.05)
    assert len(finished) == count < 20


def test_torch_keeps_to_one_core_in_every_thread_and_gets_them_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with shared_out():
            assert torch.get_num_threads() == 1
            assert each(lambda _: torch.get_num_threads(), range(8)) == [1] * 8
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_work_has_no_gradients():
    weight = torch.ones(3, requires_grad=True)
    assert not any(each(lambda k: (weight * k).requires_grad, range(4)))


def test_work_beside_runs_meanwhile_and_is_over_even_after_an_error():
    begun, done, before = threading.Event(), threading.Event(), torch.get_num_threads()

    def work():
        begun.set()
        assert torch.get_num_threads() == 1
        time.sleep(0.05)
        done.set()
        return 7

    torch.set_num_threads(2)
    try:
        with beside(work, torch.device("cpu")) as result:
            assert begun.wait(5)
            assert not done.is_set()
            assert torch.get_num_threads() == 1
            assert result() == 7
        assert torch.get_num_threads() == 2
        done.clear()
        with pytest.raises(ValueError, match="three"), beside(work, torch.device("cpu")):
            raise ValueError("three")
        assert done.is_set()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_what_fails_beside_fails_where_its_result_is_asked_for():
    def work():
        raise ValueError("three")

    with beside(work, torch.device("cpu")) as result, pytest.raises(ValueError, match="three"):
        result()


def test_items_may_have_something_done_beside_them():
    def work(number):
        with beside(lambda: number, torch.device("cpu")) as result:
            return result()

    assert each(work, range(40)) == list(range(40))


def test_another_device_is_given_its_work_first():
    order = []
    with beside(lambda: order.append("work"), torch.device("cuda")):
        order.append("block")
    assert order == ["work", "block"]
