# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes that the tests write themselves come back as they were meant."""

import json
import math

import numpy as np
import pytest

ANGLES = "HeadYaw HeadPitch HeadRoll LeftEyeYaw LeftEyePitch LeftEyeRoll RightEyeYaw RightEyePitch RightEyeRoll".split()  # noqa: E501


@pytest.fixture(scope="module")
def recording(addon):
    return addon("partnerface_blender.motion.recording")


@pytest.fixture(scope="module")
def names(addon):
    return addon("partnerface_blender.rig.arkit").NAMES


def timecode(frame, rate, begin="14:03:52"):
    """Frame number, whole or not, since the beginning as HH:MM:SS:FF.sub."""
    hours, minutes, seconds = map(int, begin.split(":"))
    whole, part = divmod(frame / rate, 1)
    total = (hours * 3600 + minutes * 60 + seconds + int(whole)) % 86400
    return f"{total // 3600:02d}:{total // 60 % 60:02d}:{total % 60:02d}:{part * rate:06.3f}"


def take(names, frames, rate=60, *, count="BlendShapeCount", camel=False, begin="14:03:52", step=1):
    """A Live Link Face take: column k of frame n holds (n + k) / 1000."""
    titles = [*names, *ANGLES] if camel else [*(n[0].upper() + n[1:] for n in names), *ANGLES]
    lines = [",".join(["Timecode", count, *titles])]
    for n in frames:
        values = [f"{(n + k) / 1000:.6f}" for k in range(len(titles))]
        lines.append(",".join([timecode(n * step, rate, begin), "61", *values]))
    return lines


def write(folder, lines, name="take.csv"):
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("options", [{}, {"camel": True}, {"count": "BlendshapeCount"}])
def test_a_take_in_either_spelling(recording, names, tmp_path, options):
    found = recording.read_recording(write(tmp_path, take(names, range(90), **options)))
    assert set(found.weights) == set(names)
    assert len(found.angles) == 9
    assert np.allclose(found.seconds, np.arange(90) / 60, atol=1e-4)
    assert found.fps == pytest.approx(60, abs=0.1)
    for k, name in enumerate(names):
        assert np.allclose(found.weights[name], (np.arange(90) + k) / 1000, atol=1e-6)
    assert found.angles["headYaw"][3] == pytest.approx(0.055)  # radians stay radians


@pytest.mark.parametrize("rate", [24, 25, 30, 60])
def test_the_rate_is_read_off_the_timecodes(recording, names, tmp_path, rate):
    found = recording.read_recording(write(tmp_path, take(names, range(2 * rate + 5), rate)))
    assert found.fps == pytest.approx(rate, rel=1e-3)


def test_sixty_frames_in_timecodes_that_count_thirty(recording, names, tmp_path):
    found = recording.read_recording(write(tmp_path, take(names, range(130), 30, step=0.5)))
    assert found.fps == pytest.approx(60, rel=1e-3)
    assert found.seconds[-1] == pytest.approx(129 / 60, abs=1e-4)


def test_a_given_rate_goes_first_and_a_short_take_is_of_sixty(recording, names, tmp_path):
    path = write(tmp_path, take(names, range(10), 24))
    assert recording.read_recording(path).fps == pytest.approx(60)
    assert recording.read_recording(path, 24).fps == pytest.approx(24)


def test_dropped_and_lost_and_repeated_frames_leave_a_gap(recording, names, tmp_path):
    lines = take(names, range(100))
    lines[11] = lines[11].split(",")[0] + ",0"  # no face
    lines[12] = lines[12].split(",")[0] + ",61" + "," * 61  # no numbers
    lines[20] = lines[19]  # the same frame again
    del lines[31:36]  # dropped
    found = recording.read_recording(write(tmp_path, lines))
    kept = [n for n in range(100) if n not in (10, 11, 19, *range(30, 35))]
    assert np.allclose(found.seconds, np.array(kept) / 60, atol=1e-4)


