# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene's frames are rendered, kept when the work is stopped, and come out as EXR too."""

import json
import struct
import zlib

import cv2
import numpy as np
import pytest

from engine.avatar.model import Avatar
from engine.devices import resolve_device
from engine.errors import InputError
from engine.render.colour import scene_linear
from engine.render.exr import exr_bytes
from engine.render.frame import render_frame
from engine.render.sequence import read_sequence
from tests.engine.command_line import result_of


def write(path, avatar, numbers, turn=0.0, **changes):
    """A sequence of the avatar's own motion, its sliders in reverse order."""
    file = Avatar.load(avatar, resolve_device("cpu")).file
    names = list(file.head.expression_names)
    motion, count = file.motion, len(numbers)
    theta = motion.theta[:count].copy()
    theta[-1, 1, 1] += turn
    arrays = {
        "schema_version": 1,
        "frames": np.array(numbers),
        "expressions": np.array(names[::-1]),
        "psi": motion.psi[:count, ::-1],
        "theta": theta,
        "translation": motion.translation[:count],
        "cameras": np.array([json.dumps(file.camera.to_json())] * count),
        "depth_scale": np.full(count, 2.0),
    }
    np.savez(path, **(arrays | changes))
    return file


def render(avatar, out, sequence, *words):
    return result_of("render", avatar, out, "--sequence", sequence, "--device", "cpu", *words)


def test_frames_that_fit_are_kept_and_others_made_anew(trained_avatar, tmp_path):
    out, file = tmp_path / "out", tmp_path / "a.npz"
    write(file, trained_avatar, [5, 7, 9])
    assert render(trained_avatar, out, file)["rendered_now"] == 3
    assert sorted(path.name for path in out.glob("*.png")) == ["0005.png", "0007.png", "0009.png"]
    (out / "0007.png").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert render(trained_avatar, out, file)["rendered_now"] == 1
    assert all((out / name).stat().st_mtime_ns == time for name, time in before.items())
    write(file, trained_avatar, [5, 7, 9], turn=0.3)  # the last frame alone has changed
    assert render(trained_avatar, out, file)["rendered_now"] == 1
    write(file, trained_avatar, [11])  # others in the folder are none of its business
    assert render(trained_avatar, out, file)["rendered_now"] == 1
    assert len(list(out.glob("*.png"))) == 4


def test_an_exr_holds_what_blender_would_get(trained_avatar, tmp_path):
    out, path = tmp_path / "out", tmp_path / "a.npz"
    file = write(path, trained_avatar, [1])
    render(trained_avatar, out, path, "--file-format", "exr")
    avatar = Avatar.load(trained_avatar, resolve_device("cpu"))
    motion = file.motion
    planes = render_frame(
        avatar, file.camera, motion.psi[0], motion.theta[0], motion.translation[0]
    )
    found = read_exr((out / "0001.exr").read_bytes())
    wanted = scene_linear(planes.colour, planes.alpha)
    for i, name in enumerate("RGBA"):
        np.testing.assert_allclose(
            found[f"ViewLayer.Combined.{name}"], wanted[..., i], atol=2e-3, rtol=2e-3
        )
    inside = planes.depth < 1e9
    assert inside.any()
    np.testing.assert_allclose(
        found["ViewLayer.Depth.Z"][inside], 2.0 * planes.depth[inside], rtol=1e-5
    )
    assert (found["ViewLayer.Depth.Z"][~inside] >= 1e9).all()


def read_exr(data):
    """The channels of a file, read as the format's description says, slowly."""
    position, listed, box = 8, [], None
    while data[position]:
        name, _, rest = data[position:].partition(b"\0")
        kind, _, _ = rest.partition(b"\0")
        position += len(name) + len(kind) + 2
        (length,) = struct.unpack_from("<i", data, position)
        value = data[position + 4 : position + 4 + length]
        position += 4 + length
        if name == b"channels":
            while value[0]:
                channel, _, value = value.partition(b"\0")
                listed.append((channel.decode(), "<f2" if value[0] == 1 else "<f4"))
                value = value[16:]
        if name == b"dataWindow":
            box = struct.unpack("<iiii", value)
    width, height = box[2] + 1, box[3] + 1
    offsets = np.frombuffer(data, "<u8", -(-height // 16), position + 1)
    found = {name: np.zeros((height, width)) for name, _ in listed}
    for offset in offsets.tolist():
        top, length = struct.unpack_from("<ii", data, offset)
        rows = range(top, min(top + 16, height))
        size = len(rows) * sum(width * int(kind[-1]) for _, kind in listed)
        raw = data[offset + 8 : offset + 8 + length]
        if length < size:
            steps = bytearray(zlib.decompress(raw))
            for i in range(1, size):
                steps[i] = (steps[i] + steps[i - 1] - 128) & 255
            half = (size + 1) // 2
            raw = bytearray(size)
            raw[0::2], raw[1::2] = steps[:half], steps[half:]
        place = 0
        for row in rows:
            for name, kind in listed:
                found[name][row] = np.frombuffer(bytes(raw), kind, width, place)
                place += width * int(kind[-1])
    return found


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (16, 4), (33, 17)])
def test_exr_of_any_size_survives(shape):
    random = np.random.default_rng(0)
    channels = {"b": random.normal(size=shape).astype(np.float16),
                "a.Z": random.normal(size=shape).astype(np.float32)}  # fmt: skip
    found = read_exr(exr_bytes(channels))
    for name, plane in channels.items():
        np.testing.assert_array_equal(found[name], plane)


@pytest.mark.parametrize(
    "changes",
    [{"schema_version": 9}, {"frames": np.array([1])}, {"cameras": np.array(["{}"] * 2)},
     {"theta": np.full((2, 5, 3), np.nan)}, {"translation": np.full((2, 3), np.nan)},
     {"psi": np.array([{}, {}], object)}],
)  # fmt: skip
def test_a_sequence_that_makes_no_sense_is_a_sentence(trained_avatar, tmp_path, changes):
    path = tmp_path / "a.npz"
    write(path, trained_avatar, [1, 2], **changes)
    with pytest.raises(InputError):
        read_sequence(path)


@pytest.mark.parametrize("kept", [0, 1000])
def test_a_sequence_cut_short_is_a_sentence(trained_avatar, tmp_path, kept):
    path = tmp_path / "a.npz"
    write(path, trained_avatar, [1, 2])
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="cannot be used"):
        read_sequence(path)


def test_a_small_picture_is_shown_while_it_renders(trained_avatar, tmp_path):
    path = tmp_path / "a.npz"
    write(path, trained_avatar, [1])
    render(trained_avatar, tmp_path / "out", path, "--job", tmp_path / "job")
    picture = cv2.imread(str(tmp_path / "job" / "preview.png"), cv2.IMREAD_UNCHANGED)
    assert picture.shape[2] == 4
    assert picture[..., 3].max() > 100
