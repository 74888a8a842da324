# SPDX-License-Identifier: GPL-3.0-or-later
"""Adam (Kingma and Ba 2015), as torch has it, without the wait for torch's compiler."""

import inspect

import torch


class Adam(torch.optim.Adam):
    """torch's Adam, for steps that are not compiled.

    torch wraps each of these methods in one that loads its compiler, to keep out of what that
    compiles: a second or two at the start of every training. What is wrapped does the work.
    """

    add_param_group = inspect.unwrap(torch.optim.Adam.add_param_group)
    state_dict = inspect.unwrap(torch.optim.Adam.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Adam.load_state_dict)
    zero_grad = inspect.unwrap(torch.optim.Adam.zero_grad)
    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))
