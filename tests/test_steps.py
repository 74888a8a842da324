# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of a test run: side by side, ended when they take too long, told as what they were."""

import os
import sys
import time

import pytest

from tooling import steps
from tooling.steps import Step, run_lanes

WAIT = "import sys, time; time.sleep(float(sys.argv[1])); print('slept', sys.argv[1])"


@pytest.fixture(autouse=True)
def _own_logs(tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "LOGS", tmp_path / "logs")


def step(title, code, *words, limit_s=60.0, **options):
    return Step(title, [sys.executable, "-c", code, *words], limit_s, dict(os.environ), **options)


def test_lanes_run_side_by_side_and_tell_in_their_order(capfd):
    meet = "import sys, pathlib, time\nhere, there = map(pathlib.Path, sys.argv[1:])\n"
    meet += "here.touch()\nend = time.time() + 30\n"
    meet += "while not there.exists():\n    assert time.time() < end\n    time.sleep(0.02)\n"
    a, b = steps.LOGS.parent / "a", steps.LOGS.parent / "b"  # each waits for the other
    found = run_lanes([
        [step("one", meet, str(a), str(b)), step("three", "print('three spoke')")],
        [step("two", meet, str(b), str(a))],
    ])  # fmt: skip
    assert [(title, outcome) for title, outcome, _ in found] == [
        ("one", "passed"), ("three", "passed"), ("two", "passed"),
    ]  # fmt: skip
    assert "== three: passed\nthree spoke" in capfd.readouterr().out


def test_a_failure_does_not_stop_what_follows():
    found = run_lanes([[step("bad", "raise SystemExit(3)"), step("good", "")]])
    assert [outcome for _, outcome, _ in found] == ["FAILED", "passed"]


@pytest.mark.skipif(os.name == "nt", reason="process groups are Unix's")
def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    child = "import subprocess, sys\n"
    child += "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    child += f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid))\np.wait()"
    (title, outcome, seconds), _ = run_lanes([[step("long", child, limit_s=2.0)], [step("x", "")]])
    assert (title, outcome) == ("long", "too long")
    assert seconds < 30
    pid = int((tmp_path / "pid").read_text())
    end = time.monotonic() + 5
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid):
    """Whether a process runs; one that has ended and was not asked for counts as ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_what_cannot_be_run_is_told_and_not_passed(capsys):
    asked = step("window", "", prepare=lambda: "A window needs a moon.")
    assert run_lanes([[asked]])[0][1] == "NOT RUN"
    assert "NOT RUN: A window needs a moon." in capsys.readouterr().out
