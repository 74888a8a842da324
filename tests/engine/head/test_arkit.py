# SPDX-License-Identifier: GPL-3.0-or-later
"""ARKit's shapes by combinations of coefficients that have other names."""

from dataclasses import replace

import numpy as np
import pytest

from engine.head.anatomy import vertex_landmarks
from engine.head.arkit import JAW_OPEN, arkit_shapes
from engine.head.npz import read_head_npz
from engine.head.transfer import skin_points, unknowns_of

SIDE_STEPS = ("mouthSmile", "eyeBlink", "browDown", "mouthUpperUp")


def mixed(generic, count, rng):
    """The same surface with coefficients that mean nothing by themselves, as FLAME's do."""
    weights = rng.normal(size=(count, len(generic.expression_names))) / np.sqrt(count)
    shapes = np.tensordot(weights, generic.expressions.astype(np.float32), 1)
    return replace(
        generic, model_name="mixed", model_fingerprint="mixed",
        expression_names=tuple(f"expression{i:03d}" for i in range(count)),
        expressions=shapes.astype(np.float16),
    )  # fmt: skip


def regional(generic):
    """Coefficients named by region, as GNM's are, both ways, in parts that lap over each other."""
    chosen = [i for i, name in enumerate(generic.expression_names) if name != "jawForward"]
    shapes = generic.expressions.astype(np.float32)[chosen]
    shapes = shapes - 0.4 * np.roll(shapes, 1, axis=0)
    names = tuple(f"{'upper' if i % 2 else 'lower'}_face_region_{i}" for i in range(len(shapes)))
    return replace(generic, model_name="regional", model_fingerprint="regional",
                   expression_names=names, expressions=shapes.astype(np.float16))  # fmt: skip


@pytest.fixture(scope="module", params=["flame-like", "gnm-like"])
def solved(request, generic_model):
    """The generic mean, a head that is another person's with other coefficients, and its shapes."""
    rng = np.random.default_rng(3)
    other = generic_model.subject(rng.normal(size=len(generic_model.identity_names)) * 0.7)
    head = mixed(other, 60, rng) if request.param == "flame-like" else regional(other)
    return generic_model.mean, head, arkit_shapes(head)


def moves(head, psi, jaw):
    """What coefficients do to the face's skin [S, 3] m."""
    return np.tensordot(np.r_[psi, jaw], unknowns_of(head, skin_points(head)), 1)


def test_the_combination_does_what_the_name_says(solved):
    generic, head, shapes = solved
    assert shapes.psi.shape == (len(shapes.names), len(head.expression_names))
    assert len(set(shapes.names)) == len(shapes.names) >= 40
    likeness = []
    for name, psi, jaw in zip(shapes.names, shapes.psi, shapes.jaw, strict=True):
        truth = np.zeros(len(generic.expression_names))
        truth[[name in (n, n.removesuffix("Left"), n.removesuffix("Right")) for n in
               generic.expression_names]] = 1  # fmt: skip
        wanted = moves(generic, truth, (JAW_OPEN if name == "jawOpen" else 0, 0, 0))
        found = moves(head, psi, jaw)
        likeness.append((wanted * found).sum() / np.sqrt((wanted**2).sum() * (found**2).sum()))
    assert np.median(likeness) > 0.9
    assert min(likeness) > 0.6, shapes.names[int(np.argmin(likeness))]


def test_a_side_is_that_side(solved):
    _, head, shapes = solved
    left = head.vertices[skin_points(head)][:, 0] > 0
    for stem in SIDE_STEPS:
        for side, on in (("Left", left), ("Right", ~left)):
            row = shapes.names.index(f"{stem}{side}")
            energy = (moves(head, shapes.psi[row], shapes.jaw[row]) ** 2).sum(1)
            assert energy[on].sum() > 0.8 * energy.sum(), f"{stem}{side}"


def test_jaw_open_turns_the_jaw_and_the_tongue_cannot_be_done(solved):
    _, _, shapes = solved
    assert shapes.jaw[shapes.names.index("jawOpen"), 0] == pytest.approx(JAW_OPEN, rel=0.3)
    assert "tongueOut" not in shapes.names
    assert not any(name.startswith("eyeLook") for name in shapes.names)


def test_a_head_that_speaks_arkit_needs_none(generic_model, ict_file):
    for head in (generic_model.mean, read_head_npz(ict_file).mean):
        assert arkit_shapes(head).names == ()
        assert arkit_shapes(head).psi.shape == (0, len(head.expression_names))


def test_a_name_that_alone_is_missing_is_found_among_the_others(generic_model):
    generic = generic_model.mean
    names = tuple("odd" if name == "mouthFunnel" else name for name in generic.expression_names)
    shapes = arkit_shapes(replace(generic, model_name="odd", expression_names=names))
    assert shapes.names == ("mouthFunnel",)
    assert int(np.argmax(np.abs(shapes.psi[0]))) == names.index("odd")
    truth = np.eye(len(names))[names.index("odd")]
    wanted, found = (moves(generic, psi, (0, 0, 0)) for psi in (truth, shapes.psi[0]))
    assert np.linalg.norm(wanted - found) < 0.3 * np.linalg.norm(wanted)


def test_a_head_without_landmarks_gets_none(generic_model):
    bare = replace(mixed(generic_model.mean, 20, np.random.default_rng(1)),
                   landmarks68=vertex_landmarks(np.zeros(0, np.int32)))  # fmt: skip
    assert arkit_shapes(bare).names == ()
