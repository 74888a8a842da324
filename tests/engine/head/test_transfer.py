# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import HeadMismatchError
from engine.head.anatomy import vertex_landmarks
from engine.head.model import EYE_LEFT, EYE_RIGHT, JAW, NECK
from engine.head.motion import Motion
from engine.head.npz import read_head_npz
from engine.head.skinning import HeadTensors, posed_vertices
from engine.head.transfer import make_transfer, skin_points, unknowns_of

KEPT = ("jawOpen", "mouthSmileLeft", "eyeBlinkRight", "browInnerUp")


def params(head, name, strength=1.0):
    """Coefficients [1, E] and jaw [1, 3] of one expression; jawOpen is a turn of 0.3 rad."""
    psi, jaw = np.zeros((1, len(head.expression_names)), np.float32), np.zeros((1, 3), np.float32)
    if name == "jawOpen":
        jaw[0, 0] = 0.3 * strength
        return psi, jaw
    halves = {name, f"{name}Left", f"{name}Right"}  # a model may have a shape in two halves
    psi[0, [i for i, other in enumerate(head.expression_names) if other in halves]] = strength
    assert psi.any()
    return psi, jaw


def displacement(head, psi, jaw):
    columns = unknowns_of(head, skin_points(head))
    return np.tensordot(np.r_[psi[0], jaw[0]], columns, 1)


def likeness(a, b):
    """Correlation of two displacement fields, and what is lost of the first, relative."""
    correlation = (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())
    return correlation, np.sqrt(((a - b) ** 2).sum() / (a**2).sum())


@pytest.fixture(scope="module")
def generic(generic_model):
    return generic_model.mean


@pytest.fixture(scope="module")
def ict(ict_file):
    return read_head_npz(ict_file).mean


@pytest.fixture(scope="module")
def there_and_back(generic, ict):
    return make_transfer(generic, ict), make_transfer(ict, generic)


@pytest.fixture(scope="module")
def unnamed(generic):
    """The same surface with 60 coefficients that mean nothing by themselves, as FLAME's do."""
    rng = np.random.default_rng(3)
    count = len(generic.expression_names)
    mixed = rng.normal(size=(60, count)) / np.sqrt(count)
    shapes = np.tensordot(mixed, generic.expressions.astype(np.float32), 1)
    return replace(
        generic, model_name="unnamed", model_fingerprint="unnamed",
        expression_names=tuple(f"expression{i:03d}" for i in range(60)),
        expressions=shapes.astype(np.float16),
    )  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_to_another_model_and_back_keeps_what_moves(there_and_back, generic, name):
    forth, back = there_and_back
    psi, jaw = params(generic, name)
    other = forth.coefficients(psi, jaw)
    correlation, lost = likeness(
        displacement(generic, psi, jaw), displacement(generic, *back.coefficients(*other))
    )
    assert correlation > 0.98
    assert lost < 0.25


@pytest.mark.parametrize("name", KEPT)
def test_the_other_model_does_the_same_thing(there_and_back, generic, ict, name):
    forth, _ = there_and_back
    psi, jaw = forth.coefficients(*params(generic, name))
    wanted = np.tensordot(np.r_[tuple(a[0] for a in params(generic, name))], forth.carried, 1)
    found = displacement(ict, psi, jaw)
    assert likeness(wanted, found)[0] > 0.75
    if name == "jawOpen":
        assert jaw[0, 0] == pytest.approx(0.3, abs=0.06)
    else:
        names = [ict.expression_names[i] for i in np.argsort(-psi[0])[:2]]
        assert names[0].startswith(name)
        assert (psi >= 0).all()


def test_coefficients_without_names_are_solved_by_what_they_do(generic, unnamed):
    forth, back = make_transfer(generic, unnamed), make_transfer(unnamed, generic)
    for name in KEPT:
        psi, jaw = params(generic, name)
        other = forth.coefficients(psi, jaw)
        wanted = displacement(generic, psi, jaw)
        assert likeness(wanted, displacement(unnamed, *other))[0] > 0.97, name
        again = back.coefficients(*other)
        assert likeness(wanted, displacement(generic, *again))[0] > 0.95, name
        assert again[0].min() >= 0
        assert again[0].max() <= 1.2
    assert forth.error(*params(generic, "jawOpen")) < 0.2


def test_a_model_onto_itself_is_the_identity(generic):
    same = make_transfer(generic, generic)
    rng = np.random.default_rng(1)
    psi = rng.uniform(0, 1, (4, len(generic.expression_names))) * (
        rng.random(psi_shape(generic)) < 0.2
    )
    jaw = np.array([[0.2, 0, 0], [0, 0, 0], [0.1, 0.02, 0], [0.3, 0, -0.02]])
    found, turned = same.coefficients(psi.astype(np.float32), jaw)
    assert np.abs(found - psi).max() < 0.03
    assert np.abs(turned - jaw).max() < 0.005
    assert same.error(psi, jaw) < 0.05


def psi_shape(head):
    return (4, len(head.expression_names))


def test_error_is_the_brute_force_of_what_is_lost(generic, unnamed):
    transfer = make_transfer(unnamed, generic)
    rng = np.random.default_rng(2)
    psi, jaw = rng.normal(size=(3, 60)) * 0.5, rng.uniform(0, 0.2, (3, 3)) * (1, 0, 0)
    found = np.concatenate(transfer.coefficients(psi, jaw), 1)
    wanted = np.tensordot(np.c_[psi, jaw], transfer.carried, 1)
    lost = np.tensordot(found, transfer.columns, 1) - wanted
    truth = np.sqrt((lost**2).sum() / (wanted**2).sum())
    assert transfer.error(psi, jaw) == pytest.approx(truth, rel=1e-3)


def test_the_head_stands_where_it_stood(generic_model):
    rng = np.random.default_rng(5)
    small = generic_model.mean
    big = generic_model.subject(rng.normal(size=len(generic_model.identity_names)))
    scaled = replace(big, vertices=big.vertices * 1.3 + 0.2, joints=big.joints * 1.3 + 0.2,
                     expressions=(big.expressions * 1.3).astype(np.float16))  # fmt: skip
    theta = (rng.normal(size=(3, 5, 3)) * 0.2).astype(np.float32)
    theta[:, JAW] = (0.1, 0, 0)
    motion = Motion(np.zeros((3, len(small.expression_names)), np.float32), theta,
                    rng.normal(size=(3, 3)).astype(np.float32))  # fmt: skip
    carried = make_transfer(small, scaled).motion(motion)
    assert np.array_equal(carried.theta[:, NECK], theta[:, NECK])
    assert np.array_equal(carried.theta[:, EYE_LEFT], theta[:, EYE_LEFT])

    def eyes(head, motion):
        import torch

        posed = posed_vertices(HeadTensors.of(head), *map(torch.from_numpy, (
            motion.psi, motion.theta, motion.translation)))  # fmt: skip
        balls = [head.skin_weights[:, joint] > 0.5 for joint in (EYE_LEFT, EYE_RIGHT)]
        return np.stack([posed.numpy()[:, ball].mean(1) for ball in balls]).mean(0)

    assert np.linalg.norm(eyes(small, motion) - eyes(scaled, carried), axis=1).max() < 0.004  # m


def test_a_head_without_landmarks_is_refused(generic):
    bare = replace(generic, model_name="bare", landmarks68=vertex_landmarks(np.zeros(0, np.int32)))
    for pair in ((generic, bare), (bare, generic)):
        with pytest.raises(HeadMismatchError, match="bare has no landmarks"):
            make_transfer(*pair)
