# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line as a user, a script and a terminal meet it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine import cli
from engine.config import COMMANDS
from engine.jobs import Job

ROOT = Path(__file__).parents[2]


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "engine", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, **options,
    )  # fmt: skip


def interrupt(folder, *arguments, when):
    """Start a command, send Ctrl-C once its status says `when`, and wait for its end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", *map(str, arguments), "--job", folder, "--quiet"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 200
    while not when(read_status(folder)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    return process.returncode, out, err


def read_status(folder):
    try:
        return json.loads((folder / "status.json").read_text())
    except FileNotFoundError:
        return {}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_without_loading_torch(command):
    done = run(*command.split(), "--help", env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0
    assert "--json" in done.stdout
    assert " torch" not in done.stderr


def test_a_command_that_is_not_there_is_refused():
    done = run("fly")
    assert done.returncode == 2
    assert done.stdout == ""


def test_json_is_all_that_standard_output_holds(tmp_path):
    done = run(
        "synth", tmp_path / "capture", "--size", 16, "--frames", 20, "--test-frames", 1, "--json"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    result = json.loads(done.stdout)
    assert (result["frames"], result["test_frames"]) == (20, 1)


def test_a_refusal_is_a_sentence_and_one_line_of_json(tmp_path):
    done = run("train", tmp_path / "none", tmp_path / "out", "--json", "--device", "cpu")
    assert done.returncode == 1
    assert done.stdout.count("\n") == 1
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "bad_capture"
    assert error["message"] in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "avatar.safetensors").exists()


def test_an_avatar_that_is_not_there_is_a_sentence(tmp_path):
    for arguments in (
        ["render", tmp_path / "a", tmp_path / "out"],
        ["export", tmp_path / "a", tmp_path / "a.ply"],
    ):
        done = run(*arguments, "--device", "cpu")
        assert done.returncode == 1
        assert "no file" in done.stderr
        assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) in ([], ["out"])


def test_ctrl_c_stops_synth_at_its_next_step(tmp_path):
    arguments = ("synth", tmp_path / "capture", "--size", "32", "--frames", "400")
    status, out, _ = interrupt(tmp_path / "job", *arguments, when=lambda s: s.get("step", 0) >= 2)
    assert status == 130
    assert out == ""
    told = read_status(tmp_path / "job")
    assert told["state"] == "cancelled"
    assert 2 <= told["step"] < 400
    assert not (tmp_path / "capture" / "capture.json").exists()  # half a capture is none


def test_ctrl_c_loses_nothing_of_a_training(tmp_path, trained_avatar):
    capture, out, job = trained_avatar.parents[1] / "capture", tmp_path / "out", tmp_path / "job"
    arguments = ("train", capture, out, "--preset", "draft", "--device", "cpu", "--steps", "400")
    steps = []

    def past(step):
        def when(status):
            training = status.get("state") == "running" and "stage" in status.get("message", "")
            if training:
                steps.append(status["step"])
            return training and status["step"] > step

        return when

    assert interrupt(job, *arguments, when=past(2))[0] == 130
    stopped = read_status(job)
    assert stopped["state"] == "cancelled"
    assert not (out / "avatar.safetensors").exists()
    steps.clear()
    assert interrupt(job, *arguments, when=past(stopped["step"]))[0] == 130
    assert min(steps) == stopped["step"] + 1  # it went on where it was


def test_no_space_is_a_sentence_and_no_capture(tiny_disk):
    done = run("synth", tiny_disk / "capture", "--size", 128, "--frames", 20, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "no_space"
    assert "no space left" in done.stderr
    assert not (tiny_disk / "capture" / "capture.json").exists()


def test_what_libraries_print_goes_to_standard_error(capfd):
    with cli.results_only():
        print("from Python")
        os.write(1, b"from C\n")
    print("the result")
    out, err = capfd.readouterr()
    assert out == "the result\n"
    assert "from Python" in err
    assert "from C" in err


def test_our_own_mistakes_have_a_status_of_their_own(monkeypatch, capsys):
    def broken(name, config):
        with Job(name, quiet=True):
            raise ValueError("oops")

    monkeypatch.setattr(cli, "run", broken)
    assert cli.main(["doctor", "--json"]) == 3
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["code"] == "internal"
    assert "Traceback" in err


@pytest.mark.parametrize(("error", "status"), [(MemoryError(), 1), (KeyboardInterrupt(), 130)])
def test_exit_statuses(monkeypatch, capsys, error, status):
    def fails(name, config):
        raise error

    monkeypatch.setattr(cli, "run", fails)
    assert cli.main(["doctor"]) == status
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGPIPE to speak of")
def test_output_that_nobody_reads_on_is_no_failure_to_tell_of():
    with subprocess.Popen(
        [sys.executable, "-m", "engine", "--help"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdout.close()
        assert process.stderr.read() == b""


def test_every_word_of_the_command_line_is_described_in_ours():
    told = run("--help").stdout
    assert "Union" not in told
    assert all(f"• {name.partition(' ')[0]} " in told for name in COMMANDS)
