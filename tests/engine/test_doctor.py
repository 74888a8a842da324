# SPDX-License-Identifier: GPL-3.0-or-later
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine import doctor
from engine.config import Doctor
from engine.jobs import Job

ROOT = Path(__file__).parents[2]


def run_doctor(python=sys.executable, **environment):
    return subprocess.run(
        [python, "-m", "engine", "doctor", "--json"],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_this_environment_is_fit_and_stdout_holds_one_line(tmp_path):
    """Also the first start: the kernel is compiled into an empty cache."""
    done = run_doctor(PARTNERFACE_CACHE=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    report = json.loads(done.stdout)
    assert report["python"] == ".".join(map(str, sys.version_info[:3]))
    assert report["torch"]
    assert report["warp"]
    assert report["device"].startswith(("cpu", "cuda"))
    assert report["mediapipe"]
    assert Path(report["ffmpeg"]).is_file()
    assert report["problems"] == []
    assert list(tmp_path.glob("warp-*/**/*.o")) or list(tmp_path.glob("warp-*/**/*.cubin"))


def test_a_python_without_packages_is_a_sentence(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    done = run_doctor(tmp_path / "bare" / "bin" / "python")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "missing_package"
    assert "tyro" in error["message"]
    assert "build.py setup" in error["hint"]
    assert "Traceback" not in done.stderr


def test_a_cache_that_cannot_be_written_is_a_problem(tmp_path):
    (tmp_path / "file").write_text("")
    done = run_doctor(PARTNERFACE_CACHE=str(tmp_path / "file" / "cache"))
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert "cannot be written" in report["problems"][0]
    assert "PARTNERFACE_CACHE" in report["error"]["hint"]
    assert report["torch"]  # the rest is reported all the same


def test_a_broken_package_is_a_problem_of_its_own(tmp_path):
    """What only capture needs does not forbid rendering; what rendering needs does."""
    (tmp_path / "mediapipe.py").write_text("raise RuntimeError('no such library')\n")
    done = run_doctor(PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    (problem,) = json.loads(done.stdout)["problems"]
    assert "mediapipe cannot be loaded (no such library)" in problem
    (tmp_path / "warp.py").write_text("raise ImportError('wrong machine')\n")
    done = run_doctor(PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert len(report["problems"]) == 2
    assert "warp cannot be loaded (wrong machine)" in report["error"]["message"]


def test_an_old_package_is_a_problem(monkeypatch):
    monkeypatch.setitem(doctor.OLDEST, "torch", (99, 0))
    with pytest.raises(doctor.EnvironmentUnfit, match=r"is older than 99\.0") as caught:
        doctor.run(Doctor(), Job("doctor", quiet=True))
    assert caught.value.report["problems"]


def test_a_kernel_that_computes_nonsense_is_a_problem(monkeypatch):
    import torch

    from engine.kernels import raycast

    monkeypatch.setattr(raycast, "cast_rays", lambda *arrays: (torch.zeros(1), None, None))
    with pytest.raises(doctor.EnvironmentUnfit, match=r"a ray ends at 0\.0 instead of 2"):
        doctor.run(Doctor(), Job("doctor", quiet=True))
