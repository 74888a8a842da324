# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels replayed on another device: here on the CPU again, and with a mistake put in."""

from dataclasses import replace

import torch

from engine.bench import replay
from engine.bench.replay import KERNELS, share_off
from engine.train.settings import preset

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def test_all_kernels_of_a_frame_and_a_step_are_replayed_and_agree(subject, frames, job):
    settings = replace(
        preset("draft", "partnerface"), samples=300, first_rays=64, frames_per_step=2
    )
    found = replay.replay(subject, settings, frames, DEVICE, 12, job)
    assert {each.kernel for each in found} == {k.__name__ for k in KERNELS} | {"nearest"}
    for each in found:
        assert each.agrees, each
        assert each.values > 100


def test_a_wrong_value_is_noticed():
    right = torch.rand(100) + 1
    wrong = right.clone()
    wrong[:10] *= 1.01
    assert share_off("some", [right], [right + 1e-6]).agrees
    assert not share_off("some", [right], [wrong]).agrees
    wrong[:10] = torch.nan
    assert not share_off("some", [right], [wrong]).agrees
    far = torch.tensor([torch.inf, -torch.inf, 1.0])
    assert share_off("some", [far], [far]).agrees
    assert not share_off("some", [far], [-far]).agrees
    assert not share_off("none", [], []).agrees
