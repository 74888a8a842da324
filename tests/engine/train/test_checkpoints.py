# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back to a checkpoint undoes all that training did since."""

import numpy as np
import pytest
import torch
from torch import nn

from engine.adam import Adam
from engine.train.checkpoints import Progress, load_checkpoint, save_checkpoint


def stepped(model, optimiser, value):
    """One step of the optimiser with every gradient at `value`."""
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, value)
    optimiser.step()


def run():
    """A model, its optimiser, a generator and how far the run is."""
    model = nn.Linear(3, 2)
    return model, Adam(model.parameters()), np.random.default_rng(0), Progress()


def moments(optimiser):
    return [state["exp_avg_sq"].clone() for state in optimiser.state.values()]


def test_going_back_brings_the_optimiser_along(tmp_path):
    model, optimiser, random, progress = run()
    stepped(model, optimiser, 1.0)
    progress.step = 1
    before = [weight.clone() for weight in model.parameters()], moments(optimiser)
    save_checkpoint(tmp_path / "c", "key", model, optimiser, random, progress)
    stepped(model, optimiser, 1e15)
    found = load_checkpoint(tmp_path / "c", "key", model, optimiser, random)
    assert found.step == 1
    torch.testing.assert_close((list(model.parameters()), moments(optimiser)), before)


def test_going_back_to_the_beginning_leaves_no_moments(tmp_path):
    """Moments of a run that blew up would hold every weight still, or make it blow up again."""
    model, optimiser, random, progress = run()
    save_checkpoint(tmp_path / "c", "key", model, optimiser, random, progress)
    stepped(model, optimiser, 1e15)
    load_checkpoint(tmp_path / "c", "key", model, optimiser, random)
    assert not optimiser.state


def test_another_runs_checkpoint_is_left_alone(tmp_path):
    model, optimiser, random, progress = run()
    save_checkpoint(tmp_path / "c", "key", model, optimiser, random, progress)
    stepped(model, optimiser, 1.0)
    before = [weight.clone() for weight in model.parameters()], moments(optimiser)
    for path, key in ((tmp_path / "c", "another"), (tmp_path / "none", "key")):
        assert load_checkpoint(path, key, model, optimiser, random) is None
    torch.testing.assert_close((list(model.parameters()), moments(optimiser)), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="NOT TESTED: needs a CUDA device")
def test_a_run_on_a_gpu_goes_on(tmp_path):
    model = nn.Linear(3, 2).cuda()
    optimiser = Adam(model.parameters(), fused=True)
    random, progress = np.random.default_rng(0), Progress()
    stepped(model, optimiser, 1.0)
    save_checkpoint(tmp_path / "c", "key", model, optimiser, random, progress)
    expected = torch.rand(3, device="cuda")
    assert load_checkpoint(tmp_path / "c", "key", model, optimiser, random) is not None
    torch.testing.assert_close(torch.rand(3, device="cuda"), expected)
    stepped(model, optimiser, 1.0)
    assert all(bool(value.isfinite().all()) for value in model.parameters())
