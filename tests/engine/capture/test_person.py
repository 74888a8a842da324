# SPDX-License-Identifier: GPL-3.0-or-later
"""Naming one of several people."""

import numpy as np
import pytest

from engine.capture.person import Person, parse_person
from engine.errors import ClipError


@pytest.mark.parametrize("text", ["tallest", "0.5", "1.5,0.2", "0.1,0.2,0.3", "1.2.3,0.5", "-1,0"])
def test_what_names_no_person_is_refused(text):
    with pytest.raises(ClipError, match="names no person"):
        parse_person(text)


def test_no_name_means_one_person_alone():
    assert parse_person(" ") is None


def test_rules_and_points_are_read():
    assert parse_person(" Left ") == Person("left")
    assert parse_person("0.25, 1") == Person("point", (0.25, 1.0))


@pytest.mark.parametrize(
    ("rule", "chosen"), [("left", 1), ("right", 2), ("middle", 0), ("largest", 2)]
)
def test_boxes_are_chosen_by_place_or_size(rule, chosen):
    boxes = np.array([[40, 10, 60, 30], [0, 0, 20, 20], [70, 0, 100, 40.0]])
    assert Person(rule).choose(boxes, 100, 50) == chosen


def test_the_box_nearest_to_the_point_is_chosen():
    boxes = np.array([[0, 0, 10, 10], [0, 40, 10, 50], [90, 40, 100, 50.0]])
    assert [Person("point", at).choose(boxes, 100, 50) for at in ((0, 0), (0, 1), (1, 1))] == [
        0,
        1,
        2,
    ]
