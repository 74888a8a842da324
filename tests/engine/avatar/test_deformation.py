# SPDX-License-Identifier: GPL-3.0-or-later
"""The deformations: blending, masks, equal sizes, and the split first layer against a plain net."""

from dataclasses import replace

import pytest
import torch

from engine.avatar.config import ModelConfig
from engine.avatar.deformation import DEFORMATIONS, Condition, GlobalDeformation, PartDeformation
from engine.avatar.masks import expression_mask, joint_mask
from engine.avatar.nets import LocalMlps, encode_frequencies, encoded_size
from engine.head.library import load_head_model
from engine.head.model import JOINTS, PARTS

EXPRESSIONS_OF_PARTS = {
    "eyeBlinkLeft": "eye_left",
    "eyeBlinkRight": "eye_right",
    "browInnerUp": "brows",
    "mouthPucker": "mouth",
}


@pytest.fixture(scope="module")
def head():
    model = load_head_model("generic")
    return model.mean


def condition(head, frames=1, seed=0):
    g = torch.Generator().manual_seed(seed)
    config = ModelConfig()
    return Condition(
        psi=torch.rand(frames, len(PARTS), len(head.expression_names), generator=g),
        theta=0.2 * torch.randn(frames, len(JOINTS), 3, generator=g),
        code=torch.randn(frames, config.code_size, generator=g),
        appearance=torch.randn(frames, config.appearance_size, generator=g),
    )


def test_encoding_opens_octave_by_octave():
    x = torch.rand(5, 3)
    closed = encode_frequencies(x, 4, window=0.0)
    assert closed.shape == (5, encoded_size(4))
    assert closed[:, 3:].abs().max() == 0
    half = encode_frequencies(x, 4, window=2.0)
    whole = encode_frequencies(x, 4)
    torch.testing.assert_close(half[:, 3:9], whole[:, 3:9])
    assert half[:, 9:15].abs().max() == 0


def test_local_nets_equal_plain_nets_on_the_concatenated_input():
    torch.manual_seed(0)
    nets = LocalMlps(parts=3, inputs=7, condition=5, width=8, outputs=4)
    torch.nn.init.normal_(nets.first_bias)
    torch.nn.init.normal_(nets.second_bias)
    x, told = torch.randn(20, 7), torch.randn(2, 3, 5)
    frame = torch.arange(20) % 2
    result = nets(x, torch.nn.functional.one_hot(frame, 2).float(), told)
    for p in range(3):
        joined = torch.cat([x, told[frame, p]], 1)
        weight = torch.cat([nets.first[p], nets.first_condition[p]])
        hidden = torch.relu(joined @ weight + nets.first_bias[p])
        hidden = torch.relu(hidden @ nets.second[p] + nets.second_bias[p])
        torch.testing.assert_close(result[p], hidden @ nets.last[p], rtol=1e-4, atol=1e-5)


def test_both_methods_have_as_many_parameters(head):
    sizes = {
        name: sum(p.numel() for p in kind(ModelConfig(method=name), head).parameters())
        for name, kind in DEFORMATIONS.items()
    }
    assert abs(sizes["global"] / sizes["partnerface"] - 1) < 0.02


def test_masks_tie_expressions_to_the_parts_they_move(head):
    mask = expression_mask(head, 0.25)
    for expression, part in EXPRESSIONS_OF_PARTS.items():
        column = mask[:, head.expression_names.index(expression)]
        assert column[PARTS.index(part)], expression
    left_only = mask[PARTS.index("eye_right"), head.expression_names.index("eyeBlinkLeft")]
    assert not left_only
    assert mask.any(0).all()  # no expression is lost
    assert 0.1 < mask.mean() < 0.7
    jaw = joint_mask(head)[:, JOINTS.index("jaw") - 1]
    assert jaw[PARTS.index("mouth")]
    assert not jaw[PARTS.index("brows")]


def test_a_part_ignores_what_does_not_move_it_and_hard_labels_choose_one_net(head):
    torch.manual_seed(1)
    deformation = PartDeformation(ModelConfig(), head)
    torch.nn.init.normal_(deformation.nets.last)
    x, rows = torch.rand(50, 3) * 2 - 1, torch.ones(50, 1)
    base = condition(head)
    blink = head.expression_names.index("eyeBlinkLeft")
    psi = base.psi.clone()
    psi[..., blink] += 0.7
    for part, moves in (("eye_left", True), ("mouth", False)):
        labels = torch.full((50,), PARTS.index(part))
        before = deformation(x, rows, base, 6.0, labels)
        after = deformation(x, rows, replace(base, psi=psi), 6.0, labels)
        assert bool((after.offset - before.offset).abs().max() > 1e-6) is moves
        assert before.parts[:, PARTS.index(part)].min() == 1


def test_soft_blend_is_the_weighted_sum_of_hard_ones(head):
    torch.manual_seed(2)
    deformation = PartDeformation(ModelConfig(), head)
    torch.nn.init.normal_(deformation.nets.last)
    x, rows, told = torch.rand(30, 3) * 2 - 1, torch.ones(30, 1), condition(head)
    soft = deformation(x, rows, told, 6.0, None)
    torch.testing.assert_close(soft.parts.sum(1), torch.ones(30))
    hard = torch.stack(
        [deformation(x, rows, told, 6.0, torch.full((30,), p)).offset for p in range(len(PARTS))], 1
    )
    torch.testing.assert_close(
        soft.offset, (soft.parts[..., None] * hard).sum(1), rtol=1e-4, atol=1e-6
    )


def test_per_part_expressions_reach_their_part_alone(head):
    torch.manual_seed(3)
    deformation = PartDeformation(ModelConfig(masked=False), head)
    torch.nn.init.normal_(deformation.nets.last)
    x, rows, base = torch.rand(10, 3), torch.ones(10, 1), condition(head)
    psi = base.psi.clone()
    psi[:, PARTS.index("mouth")] += 0.5
    for part in range(len(PARTS)):
        labels = torch.full((10,), part)
        change = deformation(x, rows, replace(base, psi=psi), 6.0, labels).offset
        change = change - deformation(x, rows, base, 6.0, labels).offset
        assert bool(change.abs().max() > 0) is (part == PARTS.index("mouth"))


def test_the_global_net_sees_every_expression_everywhere(head):
    torch.manual_seed(4)
    deformation = GlobalDeformation(ModelConfig(method="global"), head)
    torch.nn.init.normal_(deformation.nets.last)
    x, rows, base = torch.rand(40, 3) * 2 - 1, torch.ones(40, 1), condition(head)
    psi = base.psi.clone()
    psi[..., head.expression_names.index("eyeBlinkLeft")] += 0.7
    change = deformation(x, rows, replace(base, psi=psi), 6.0, None).offset
    change = change - deformation(x, rows, base, 6.0, None).offset
    assert (change.abs().sum(1) > 0).all()
