# SPDX-License-Identifier: GPL-3.0-or-later
"""Alpha from segmentation, refined on the picture, and from the user's own files."""

import cv2
import numpy as np
import pytest

from engine.capture.closed_form import closed_form, matting_laplacian, unknown_band
from engine.capture.crop import Crop
from engine.capture.guided import follow_edges
from engine.capture.matte_source import REFINED, Mattes, given_pictures
from engine.errors import ClipError

SIZE = 192
WHOLE = Crop(0, 0, 64, 64)


@pytest.fixture(scope="module")
def hair():
    """A picture of locks of hair before a wall of their brightness, the truth, and a mask."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    true = np.clip(x.max() * 0.55 + 4 * np.sin(y / 4) - x + 0.5, 0, 1)
    dark, wall = np.array([70, 40, 30]), np.array([30, 45, 70])
    picture = true[..., None] * dark + (1 - true[..., None]) * wall
    picture = np.clip(picture + random.normal(0, 1.5, picture.shape), 0, 255).astype(np.uint8)
    mask = cv2.GaussianBlur((x < 0.55 * SIZE).astype(np.float32), (0, 0), 2)
    return picture, true, mask


@pytest.mark.parametrize(("method", "share"), [("guided", 0.35), ("closed-form", 0.15)])
def test_edges_move_to_the_picture(hair, method, share):
    picture, true, mask = hair
    found = REFINED[method](picture, mask)
    assert found.dtype == np.float32
    assert np.abs(found - true).mean() < share * np.abs(mask - true).mean()


def test_no_edge_moves_far(hair):
    _, _, mask = hair
    misleading = np.zeros((SIZE, SIZE, 3), np.uint8)
    misleading[:, 20:] = 200  # an edge far inside the mask
    for method in (follow_edges, closed_form):
        found = method(misleading, mask)
        assert found[:, : int(0.5 * SIZE)].min() > 0.9
        assert found[:, int(0.62 * SIZE) :].max() < 0.1


def test_the_laplacian_lets_linear_functions_of_the_colour_pass(hair):
    picture, _, mask = hair
    _, band = unknown_band(mask)
    laplacian = matting_laplacian(picture, band)
    assert abs(laplacian - laplacian.T).max() < 1e-9
    colours = picture.reshape(-1, 3) / 255.0
    linear = colours @ (0.7, -0.2, 0.4) + 0.1
    rough = np.random.default_rng(1).random(SIZE * SIZE)
    inner = cv2.erode(band.astype(np.uint8), np.ones((5, 5))).ravel() > 0
    assert np.abs(laplacian @ linear)[inner].max() < 1e-2
    assert np.abs(laplacian @ rough)[inner].max() > 0.5


def test_large_pictures_are_solved_smaller(hair, monkeypatch):
    picture, true, mask = hair
    monkeypatch.setattr("engine.capture.closed_form.MOST_UNKNOWN", 800)
    found = closed_form(picture, mask)
    assert found.shape == mask.shape
    assert np.abs(found - true).mean() < np.abs(mask - true).mean()


def write_mattes(folder, count, shape=(64, 64)):
    folder.mkdir()
    for n in range(count):
        cv2.imwrite(str(folder / f"matte{n}.png"), np.full(shape, 10 * n, np.uint8))


def levels(mattes, frames):
    source = mattes.open()
    found = [float(source.alpha(None, source.person(n, None, WHOLE)).mean()) * 255 for n in frames]
    source.close()
    return found


def test_a_folder_of_mattes_follows_the_frames(tmp_path):
    write_mattes(tmp_path / "m", 12)
    assert [p.stem for p in given_pictures(tmp_path / "m")][9:] == ["matte9", "matte10", "matte11"]
    whole = Mattes(str(tmp_path / "m"), (64, 64), 12, None)
    assert levels(whole, [0, 3, 11]) == pytest.approx([0, 30, 110])
    ranged = Mattes(str(tmp_path / "m"), (64, 64), 100, range(40, 52))
    assert levels(ranged, [41, 50]) == pytest.approx([10, 100])


def test_mattes_of_another_size_are_scaled(tmp_path):
    write_mattes(tmp_path / "m", 3, (128, 128))
    assert levels(Mattes(str(tmp_path / "m"), (64, 64), 3, None), [2]) == pytest.approx([20])


def test_a_video_of_mattes_follows_the_frames(write_clip):
    pictures = [np.full((64, 64, 3), 10 * n, np.uint8) for n in range(20)]
    path = write_clip("mattes.mp4", pictures)
    found = levels(Mattes(str(path), (64, 64), 20, None), [5, 19])
    assert found == pytest.approx([50, 190], abs=4)


def test_alpha_channels_are_alpha(tmp_path):
    picture = np.full((64, 64, 4), 200, np.uint8)
    picture[..., 3] = 77
    (tmp_path / "m").mkdir()
    cv2.imwrite(str(tmp_path / "m" / "0.png"), picture)
    assert levels(Mattes(str(tmp_path / "m"), (64, 64), 1, None), [0]) == pytest.approx([77])


def test_a_subject_that_fills_one_frame_is_still_alpha(tmp_path):
    picture = np.full((64, 64, 4), 100, np.uint8)
    (tmp_path / "m").mkdir()
    for n, alpha in enumerate((255, 77, 255)):
        picture[..., 3] = alpha
        cv2.imwrite(str(tmp_path / "m" / f"{n}.png"), picture)
    found = levels(Mattes(str(tmp_path / "m"), (64, 64), 3, None), [0, 1, 2])
    assert found == pytest.approx([255, 77, 255])


def test_a_solid_alpha_everywhere_leaves_the_brightness(tmp_path):
    picture = np.full((64, 64, 4), (90, 90, 90, 255), np.uint8)
    (tmp_path / "m").mkdir()
    cv2.imwrite(str(tmp_path / "m" / "0.png"), picture)
    assert levels(Mattes(str(tmp_path / "m"), (64, 64), 1, None), [0]) == pytest.approx([90])


@pytest.mark.parametrize(
    ("count", "shape", "says"),
    [(12, (64, 64), "12 mattes, but the clip has 20"), (20, (64, 80), "is 80 by 64"),
     (0, (64, 64), "no pictures")],
)  # fmt: skip
def test_mattes_that_do_not_fit_are_refused(tmp_path, count, shape, says):
    write_mattes(tmp_path / "m", count, shape)
    with pytest.raises(ClipError, match=says) as raised:
        Mattes(str(tmp_path / "m"), (64, 64), 20, None)
    assert raised.value.hint


def test_a_wrong_name_says_what_there_is(tmp_path):
    with pytest.raises(ClipError, match="no mattes") as raised:
        Mattes(str(tmp_path / "closed"), (64, 64), 20, None)
    assert "closed-form" in raised.value.hint


def test_a_damaged_matte_is_named(tmp_path):
    write_mattes(tmp_path / "m", 3)
    (tmp_path / "m" / "matte1.png").write_text("no picture")
    with pytest.raises(ClipError, match="frame 1"):
        levels(Mattes(str(tmp_path / "m"), (64, 64), 3, None), [0, 1])
