# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of pictures as clips, and which folders are refused."""

import cv2
import numpy as np
import pytest
from PIL import Image

from engine.capture.image_folder import open_image_folder
from engine.errors import ClipError


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures named frame1 … frame12, whose brightness tells their number."""
    for n in range(12):
        picture = np.full((48, 64, 3), 20 * n, np.uint8)
        assert cv2.imwrite(str(tmp_path / f"frame{n + 1}.png"), picture)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_pictures_follow_in_natural_order(folder):
    clip = open_image_folder(folder, 10.0)
    assert (clip.width, clip.height, clip.fps, clip.frames) == (64, 48, 10.0, 12)
    frames = list(clip.read(1, 9, 4))
    assert [frame.number for frame in frames] == [1, 5, 9]
    assert [round(frame.picture.mean() / 20) for frame in frames] == [1, 5, 9]
    np.testing.assert_allclose([frame.time for frame in frames], [0.1, 0.5, 0.9])
    assert [(n, round(p.mean() / 20)) for n, p in clip.read_only([10, 2, 99])] == [(2, 2), (10, 10)]


def test_colours_are_red_green_blue(folder):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 2] = 250
    cv2.imwrite(str(folder / "frame0.png"), red)
    picture = next(open_image_folder(folder).read()).picture
    assert picture[..., 0].mean() > 200 > 50 > picture[..., 2].mean()


def test_a_camera_held_upright_is_turned(tmp_path):
    picture = Image.fromarray(np.zeros((48, 64, 3), np.uint8))
    exif = picture.getexif()
    exif[274] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    clip = open_image_folder(tmp_path)
    assert (clip.width, clip.height) == (48, 64)
    assert next(clip.read()).picture.shape == (64, 48, 3)


def test_the_digest_tells_contents_and_frame_rates_apart(folder):
    before = open_image_folder(folder).digest()
    assert open_image_folder(folder).digest() == before
    assert open_image_folder(folder, 30.0).digest() != before
    (folder / "frame12.png").rename(folder / "frame13.png")
    assert open_image_folder(folder).digest() != before


def test_mixed_sizes_are_refused(folder):
    cv2.imwrite(str(folder / "frame7b.png"), np.zeros((50, 64, 3), np.uint8))
    with pytest.raises(ClipError, match=r"differ in size: frame1.png has 64 by 48.*64 by 50"):
        open_image_folder(folder)


def test_a_folder_without_pictures_is_refused(tmp_path):
    (tmp_path / "readme.txt").write_text("nothing")
    with pytest.raises(ClipError, match="holds no pictures"):
        open_image_folder(tmp_path)


def test_a_picture_that_is_none_is_refused_at_once(folder):
    (folder / "frame5.png").write_text("no picture")
    with pytest.raises(ClipError, match=r"frame5\.png cannot be read"):
        open_image_folder(folder)


def test_a_picture_cut_short_is_refused_when_it_is_read(folder):
    file = folder / "frame5.png"
    file.write_bytes(file.read_bytes()[:60])
    clip = open_image_folder(folder)
    with pytest.raises(ClipError, match=r"frame5\.png cannot be read"):
        list(clip.read())