def test_a_take_over_midnight_goes_on(recording, names, tmp_path):
    found = recording.read_recording(write(tmp_path, take(names, range(150), 60, begin="23:59:59")))
    assert np.allclose(np.diff(found.seconds), 1 / 60, atol=1e-4)


def test_other_tables(recording, tmp_path):
    lines = ["frame;timestamp_ms;eye_blink_L;MOUTHSMILE_RIGHT;JawOpen;mood"]
    lines += [f"{n};{n * 40};{n / 100};{n / 50};0.5;happy" for n in range(20)]
    found = recording.read_recording(write(tmp_path, ["", *lines]))
    assert set(found.weights) == {"eyeBlinkLeft", "mouthSmileRight", "jawOpen"}
    assert found.fps == pytest.approx(25)
    assert found.weights["mouthSmileRight"][5] == pytest.approx(0.1)
    assert not found.angles
    untimed = ["jawOpen,HeadYaw", *[f"0.1,{n}" for n in range(30)]]
    found = recording.read_recording(write(tmp_path, untimed), 30)
    assert found.seconds[-1] == pytest.approx(29 / 30)
    assert found.angles["headYaw"][-1] == pytest.approx(math.radians(29))  # those were degrees


@pytest.mark.parametrize(
    ("line", "old", "new", "says"),
    [
        (8, "0.010000", "oops", "Line 8 of take.csv has “oops” for"),
        (8, "0.010000", "nan", "Line 8 of take.csv has “nan”"),
        (5, "14:03:52", "later", "Line 5 of take.csv has the timecode “later"),
        (9, "14:03:52", "14:03:51", "Line 9 of take.csv goes back in time"),
    ],
)
def test_what_is_odd_is_said_with_its_line(recording, names, tmp_path, line, old, new, says):
    lines = take(names, range(30))
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    with pytest.raises(recording.RecordingError) as caught:
        recording.read_recording(write(tmp_path, lines))
    assert caught.value.message.startswith(says)
    assert caught.value.hint


def test_files_that_are_no_takes_are_sentences(recording, names, tmp_path):
    for content, says in (
        (b"", "No column"),
        (b"a,b\n1,2\n", "No column"),
        (b"\xff\xfe\x00\x81", "no text file"),
        (b"jawOpen\n", "no face"),
        (b'{"frames": 3}', "not laid out"),
        (b'{"frames": [', "Line 1 of x.csv is no JSON"),
        (b"[1, 2]", "not laid out"),
    ):
        (tmp_path / "x.csv").write_bytes(content)
        with pytest.raises(recording.RecordingError, match=says):
            recording.read_recording(tmp_path / "x.csv")
    for path, says in ((tmp_path, "is a folder"), (tmp_path / "none.csv", "There is no file")):
        with pytest.raises(recording.RecordingError, match=says):
            recording.read_recording(path)


@pytest.mark.parametrize("layout", ["plain", "mediapipe", "matrix"])
def test_json(recording, tmp_path, layout):
    rows = [{"jawOpen": n / 10, "browInnerUp": n / 20, "_neutral": 1.0} for n in range(8)]
    if layout == "plain":
        data = {"fps": 25, "frames": rows}
    elif layout == "mediapipe":
        data = [
            {"timestamp_ms": 40 * n,
             "blendshapes": [{"categoryName": k, "score": v} for k, v in row.items()]}
            for n, row in enumerate(rows)
        ]  # fmt: skip
        data[3]["blendshapes"] = []  # no face
    else:
        data = {
            "exportFps": 25,
            "facsNames": list(rows[0]),
            "weightMat": [[*r.values()] for r in rows],
        }
    (tmp_path / "take.json").write_text(json.dumps(data))
    found = recording.read_recording(tmp_path / "take.json")
    kept = [n for n in range(8) if layout != "mediapipe" or n != 3]
    assert np.allclose(found.seconds, np.array(kept) / 25)
    assert np.allclose(found.weights["jawOpen"], np.array(kept) / 10)
    assert set(found.weights) == {"jawOpen", "browInnerUp"}
