# SPDX-License-Identifier: GPL-3.0-or-later
"""High dynamic range is refused, and the advice given works."""

import re
import shlex

import numpy as np
import pytest

from engine.capture.probe import hdr_kind
from engine.capture.video import open_clip
from engine.errors import ClipError

PICTURES = [np.full((64, 96, 3), (200, 120, 90), np.uint8)] * 3
KINDS = {"PQ": ("bt2020", "smpte2084", "bt2020nc"), "HLG": ("bt2020", "arib-std-b67", "bt2020nc"),
         "BT.2020": ("bt2020", "bt2020-10", "bt2020nc")}  # fmt: skip


@pytest.fixture(scope="module")
def hdr_clip(ffmpeg, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hdr")

    def write(kind):
        path = folder / f"{kind}.mp4"
        primaries, transfer, matrix = KINDS[kind]
        told = f"colorprim={primaries}:transfer={transfer}:colormatrix={matrix}"
        ffmpeg(PICTURES, "-c:v", "libx264", "-pix_fmt", "yuv420p10le", "-x264-params", told, path)
        return path

    return write


@pytest.mark.parametrize("kind", list(KINDS))
def test_high_dynamic_range_is_refused_with_advice(hdr_clip, kind):
    with pytest.raises(ClipError, match=re.escape(f"HDR video ({kind})")) as raised:
        open_clip(hdr_clip(kind))
    assert "SDR" in raised.value.hint


def test_the_advice_works(hdr_clip, ffmpeg, tmp_path):
    path = hdr_clip("HLG")
    with pytest.raises(ClipError) as raised:
        open_clip(path)
    words = shlex.split(re.search(r"`ffmpeg (.*)`", raised.value.hint)[1])
    words[words.index("CLIP")], words[-1] = str(path), str(tmp_path / "sdr.mp4")
    ffmpeg(None, *words)
    clip = open_clip(tmp_path / "sdr.mp4")
    assert len(list(clip.read())) == 3


def test_ordinary_ten_bit_video_passes(ffmpeg, tmp_path):
    path = tmp_path / "ten.mp4"
    ffmpeg(PICTURES, "-c:v", "libx264", "-pix_fmt", "yuv420p10le", path)
    assert next(open_clip(path).read()).picture.dtype == np.uint8


def test_what_ffmpeg_prints_is_understood():
    line = "  Stream #0:0[0x1](und): Video: hevc (Main 10), yuv420p10le(tv, {}), 1920x1080"
    assert hdr_kind(line.format("bt2020nc/bt2020/arib-std-b67")) == "HLG"
    assert hdr_kind(line.format("bt709")) == ""
    assert hdr_kind("bt2020 in the file's name\n" + line.format("bt709")) == ""
    assert hdr_kind("") == ""
