# SPDX-License-Identifier: GPL-3.0-or-later
"""Our Adam is torch's own, and spares the wait for torch's compiler."""

import subprocess
import sys

import torch

from engine.adam import Adam

LOOK = """
import sys
import torch
from engine.adam import Adam
value = torch.nn.Parameter(torch.ones(3))
optimiser = Adam([value], fused=True)
value.grad = torch.ones(3)
optimiser.step()
optimiser.zero_grad()
optimiser.load_state_dict(optimiser.state_dict())
print("torch._dynamo" in sys.modules)
"""


def test_steps_do_not_load_the_compiler():
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, timeout=100)
    assert done.stdout.strip() == "False", done.stderr


def test_steps_are_those_of_torch():
    random = torch.Generator().manual_seed(0)
    start, gradients = torch.rand(4, 3, generator=random), torch.rand(5, 4, 3, generator=random)
    ends = []
    for kind in (Adam, torch.optim.Adam):
        value = torch.nn.Parameter(start.clone())
        optimiser = kind([{"params": [value], "lr": 0.1}], betas=(0.9, 0.99), fused=True)
        for gradient in gradients:
            value.grad = gradient.clone()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            assert value.grad is None
        ends.append(value.detach())
    assert torch.equal(*ends)
    assert not torch.equal(ends[0], start)
