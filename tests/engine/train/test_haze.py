# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept clear above the skin: face and throat, neither the scalp nor the mouth."""

import numpy as np
import pytest
import torch

from engine.avatar.config import ModelConfig
from engine.avatar.model import Avatar
from engine.head.library import load_head_model
from engine.head.model import REGIONS
from engine.head.skinning import canonical_vertices
from engine.kernels.nearest import signed_distance
from engine.train.haze import HIGH, LOW, haze, places_above_skin

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def avatar():
    torch.manual_seed(0)
    config = ModelConfig(table_bits=10, levels=2, finest=32, occupancy_cells=48)
    return Avatar(config, load_head_model("generic").mean, CPU)


@pytest.fixture(scope="module")
def places(avatar):
    return places_above_skin(avatar)


def test_places_lie_just_above_face_and_throat(avatar, places):
    metres = places[:5000] * avatar.size + avatar.low
    distance, face = signed_distance(
        canonical_vertices(avatar.skin), avatar.skin.faces, metres, 0.05
    )
    assert ((distance > 0) & (distance < HIGH + 1e-5)).float().mean() > 0.99
    assert distance.median() == pytest.approx((LOW + HIGH) / 2, abs=0.001)
    corner = avatar.skin_rows[avatar.skin.faces[face.long()][:, 0]]
    region = avatar.head.vertex_region[corner]
    assert np.isin(region, [REGIONS.index("face"), REGIONS.index("neck")]).mean() > 0.99
    assert metres[:, 1].min() < -0.12 < 0.08 < metres[:, 1].max()  # from the throat to the brows


def test_haze_is_the_opacity_of_a_step_and_is_pulled_down(avatar, places):
    for sigma in (4.0, 400.0):
        with torch.no_grad():
            last = avatar.field.density[-1]
            last.weight[0] = 0
            last.bias[0] = np.log(sigma) - 2.5
        found = haze(avatar, places, np.random.default_rng(0))
        assert float(found.detach()) == pytest.approx(
            1 - np.exp(-sigma * avatar.config.step), rel=1e-3
        )
    avatar.zero_grad()
    found.backward()
    assert avatar.field.density[-1].bias.grad[0] > 0  # descending lowers the density


def test_places_do_not_depend_on_chance(avatar, places):
    torch.manual_seed(1)
    torch.testing.assert_close(places_above_skin(avatar), places)
