# SPDX-License-Identifier: GPL-3.0-or-later
"""Driving one part's expression alone changes that part's pixels."""

import copy

import numpy as np
import pytest
import torch

from benchmarks.local_control import control_part, picture, strongest_expressions
from engine.avatar.config import ModelConfig
from engine.avatar.model import Avatar
from engine.head.library import load_head_model
from engine.head.model import PARTS
from engine.head.skinning import canonical_vertices
from engine.render.mesh import portrait_camera
from engine.train.prior import start_from_head

SIZE = 64
ENOUGH = 0.9  # of the changed energy
OUTLINE = 0.85  # of it for cheeks: puffed, they move their outline over the background
ASTRAY = 0.1  # of the change, where a keyed expression moves nothing
STRIPES = 260.0  # rad/m: about 24 mm from one to the next


@pytest.fixture(scope="module")
def avatar():
    """A head with stripes all over, an assigner that knows the parts, and lively local nets."""
    torch.manual_seed(0)
    config = ModelConfig(table_bits=12, levels=6, finest=128, occupancy_cells=64, field_width=32)
    avatar = Avatar(config, load_head_model("generic").mean, torch.device("cpu"))
    avatar.occupancy.start(avatar.skin, avatar.low, avatar.size, config.shell)
    start_from_head(avatar, np.random.default_rng(0))
    teach_parts(avatar)
    paint(avatar)
    with torch.no_grad():
        avatar.deformation.nets.last.mul_(3)
        flat = avatar.occupancy.reachable()
        density = avatar.field.sigma(avatar.occupancy.centres(flat))
        avatar.occupancy.remember(flat, density, anew=True)
        avatar.occupancy.refresh()
    return avatar.eval().requires_grad_(False)


def near_skin(avatar, count):
    """Vertices' rows [K] and canonical points [K, 3] m near them."""
    skin = canonical_vertices(avatar.skin)
    rows = torch.randint(len(skin), (count,))
    return rows, skin[rows] + 0.003 * torch.randn(count, 3)


def teach_parts(avatar):
    """Fit the assigner to the head model's parts, as stage one of the training does."""
    assigner = avatar.deformation.assigner
    optimiser = torch.optim.Adam(assigner.parameters(), lr=1e-2)
    for _ in range(200):
        rows, points = near_skin(avatar, 4096)
        logits = assigner(avatar.unit(points) * 2 - 1)
        loss = torch.nn.functional.cross_entropy(logits, avatar.surface_parts[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def paint(avatar):
    """Fit the field's colour to stripes in canonical space; the density stays as it is."""
    field, config = avatar.field, avatar.config
    optimiser = torch.optim.Adam(
        [
            {"params": [field.table], "lr": 1e-2},
            {"params": [*field.density.parameters(), *field.colour.parameters()], "lr": 3e-3},
        ]
    )
    nothing = torch.zeros(4096, config.ambient_size + config.appearance_size)
    ambient, looks = nothing.split([config.ambient_size, config.appearance_size], 1)
    solid = copy.deepcopy(field).requires_grad_(False)
    for _ in range(150):
        _, points = near_skin(avatar, 4096)
        view = torch.nn.functional.normalize(torch.randn(4096, 3), dim=1)
        before = torch.log(solid.sigma(avatar.unit(points)).clamp_min(1e-6))
        sigma, rgb = field(avatar.unit(points), view, ambient, looks)
        wanted = 0.5 + 0.5 * torch.sin(STRIPES * points)
        loss = (rgb - wanted).abs().mean()
        loss = loss + (torch.log(sigma.clamp_min(1e-6)) - before).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


@pytest.fixture(scope="module")
def camera(avatar):
    return portrait_camera(avatar.head.vertices[avatar.head.vertices_in("face")], SIZE)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_driven_alone_changes_its_own_pixels(avatar, camera, part):
    control = control_part(avatar, camera, part, count=1)
    assert control.expressions
    assert control.change > 1e-6
    assert control.share >= (OUTLINE if part.startswith("cheek") else ENOUGH), control


def test_all_parts_driven_alike_are_the_whole_face_driven(avatar, camera):
    psi = np.zeros((len(PARTS), len(avatar.head.expression_names)), np.float32)
    psi[:, strongest_expressions(avatar.head, "mouth", 1)[0]] = 1
    together, _ = picture(avatar, camera, psi)
    whole, _ = picture(avatar, camera, psi[0])
    assert np.abs(together - whole).max() < 1e-2


def test_keyed_for_all_parts_little_goes_astray_until_all_parts_hear_everything(avatar, camera):
    told = avatar.deformation.mask
    as_trained = control_part(avatar, camera, "brows", count=1).astray
    kept = told.clone()
    try:
        told.fill_(1.0)
        avatar.kept.clear()
        everywhere = control_part(avatar, camera, "brows", count=1).astray
    finally:
        told.copy_(kept)
        avatar.kept.clear()
    assert as_trained < ASTRAY < everywhere


def test_the_figure_can_fail(avatar, camera):
    """A part whose region is elsewhere gets little of another part's change."""
    psi = np.zeros((len(PARTS), len(avatar.head.expression_names)), np.float32)
    still, labels = picture(avatar, camera, psi)
    psi[PARTS.index("mouth"), strongest_expressions(avatar.head, "mouth", 1)[0]] = 1
    driven, _ = picture(avatar, camera, psi)
    energy = ((driven - still) ** 2).sum(-1)
    assert energy.sum() > 0
    assert energy[labels == PARTS.index("brows")].sum() < 0.05 * energy.sum()
