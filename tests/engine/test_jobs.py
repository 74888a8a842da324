# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs from both sides: `engine.jobs` inside the process, the add-on's `jobs` outside it."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from engine.errors import Cancelled, ClipError, InputError, SpaceError
from engine.job_folder import hold_lock, is_held
from engine.jobs import Job

ROOT = Path(__file__).parents[2]


def start(jobs, worker, tmp_path, *arguments):
    folder = tmp_path / "jobs" / "one"
    return jobs.start_job(Path(sys.executable), worker, tmp_path / "cache", arguments, folder)


def wait_for(jobs, folder, *states):
    deadline = time.monotonic() + 30
    while (status := jobs.read_status(folder)).state not in states:
        assert time.monotonic() < deadline, status
        time.sleep(0.02)
    return status


def test_a_job_is_watched_to_its_end(jobs, worker, tmp_path):
    status = start(jobs, worker, tmp_path, "count", "60", "well")
    assert status.state == "starting"
    status = wait_for(jobs, status.folder, "running")
    status = wait_for(jobs, status.folder, "done")
    assert status.kind == "count"
    assert status.fraction == 1.0
    assert status.figures["loss"] < 0.1
    assert status.result == {"steps": 60}
    assert status.arguments == ("count", "60", "well")
    assert not status.active


def test_a_refusal_is_told(jobs, worker, tmp_path):
    status = wait_for(jobs, start(jobs, worker, tmp_path, "count", "1", "refuse").folder, "failed")
    assert status.error == {
        "code": "bad_clip",
        "message": "The clip is empty.",
        "hint": "Choose another clip.",
    }
    assert status.sentence == "The clip is empty. Choose another clip."


def test_a_mistake_is_told_and_logged(jobs, worker, tmp_path):
    status = wait_for(jobs, start(jobs, worker, tmp_path, "count", "1", "break").folder, "failed")
    assert status.error["code"] == "internal"
    time.sleep(0.3)
    assert "ZeroDivisionError" in (status.folder / "log.txt").read_text()


def test_a_cancelled_job_stops_and_says_so(jobs, worker, tmp_path):
    folder = start(jobs, worker, tmp_path, "count", "100000", "well").folder
    wait_for(jobs, folder, "running")
    while not jobs.read_status(folder).step:
        time.sleep(0.02)
    jobs.cancel_job(folder)
    status = wait_for(jobs, folder, "cancelled")
    assert 0 < status.step < 100000
    assert not (folder / "cancel").exists()


def test_a_job_that_is_cancelled_before_it_runs_does_not_run(jobs, worker, tmp_path):
    folder = start(jobs, worker, tmp_path, "count", "100000", "well").folder
    jobs.cancel_job(folder)
    assert wait_for(jobs, folder, "cancelled", "done").state == "cancelled"


def test_a_killed_job_is_lost_though_its_status_says_running(jobs, worker, tmp_path):
    folder = start(jobs, worker, tmp_path, "count", "100000", "well").folder
    wait_for(jobs, folder, "running")
    os.kill(json.loads((folder / "status.json").read_text())["pid"], signal.SIGKILL)
    status = wait_for(jobs, folder, "lost")
    assert "ended without a word" in status.sentence
    assert json.loads((folder / "status.json").read_text())["state"] == "running"
    jobs.start_job(Path(sys.executable), worker, tmp_path / "cache", ["count", "3", "well"], folder)
    wait_for(jobs, folder, "done")  # the folder is good for another start


