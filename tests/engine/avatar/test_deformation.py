# SPDX-License-Identifier: GPL-3.0-or-later
"""The deformations: blending, masks, equal sizes, and the split first layer against a plain net."""

from dataclasses import replace

import pytest
import torch

from engine.avatar.config import ModelConfig
from engine.avatar.deformation import (
    DEFORMATIONS,
    Condition,
    two_largest,
)
from engine.avatar.masks import expression_mask, joint_mask
from engine.avatar.nets import LocalMlps, Mlp, encode_frequencies, encoded_size, in_blocks
from engine.avatar.partition import divide
from engine.head.library import load_head_model
from engine.head.model import JOINTS, PARTS
from engine.train.settings import VARIANTS

EXPRESSIONS_OF_PARTS = {
    "eyeBlinkLeft": "eye_left",
    "eyeBlinkRight": "eye_right",
    "browInnerUpLeft": "brows",
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


def make(head, **changes):
    """A deformation of the method that the changes name."""
    config = ModelConfig(**changes)
    return DEFORMATIONS[config.method](config, head, divide(head, config.parts))


def test_encoding_opens_octave_by_octave():
    x = torch.rand(5, 3)
    closed = encode_frequencies(x, 4, window=0.0)
    assert closed.shape == (5, encoded_size(4))
    assert closed[:, 3:].abs().max() == 0
    half = encode_frequencies(x, 4, window=2.0)
    whole = encode_frequencies(x, 4)
    torch.testing.assert_close(half[:, 3:9], whole[:, 3:9])
    assert half[:, 9:15].abs().max() == 0


@pytest.mark.parametrize(("fast", "tolerance"), [(False, 1e-5), (True, 0.1)])
def test_local_nets_equal_plain_nets_on_the_concatenated_input(fast, tolerance):
    torch.manual_seed(0)
    nets = LocalMlps(parts=3, inputs=7, condition=5, width=8, outputs=4)
    torch.nn.init.normal_(nets.first_bias)
    torch.nn.init.normal_(nets.second_bias)
    x, told, counts = torch.randn(20, 7), torch.randn(2, 3, 5), [12, 0, 8]
    frame = torch.arange(20) % 2
    rows = torch.cat([x, torch.nn.functional.one_hot(frame, 2).float()], 1)
    with torch.autocast("cpu", torch.bfloat16, enabled=fast):  # whose rows are padded
        result = nets(rows, counts, told).float().split(counts)
    for p, inside in enumerate(torch.arange(20).split(counts)):
        joined = torch.cat([x[inside], told[frame[inside], p]], 1)
        weight = torch.cat([nets.first[p], nets.first_condition[p]])
        hidden = torch.relu(joined @ weight + nets.first_bias[p])
        hidden = torch.relu(hidden @ nets.second[p] + nets.second_bias[p])
        wanted = hidden @ nets.last[p]
        torch.testing.assert_close(result[p], wanted, rtol=10 * tolerance, atol=tolerance)
    assert nets(rows[:0], [0, 0, 0], told).shape == (0, 4)


def test_numbers_of_rows_recur_and_added_rows_change_nothing():
    with torch.autocast("cpu", torch.bfloat16):
        sizes = {len(in_blocks(torch.ones(rows, 2))) for rows in range(8000, 16000)}
        assert len(sizes) <= 34
        for rows in (0, 1, 255, 256, 257, 5000, 100_001):
            padded = in_blocks(torch.ones(rows, 1))
            assert rows <= len(padded) <= max(1.04 * rows, rows + 255)
            assert padded.sum() == rows
    assert len(in_blocks(torch.ones(257, 1))) == 257  # products in float32 need none of it
    torch.manual_seed(6)
    net, x = Mlp(5, 16, 3), torch.randn(300, 5, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        plain, padded = net[2](net[1](net[0](x))), net(x)
    torch.testing.assert_close(padded, plain)
    sources = [x, *net.parameters()]
    for mine, true in zip(
        *(torch.autograd.grad(out.float().square().sum(), sources) for out in (padded, plain)),
        strict=True,
    ):
        torch.testing.assert_close(mine, true, rtol=2e-2, atol=2e-2)


def test_two_largest_weights_change_without_jumps():
    torch.manual_seed(5)
    parts = torch.softmax(3 * torch.randn(50, 6, dtype=torch.float64), 1).requires_grad_()
    pairs = two_largest(parts)
    assert sum(pairs.counts) == len(pairs.sample) <= 100
    total = torch.zeros(50, dtype=torch.float64).index_add(0, pairs.sample, pairs.weight)
    torch.testing.assert_close(total, torch.ones(50, dtype=torch.float64), atol=2e-3, rtol=0)
    for p, (sample, weight) in enumerate(
        zip(pairs.sample.split(pairs.counts), pairs.weight.split(pairs.counts), strict=True)
    ):
        largest = parts[sample].topk(3, 1)
        assert (largest.indices[:, :2] == p).any(1).all()
        kept = parts[sample, p] - largest.values[:, 2]
        both = largest.values[:, :2].sum(1) - 2 * largest.values[:, 2]
        torch.testing.assert_close(weight, kept / both)
    near = torch.tensor([[0.5, 0.2501, 0.2499], [0.5, 0.2499, 0.2501]])
    second = [two_largest(row[None]).weight for row in near]
    assert all(float(w.max()) > 0.999 for w in second)
    hard = two_largest(torch.eye(4))
    assert hard.counts == [1, 1, 1, 1]
    assert (hard.weight == 1).all()
    assert two_largest(torch.zeros(0, 5)).counts == [0] * 5
    assert two_largest(torch.ones(3, 1)).counts == [3]


@pytest.mark.parametrize("count", [1, 2, 4, 8, 16, 32])
def test_heads_are_divided_into_as_many_patches_as_wanted(head, count):
    partition = divide(head, count)
    assert len(partition) == count
    assert set(partition.labels.tolist()) == set(range(count))
    assert partition.weights.shape == (len(head.vertices), count)
    for shares in (partition.weights, partition.share):
        torch.testing.assert_close(torch.from_numpy(shares).sum(1), torch.ones(len(shares)))
    if count >= len(PARTS):  # patches of one artists' part each
        assert (partition.share.max(1) == 1).all()
    with pytest.raises(ValueError, match="cannot be divided"):
        divide(head, 5)


def test_all_methods_that_deform_have_as_many_parameters(head):
    sizes = {
        name: sum(p.numel() for p in make(head, **VARIANTS[name][0]).nets.parameters())
        for name in ("partnerface", "global", "parts-1", "parts-4", "parts-16")
    }
    for name, size in sizes.items():
        assert abs(size / sizes["partnerface"] - 1) < 0.05, name


def test_masks_tie_expressions_to_the_parts_they_move(head):
    mask = expression_mask(head, divide(head, len(PARTS)), 0.25)
    for expression, part in EXPRESSIONS_OF_PARTS.items():
        column = mask[:, head.expression_names.index(expression)]
        assert column[PARTS.index(part)], expression
    left_only = mask[PARTS.index("eye_right"), head.expression_names.index("eyeBlinkLeft")]
    assert not left_only
    assert mask.any(0).all()  # no expression is lost
    assert 0.1 < mask.mean() < 0.7
    smile = head.expression_names.index("mouthSmileLeft")
    assert not mask[PARTS.index("rest"), smile]  # hair does not move with it
    jaw = joint_mask(head, divide(head, len(PARTS)))[:, JOINTS.index("jaw") - 1]
    assert jaw[PARTS.index("mouth")]
    assert not jaw[PARTS.index("brows")]


@pytest.mark.parametrize("leak", [0.0, 0.2, 1.0])
def test_a_part_hears_little_of_what_does_not_move_it(head, leak):
    deformation = make(head, mask_leak=leak)
    base, blink = condition(head), head.expression_names.index("eyeBlinkLeft")
    psi = base.psi.clone()
    psi[..., blink] += 1
    heard = (deformation.told(replace(base, psi=psi)) - deformation.told(base))[0, :, blink]
    heard = heard[[PARTS.index("eye_left"), PARTS.index("mouth")]]
    torch.testing.assert_close(heard, torch.tensor([1.0, leak]))


def test_a_part_ignores_what_it_is_not_told_and_hard_labels_choose_one_net(head):
    torch.manual_seed(1)
    deformation = make(head, mask_leak=0.0)
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
    deformation = make(head)
    torch.nn.init.normal_(deformation.nets.last)
    x, rows, told = torch.rand(30, 3) * 2 - 1, torch.ones(30, 1), condition(head)
    soft = deformation(x, rows, told, 6.0, None)
    torch.testing.assert_close(soft.parts.sum(1), torch.ones(30))
    hard = torch.stack(
        [deformation(x, rows, told, 6.0, torch.full((30,), p)).offset for p in range(len(PARTS))], 1
    )
    pairs = two_largest(soft.parts)
    part = torch.repeat_interleave(torch.arange(len(PARTS)), torch.tensor(pairs.counts))
    weighted = pairs.weight[:, None] * hard[pairs.sample, part]
    blended = torch.zeros(30, 3).index_add(0, pairs.sample, weighted)
    torch.testing.assert_close(soft.offset, blended, rtol=1e-4, atol=1e-6)


def test_a_hard_blend_takes_the_likeliest_net_alone(head):
    torch.manual_seed(2)
    deformation = make(head, blend="hard")
    torch.nn.init.normal_(deformation.nets.last)
    x, rows, told = torch.rand(30, 3) * 2 - 1, torch.ones(30, 1), condition(head)
    found = deformation(x, rows, told, 6.0, None)
    assert set(found.parts.unique().tolist()) == {0.0, 1.0}
    labels = found.logits.argmax(1)
    torch.testing.assert_close(found.offset, deformation(x, rows, told, 6.0, labels).offset)


def test_without_a_deformation_nothing_moves(head):
    found = make(head, method="none")(
        torch.rand(7, 3), torch.ones(7, 1), condition(head), 6.0, None
    )
    assert found.offset.abs().max() == 0
    assert found.parts.shape == (7, len(PARTS))


def test_per_part_expressions_reach_their_part_alone(head):
    torch.manual_seed(3)
    deformation = make(head, mask_leak=1.0)
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
    deformation = make(head, method="global")
    torch.nn.init.normal_(deformation.nets.last)
    x, rows, base = torch.rand(40, 3) * 2 - 1, torch.ones(40, 1), condition(head)
    psi = base.psi.clone()
    psi[..., head.expression_names.index("eyeBlinkLeft")] += 0.7
    change = deformation(x, rows, replace(base, psi=psi), 6.0, None).offset
    change = change - deformation(x, rows, base, 6.0, None).offset
    assert (change.abs().sum(1) > 0).all()
