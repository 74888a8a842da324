# SPDX-License-Identifier: GPL-3.0-or-later
"""The window's room: found where it is, refused with a sentence where it cannot be."""

import subprocess
import sys
from pathlib import Path

import pytest

from tooling import suite, window, window_room


def make_room(folder: Path, debian: str) -> Path:
    for name in ("usr/bin", "etc/apt"):
        (folder / name).mkdir(parents=True)
    (folder / "usr/bin/blender").touch()
    (folder / "etc/apt/sources.list").write_text(f"deb MIRROR {debian} main\n")
    return folder


def test_room_is_found_by_itself_and_among_others(tmp_path, monkeypatch):
    sid, trixie = make_room(tmp_path / "sid", "sid"), make_room(tmp_path / "trixie", "trixie")
    monkeypatch.setenv("PARTNERFACE_WINDOW", str(tmp_path))
    assert window_room.find_room("5.2") == sid
    assert window_room.find_room("4.3") == trixie
    monkeypatch.setenv("PARTNERFACE_WINDOW", str(trixie))
    assert window_room.find_room("4.3") == trixie


def test_room_of_another_blender_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(window_room, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("PARTNERFACE_WINDOW", str(make_room(tmp_path / "sid", "trixie")))
    assert window_room.find_room("5.2") is None


def test_other_systems_are_refused_with_a_sentence(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(window_room.NoRoomError, match="needs Linux; this is darwin"):
        window_room.ensure_room()


def test_missing_debootstrap_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(window_room, "missing", lambda: "")
    monkeypatch.setattr(window_room, "CACHE", tmp_path)
    monkeypatch.delenv("PARTNERFACE_WINDOW", raising=False)
    monkeypatch.setattr(window_room.shutil, "which", lambda name, path=None: None)
    with pytest.raises(window_room.NoRoomError, match="needs debootstrap; install it"):
        window_room.ensure_room()


def test_tests_that_cannot_run_are_told_as_such(monkeypatch, capsys):
    def refuse(version):
        raise window_room.NoRoomError("A window without a screen needs a moon.")

    monkeypatch.setattr(suite, "ensure_room", refuse)
    _, outcome, _ = suite.window_step("5.2", []).run()
    assert outcome == "NOT RUN"
    assert "needs a moon" in capsys.readouterr().out


def test_folders_inside_others_are_bound_once(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "link").symlink_to(inner)
    assert window.outermost([inner, tmp_path / "a", tmp_path / "link"]) == [tmp_path / "a"]


@pytest.fixture(scope="module")
def room():
    lacking = window_room.missing()
    found = None if lacking else window_room.find_room()
    if found is None:
        pytest.skip(f"NOT RUN: {lacking or 'no room has been made yet'}")
    return found


def test_run_leaves_no_mount_and_no_process(room, tmp_path):
    before = Path("/proc/mounts").read_text()
    (tmp_path / "here").write_text("seen")
    command = ["sh", "-c", f"cat {tmp_path}/here; sleep 987 & sleep 987"]
    done = window.enter(room, command, [tmp_path], log=tmp_path / "log", limit_s=2)
    assert done.returncode == window.TOO_LONG
    assert (tmp_path / "log").read_text().strip() == "seen"
    assert Path("/proc/mounts").read_text() == before
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert "sleep 987" not in listed


def run_with(outcomes: list[tuple[int, str]], folder: Path, monkeypatch) -> list:
    """`run_scenario` where Blender ends with these statuses and last words; the runs it took."""
    runs = []

    def one_run(*_):
        runs.append(len(runs))
        (folder / "result.json").write_text("7")
        return outcomes[len(runs) - 1]

    monkeypatch.setattr(window, "_one_run", one_run)
    found = window.run_scenario(
        folder, folder / "file.py", "window_it", [], folder,
        extension_zip=None, engine_python=folder / "python", cache=folder,
    )  # fmt: skip
    assert found == 7
    return runs


def test_a_race_for_the_opengl_context_is_told_and_tried_once_more(tmp_path, monkeypatch, capsys):
    race = (1, "X Error: BadAccess (private resource)\n  Minor opcode: 5 (X_GLXMakeCurrent)")
    assert run_with([race, (0, "")], tmp_path, monkeypatch) == [0, 1]
    assert "window_it: the screen ended Blender" in capsys.readouterr().out
    with pytest.raises(window.ScenarioError, match="status 1"):
        run_with([race, race], tmp_path, monkeypatch)


def test_any_other_failure_is_not_tried_again(tmp_path, monkeypatch):
    with pytest.raises(window.ScenarioError, match="status 1"):
        run_with([(1, "AssertionError"), (0, "")], tmp_path, monkeypatch)