def test_a_stopped_job_is_alive(jobs, worker, tmp_path):
    """Asking whether it lives neither wakes nor ends it."""
    folder = start(jobs, worker, tmp_path, "count", "50", "well").folder
    wait_for(jobs, folder, "running")
    pid = json.loads((folder / "status.json").read_text())["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(5):
            assert jobs.read_status(folder).state == "running"
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(jobs, folder, "done")


def test_a_folder_holds_one_job_at_a_time(jobs, worker, tmp_path):
    folder = start(jobs, worker, tmp_path, "count", "100000", "well").folder
    with pytest.raises(Exception, match=r"at work in .* already"):
        start(jobs, worker, tmp_path, "count", "1", "well")
    wait_for(jobs, folder, "running")
    with pytest.raises(InputError, match="Another job"), Job("train", folder, quiet=True):
        pass
    assert jobs.read_status(folder).state == "running"  # the first one is not disturbed
    jobs.cancel_job(folder)
    wait_for(jobs, folder, "cancelled")


def test_a_python_that_cannot_run_the_engine_is_a_sentence(jobs, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    python = tmp_path / "bare" / "bin" / "python"
    folder = tmp_path / "job"
    jobs.start_job(python, ROOT, tmp_path / "cache", ["doctor"], folder)
    status = wait_for(jobs, folder, "failed")
    assert "tyro" in status.sentence


def test_a_python_that_is_not_there_is_a_sentence(jobs, tmp_path):
    with pytest.raises(Exception, match="cannot be started"):
        jobs.start_job(tmp_path / "python", ROOT, tmp_path / "cache", ["doctor"], tmp_path / "job")
    assert jobs.find_jobs(tmp_path) == []


def test_a_job_outlives_whoever_started_it_and_is_found_again(jobs, worker, tmp_path):
    starter = textwrap.dedent(f"""
        import importlib, os, signal, sys, types
        from pathlib import Path
        package = types.ModuleType("partnerface")
        package.__path__ = [{str(ROOT)!r}]
        sys.modules["partnerface"] = package
        jobs = importlib.import_module("partnerface.partnerface_blender.jobs.process")
        here = Path({str(tmp_path)!r})
        jobs.start_job(Path(sys.executable), Path({str(worker)!r}), here / "cache",
                       ["count", "150", "well"], here / "jobs" / "far")
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    assert subprocess.run([sys.executable, "-c", starter]).returncode == -signal.SIGKILL
    (status,) = jobs.find_jobs(tmp_path / "jobs")
    assert status.active
    wait_for(jobs, status.folder, "running")
    assert wait_for(jobs, status.folder, "done").result == {"steps": 150}


def test_odd_folders_are_no_jobs(jobs, tmp_path):
    assert jobs.read_status(tmp_path / "none").state == "lost"
    assert jobs.find_jobs(tmp_path / "none") == []
    for name, text in {"a": "", "b": "[]", "c": '{"state": "running"}', "d": "{"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "status.json").write_text(text)
    assert {status.state for status in jobs.find_jobs(tmp_path)} == {"lost"}
    (tmp_path / "a" / "status.json").write_text('{"schema_version": 99, "state": "running"}')
    assert "newer PartNerFace" in jobs.read_status(tmp_path / "a").sentence


def test_the_lock_is_told_apart(tmp_path):
    assert not is_held(tmp_path)
    handle = hold_lock(tmp_path)
    assert is_held(tmp_path)
    assert hold_lock(tmp_path) is None
    os.close(handle)
    assert not is_held(tmp_path)


def test_status_is_always_whole(jobs, tmp_path):
    """Whoever reads at any moment reads JSON."""
    with Job("train", tmp_path, quiet=True) as job:
        for step in range(200):
            job._last_status = 0.0  # write at every step
            job.update("x" * (step % 50 + 1), step, 200)
            assert json.loads((tmp_path / "status.json").read_text())["step"] == step
    assert not list(tmp_path.glob(".status-*"))


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (None, "done", None),
        (Cancelled("x"), "cancelled", None),
        (KeyboardInterrupt(), "cancelled", None),
        (ClipError("No face.", "Film one."), "failed", "bad_clip"),
        (MemoryError(), "failed", "no_memory"),
        (ModuleNotFoundError("no", name="mediapipe"), "failed", "missing_package"),
        (OSError(28, "No space left on device"), "failed", "no_space"),
        (ValueError("oops"), "failed", "internal"),
    ],
)
def test_how_a_job_ended_is_recorded(tmp_path, error, state, code):
    def work():
        with Job("train", tmp_path, quiet=True):
            if error is not None:
                raise error

    if error is None:
        work()
    else:
        with pytest.raises(type(error)):
            work()
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["state"] == state
    assert status.get("error", {}).get("code") == code


def test_a_job_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpaceError), Job("train", tmp_path / "file" / "job", quiet=True):
        pass


def test_progress_goes_to_standard_error_alone(capfd):
    with Job("train") as job:
        job.update("stage one", 5, 10, psnr=21.234, lost_frames="none")
        job.update("stage one", 10, 10, psnr=22.0)
    out, err = capfd.readouterr()
    assert out == ""
    assert "train: stage one  5/10  psnr 21.23  lost frames none" in err
    assert "10/10" in err
