# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs wait for each other, pause, are started again, and the queue needs no Blender."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.job_folder import is_held

ROOT = Path(__file__).parents[2]


@pytest.fixture
def queue(jobs, worker, tmp_path):
    """Queues jobs of `worker`'s engine and runs them, as Blender would."""

    class Queue:
        folder = tmp_path / "jobs"

        def add(self, name, steps, end="well"):
            words = ["count", str(steps), end]
            return jobs.write_job(
                Path(sys.executable), worker, tmp_path / "cache", words, self.folder / name
            ).folder

        def run(self):
            self.folder.mkdir(exist_ok=True)
            jobs.start_runner(Path(sys.executable), ROOT, tmp_path / "cache", self.folder)

    yield Queue()
    for status in jobs.find_jobs(tmp_path / "jobs"):
        if status.active:
            jobs.cancel_job(status.folder)


def wait_for(jobs, folder, *states, seconds=40):
    deadline = time.monotonic() + seconds
    while (status := jobs.read_status(folder)).state not in states:
        assert time.monotonic() < deadline, status
        time.sleep(0.02)
    return status


def on_disk(folder):
    return json.loads((folder / "status.json").read_text())


def test_jobs_run_one_after_another_in_the_order_of_asking(jobs, queue):
    folders = [queue.add(name, 60) for name in ("b", "a", "c")]
    assert [jobs.read_status(folder).state for folder in folders] == ["queued"] * 3
    queue.run()
    queue.run()  # a second runner finds the first and leaves
    for folder in folders:
        wait_for(jobs, folder, "done")
    told = [on_disk(folder) for folder in folders]
    for before, after in itertools.pairwise(told):
        assert before["updated"] <= after["started"]
    deadline = time.monotonic() + 10
    while is_held(queue.folder):
        assert time.monotonic() < deadline, "the runner stays though nothing waits"
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="NOT RUN: nice values are POSIX's")
def test_jobs_give_way_to_whoever_is_at_the_machine(jobs, queue):
    folder = queue.add("a", 150)
    queue.run()
    wait_for(jobs, folder, "running")
    process = on_disk(folder)["pid"]
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, process) == min(19, own + 15)
    group = Path(f"/proc/{process}/autogroup")
    assert not group.exists() or group.read_text().endswith("nice 15\n")


def test_a_failure_stops_no_queue(jobs, queue):
    folders = [queue.add("a", 5, "refuse"), queue.add("b", 5, "break"), queue.add("c", 5)]
    queue.run()
    assert wait_for(jobs, folders[2], "done").result == {"steps": 5}
    assert [on_disk(folder)["state"] for folder in folders] == ["failed", "failed", "done"]


def test_a_waiting_job_is_cancelled_or_held_back(jobs, queue):
    first, held, gone = queue.add("a", 150), queue.add("b", 5), queue.add("c", 5)
    jobs.pause_job(held)
    assert "Held back" in jobs.read_status(held).sentence
    jobs.cancel_job(gone)
    queue.run()
    wait_for(jobs, first, "done")
    time.sleep(0.5)
    assert jobs.read_status(held).state == "queued"
    assert jobs.read_status(gone).state == "cancelled"
    jobs.unpause_job(held)
    queue.run()
    wait_for(jobs, held, "done")


def test_a_paused_job_stands_still_and_goes_on(jobs, queue):
    folder = queue.add("a", 400)
    queue.run()
    wait_for(jobs, folder, "running")
    jobs.pause_job(folder)
    status = wait_for(jobs, folder, "paused")
    assert status.active
    time.sleep(0.5)
    assert jobs.read_status(folder).step == status.step
    pid = on_disk(folder)["pid"]
    before = sum(cpu_ticks(pid))
    time.sleep(1.0)
    assert sum(cpu_ticks(pid)) - before < 0.2 * os.sysconf("SC_CLK_TCK")  # it gives way
    jobs.unpause_job(folder)
    assert wait_for(jobs, folder, "done").result == {"steps": 400}


def cpu_ticks(pid):
    if not sys.platform.startswith("linux"):
        pytest.skip("NOT TESTED: what a process costs is read from /proc")
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(words[11]), int(words[12])


def test_a_paused_job_can_be_cancelled(jobs, queue):
    folder = queue.add("a", 100_000)
    queue.run()
    wait_for(jobs, folder, "running")
    jobs.pause_job(folder)
    wait_for(jobs, folder, "paused")
    jobs.cancel_job(folder)
    wait_for(jobs, folder, "cancelled")
    assert not (folder / "pause").exists()


def test_a_killed_job_is_told_in_a_sentence_and_starts_again(jobs, queue, worker, tmp_path):
    folder, after = queue.add("a", 100_000), queue.add("b", 5)
    queue.run()
    wait_for(jobs, folder, "running")
    os.kill(on_disk(folder)["pid"], signal.SIGKILL)
    wait_for(jobs, after, "done")  # the queue goes on
    status = wait_for(jobs, folder, "failed")
    assert "was killed (signal 9)" in status.sentence
    assert "Resume" in status.sentence
    assert status.resumable
    jobs.write_job(Path(sys.executable), worker, tmp_path / "cache", ["count", "5", "well"], folder)
    queue.run()
    wait_for(jobs, folder, "done")


def test_a_killed_runner_takes_no_job_along_and_another_goes_on(jobs, queue):
    first, second = queue.add("a", 200), queue.add("b", 5)
    queue.run()
    wait_for(jobs, first, "running")
    status_module = sys.modules[jobs.__package__ + ".status"]
    runner = status_module.children[queue.folder]
    runner.kill()
    runner.wait()
    assert jobs.read_status(first).state == "running"
    queue.run()
    assert on_disk(wait_for(jobs, second, "done").folder)["started"] >= on_disk(first)["updated"]
    assert jobs.read_status(first).state == "done"


def test_a_queue_goes_on_when_whoever_asked_is_killed(jobs, queue, worker, tmp_path):
    starter = (
        "import importlib, os, signal, sys, types\n"
        "from pathlib import Path\n"
        "package = types.ModuleType('partnerface')\n"
        f"package.__path__ = [{str(ROOT)!r}]\n"
        "sys.modules['partnerface'] = package\n"
        "jobs = importlib.import_module('partnerface.partnerface_blender.jobs.process')\n"
        f"here, python = Path({str(tmp_path)!r}), Path(sys.executable)\n"
        "for name in 'ab':\n"
        f"    jobs.write_job(python, Path({str(worker)!r}), here / 'cache',\n"
        "                   ['count', '100', 'well'], here / 'jobs' / name)\n"
        f"jobs.start_runner(python, Path({str(ROOT)!r}), here / 'cache', here / 'jobs')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", starter]).returncode == -signal.SIGKILL
    for name in "ab":
        wait_for(jobs, queue.folder / name, "done")


def test_the_time_left_counts_the_steps_of_this_phase_alone(tmp_path):
    from engine.jobs import Job

    with Job("train", tmp_path, quiet=True) as job:
        job.update("stage 2", 900, 1000)  # goes on from a checkpoint
        assert on_disk(tmp_path)["eta_s"] == 0.0  # nobody knows yet
        job._phase_started -= 10.0
        job._last_status = 0.0
        job.update("stage 2", 910, 1000)
        assert on_disk(tmp_path)["eta_s"] == pytest.approx(90.0, abs=5.0)
