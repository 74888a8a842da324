# SPDX-License-Identifier: GPL-3.0-or-later
"""In which steps a picture comes, and with how many pixels at first."""


def blender_ladders():
    from blender_side import addon

    wishes = addon("viewport.wishes")
    sizes = ((900, 512, "exact"), (900, 512, "preview"), (100, 512, "frame-baked"))
    return [[[r.side, r.quality] for r in wishes.ladder(*size, 96)] for size in sizes]


def test_pictures_come_coarse_then_fine_then_as_chosen(in_new_blender):
    exact, preview, small = in_new_blender(blender_ladders)
    assert exact == [[96, "preview"], [512, "preview"], [512, "exact"]]
    assert preview == [[96, "preview"], [512, "preview"]]
    assert small == [[100, "preview"], [100, "frame-baked"]]


def blender_pace_at_a_cliff():
    from blender_side import addon

    pace, sides = addon("viewport.wishes").Pace(), []
    for _ in range(60):
        pace.learn(pace.side, 0.05 if pace.side < 120 else 0.2)
        sides.append(pace.side)
    return sides


def test_a_side_that_was_too_slow_is_not_tried_again_soon(in_new_blender):
    """Where larger pictures are looked at more finely, the next side may take several times."""
    sides = in_new_blender(blender_pace_at_a_cliff)
    assert 1 <= sum(side >= 120 for side in sides) <= 3


def blender_paces():
    from blender_side import addon

    pace, sides = addon("viewport.wishes").Pace(), []
    slow = [(96, 0.3), (77, 0.3), (64, 0.3), (64, 0.12), (40, 0.01)]
    for side, seconds in slow + [(256, 0.01)] * 40:
        pace.learn(side, seconds)
        sides.append(pace.side)
    return sides


def test_coarse_pictures_have_as_many_pixels_as_come_at_once(in_new_blender):
    slow, slower, slowest, fits, small, *quick = in_new_blender(blender_paces)
    assert 96 > slow > slower >= 64
    assert slowest == fits == small == 64  # a small picture's speed says nothing of larger ones
    assert quick == sorted(quick)
    assert quick[-1] == 256
