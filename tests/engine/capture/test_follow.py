# SPDX-License-Identifier: GPL-3.0-or-later
"""Following one person: the window, several people, and going on elsewhere."""

import numpy as np
import pytest

from engine.capture.follow import Follower
from engine.capture.marks import Mark
from engine.capture.person import Person, parse_person
from engine.errors import ClipError

from .faces_on_paper import SIDE, PaperProvider, frame


def follow(script, person=None, provider=None):
    """The follower's findings in each frame: middles [x, y] or None; and its marks."""
    provider = provider or PaperProvider(script)
    follower = Follower(provider, SIDE, SIDE, person)
    found = [follower.look(n, frame(n)) for n in range(len(script))]
    middles = [None if p is None else (p.min(0) + p.max(0)) / 2 for p, _ in found]
    return middles, [mark for _, mark in found]


def test_a_face_that_moves_is_followed_in_clip_pixels():
    script = [[(60 + 3 * n, 80 + n, 40)] for n in range(40)]
    middles, marks = follow(script)
    np.testing.assert_allclose(middles, [(x, y) for [(x, y, _)] in script], atol=0.01)
    assert set(marks) == {Mark.OK}


def test_the_window_stands_still_while_the_face_stays_in_its_middle():
    provider = PaperProvider([[(120 + 4 * np.sin(n), 120, 50)] for n in range(60)])
    follow(provider.script, provider=provider)
    assert provider.starts == 1


def test_the_window_moves_in_steps_when_the_face_wanders_or_grows():
    provider = PaperProvider([[(60 + 2 * n, 120, 40)] for n in range(60)])
    follow(provider.script, provider=provider)
    assert 3 < provider.starts < 20
    provider = PaperProvider([[(120, 120, 30 + n)] for n in range(60)])
    follow(provider.script, provider=provider)
    assert 2 < provider.starts < 10


def test_a_face_that_goes_and_comes_back_elsewhere_is_found_again():
    script = [[(60, 80, 40)]] * 5 + [[]] * 5 + [[(180, 160, 40)]] * 5
    middles, marks = follow(script)
    assert marks == [Mark.OK] * 5 + [Mark.NO_FACE] * 5 + [Mark.OK] * 5
    np.testing.assert_allclose(middles[10], (180, 160), atol=0.01)


def test_a_second_face_that_flickers_is_ignored():
    script = [[(80, 120, 40)] + [(120, 120, 38)] * (n % 4 == 3) for n in range(40)]
    middles, marks = follow(script)
    assert set(marks) == {Mark.OK}
    np.testing.assert_allclose(middles, [(80, 120)] * 40, atol=0.01)


@pytest.mark.parametrize("first", [0, 22])
def test_a_second_face_that_stays_is_refused_and_the_option_named(first):
    script = [[(80, 120, 40)] + [(120, 120, 38)] * (n >= first) for n in range(40)]
    with pytest.raises(ClipError, match=f"two faces from frame {first} on") as raised:
        follow(script)
    assert "--person" in raised.value.hint


def test_two_faces_far_apart_are_refused_too():
    with pytest.raises(ClipError, match="two faces from frame 0 on"):
        follow([[(40, 60, 30), (200, 180, 30)]] * 40)


PEOPLE = [(40, 60, 30), (120, 150, 34), (200, 90, 44)]


@pytest.mark.parametrize(
    ("text", "chosen"),
    [("left", 0), ("right", 2), ("middle", 1), ("largest", 2), ("0.2, 0.3", 0), ("0.5,0.6", 1)],
)
def test_the_person_named_is_followed(text, chosen):
    script = [[(x + n, y, s) for x, y, s in PEOPLE] for n in range(20)]
    middles, _ = follow(script, parse_person(text))
    np.testing.assert_allclose(middles, [(PEOPLE[chosen][0] + n, PEOPLE[chosen][1])
                                         for n in range(20)], atol=0.01)  # fmt: skip


@pytest.mark.parametrize(("who", "way"), [("left", 1), ("right", -1)])
def test_two_who_cross_are_not_confused(who, way):
    left = [(50 + 3.5 * n, 118, 40) for n in range(40)]
    right = [(190 - 3.5 * n, 124, 42) for n in range(40)]
    middles, marks = follow([list(pair) for pair in zip(left, right, strict=True)], Person(who))
    mine = left if way == 1 else right
    np.testing.assert_allclose([m[0] for m in middles], [x for x, _, _ in mine], atol=0.01)
    assert marks[0] == Mark.OK
    assert marks[20] == Mark.SECOND_PERSON
    assert marks[-1] == Mark.OK


def test_who_leaves_is_not_replaced_while_near_ones_remain():
    script = [[(60, 60, 40), (110, 60, 40)]] * 10 + [[(110, 60, 40)]] * 10
    _, marks = follow(script, Person("left"))
    assert set(marks[10:]) == {Mark.NO_FACE}


def test_what_only_looks_like_a_face_is_not_chosen():
    class Poster(PaperProvider):
        def find(self, picture):
            boxes = super().find(picture)
            return np.concatenate([boxes, [[5, 100, 35, 130]]])  # nobody is there

    script = [[(100, 120, 40), (190, 120, 40)]] * 8
    middles, _ = follow(script, Person("left"), Poster(script))
    np.testing.assert_allclose(middles, [(100, 120)] * 8, atol=0.01)
    middles, marks = follow([faces[:1] for faces in script], None, Poster([f[:1] for f in script]))
    assert set(marks) == {Mark.OK}


def test_its_state_is_enough_to_go_on():
    script = [[(60 + 2 * n, 80 + n, 40), (200, 200, 30)] for n in range(50)]
    one = Follower(PaperProvider(script), SIDE, SIDE, Person("left"))
    for n in range(25):
        one.look(n, frame(n))
    one.forget()
    other = Follower(PaperProvider(script), SIDE, SIDE, Person("left"))
    other.restore(one.state())
    for n in range(25, 50):
        (a, _), (b, _) = one.look(n, frame(n)), other.look(n, frame(n))
        assert (a == b).all()
    assert (one.state() == other.state()).all()


def test_a_state_without_a_face_comes_back():
    follower = Follower(PaperProvider([[]]), SIDE, SIDE, None)
    follower.look(0, frame(0))
    other = Follower(PaperProvider([[]]), SIDE, SIDE, None)
    other.restore(follower.state())
    assert other.square is None
    assert other.place is None
