# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's stages: kept, run again, continued, failed with a sentence."""

import sys

import pytest

from showcase.stages import Notebook, Stage, StageError, StageStopped, run_stage

COUNT = """
import json, pathlib, sys
path = pathlib.Path(sys.argv[1])
number = int(path.read_text()) + 1 if path.exists() else 1
path.write_text(str(number))
print("not this line")
print(json.dumps({"number": number}))
"""


@pytest.fixture
def counter(tmp_path):
    """Makes a stage that counts its runs in its output file."""

    def make(name="count", *words, **entries):
        path = tmp_path / name
        command = [sys.executable, "-c", COUNT, path, *words]
        return Stage(name, "counting", command, [path], **entries)

    return make


@pytest.fixture
def notebook(tmp_path):
    return Notebook(tmp_path / "stages.json")


def script(text, **entries):
    return Stage("script", "a script", [sys.executable, "-c", text], [], **entries)


def test_finished_stage_is_kept_over_a_restart(counter, notebook, tmp_path):
    first = run_stage(counter(), notebook, tmp_path / "log")
    assert first.result == {"number": 1}
    assert first.seconds > 0
    again = run_stage(counter(), Notebook(notebook.path), tmp_path / "log")
    assert again == first


def test_other_settings_start_from_nothing(counter, notebook, tmp_path):
    run_stage(counter(), notebook, tmp_path / "log")
    other = run_stage(counter("count", "--other"), notebook, tmp_path / "log")
    assert other.result == {"number": 1}


def test_half_finished_stage_goes_on(counter, notebook, tmp_path):
    run_stage(counter(), notebook, tmp_path / "log")
    del notebook.records["count"]
    notebook.write()
    assert run_stage(counter(), Notebook(notebook.path), tmp_path / "log").result == {"number": 2}


def test_lost_output_is_made_again(counter, notebook, tmp_path):
    run_stage(counter(), notebook, tmp_path / "log")
    (tmp_path / "count").unlink()
    assert run_stage(counter(), notebook, tmp_path / "log").result == {"number": 1}


def test_what_a_stage_needs_decides_over_it(counter, notebook, tmp_path):
    run_stage(counter("first"), notebook, tmp_path / "log")
    before = run_stage(counter("second", needs=["first"]), notebook, tmp_path / "log")
    run_stage(counter("first", "--other"), notebook, tmp_path / "log")
    after = run_stage(counter("second", needs=["first"]), notebook, tmp_path / "log")
    assert before.key != after.key


def test_changed_input_file_decides_too(counter, notebook, tmp_path):
    clip = tmp_path / "clip"
    clip.write_text("a")
    before = run_stage(counter(inputs=[clip]), notebook, tmp_path / "log")
    clip.write_text("ab")
    assert run_stage(counter(inputs=[clip]), notebook, tmp_path / "log").key != before.key


def test_output_of_another_stage_is_not_taken_for_ones_own(counter, notebook, tmp_path):
    one = counter()
    run_stage(one, notebook, tmp_path / "log")
    other = Stage("other", "same place", [*one.command, "--other"], one.outputs)
    assert run_stage(other, notebook, tmp_path / "log").result == {"number": 1}
    assert run_stage(one, notebook, tmp_path / "log").result == {"number": 1}
    assert run_stage(one, notebook, tmp_path / "log").result == {"number": 1}


def test_failure_ends_with_the_stage_own_sentence(notebook, tmp_path):
    text = 'print(\'{"error": {"message": "No face.", "hint": "Film one."}}\'); raise SystemExit(1)'
    with pytest.raises(StageError, match=r"^No face\. Film one\.$"):
        run_stage(script(text), notebook, tmp_path / "log")


def test_crash_ends_with_the_last_line_and_the_log(notebook, tmp_path):
    with pytest.raises(StageError, match=r"failed \(status 1\): ZeroDivisionError.*log"):
        run_stage(script("1/0"), notebook, tmp_path / "log")
    assert "ZeroDivisionError" in (tmp_path / "log").read_text()


def test_missing_output_is_a_failure(notebook, tmp_path):
    stage = Stage("none", "nothing", [sys.executable, "-c", ""], [tmp_path / "result"])
    with pytest.raises(StageError, match="ended without result"):
        run_stage(stage, notebook, tmp_path / "log")


def test_hanging_stage_is_ended(notebook, tmp_path):
    with pytest.raises(StageError, match="took longer than 1 s"):
        run_stage(script("import time; time.sleep(60)", limit_s=1), notebook, tmp_path / "log")


def test_stopped_stage_is_no_failure(notebook, tmp_path):
    with pytest.raises(StageStopped):
        run_stage(script("raise SystemExit(130)"), notebook, tmp_path / "log")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_memory_of_children_is_counted(notebook, tmp_path):
    child = "import time; hold = bytearray(200_000_000); time.sleep(1.5)"
    text = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    record = run_stage(script(text), notebook, tmp_path / "log")
    assert record.peak_memory_mb > 200
